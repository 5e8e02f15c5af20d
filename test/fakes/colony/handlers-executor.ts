import { type Handler, type Incoming, listOrNull, type Parts } from './handler.ts';
import { type ExecutorRecord, executorView, type JsonMap } from './records.ts';
import { Refusal } from './reply.ts';
import type { ColonyState } from './state.ts';

function view(state: ColonyState, one: ExecutorRecord): JsonMap {
  return executorView(one, state.settings.colony);
}

function byOwner(what: string, act: (parts: Parts, name: string) => void): Handler {
  return {
    what,
    run(parts, { callerId, fields }) {
      const name = fields.text('executorname');
      parts.state.requireOwner(callerId, fields.text('colonyname'));
      act(parts, name);
    },
  };
}

/** The executor a message is about, which must be the caller itself, whatever its state. */
function ownRecord({ state }: Parts, { callerId, fields }: Incoming, refusal: string): ExecutorRecord {
  const name = fields.text('executorname');
  state.requireKnown(callerId, fields.text('colonyname'));
  const record = state.executorByName(name);
  if (record === undefined) throw new Refusal(400, `Executor with name <${name}> does not exist`);
  if (record.id !== callerId) throw new Refusal(400, refusal);
  return record;
}

/** Messages about executors (PROTOCOL.md 5.2). */
export const executorHandlers: Record<string, Handler> = {
  addexecutormsg: {
    what: 'add executor',
    run({ state, executors }, { callerId, fields }) {
      const sent = fields.map('executor');
      if (sent === undefined) throw new Refusal(400, 'Failed to add executor, executor is nil');
      state.requireOwner(callerId, typeof sent.colonyname === 'string' ? sent.colonyname : '');
      return view(state, executors.add(sent));
    },
  },
  approveexecutormsg: byOwner('approve executor', ({ executors }, name) => executors.approve(name)),
  rejectexecutormsg: byOwner('reject executor', ({ executors }, name) => executors.reject(name)),
  removeexecutormsg: byOwner('remove executor', ({ executors }, name) => executors.remove(name)),
  getexecutorsmsg: {
    what: 'get executors',
    run({ state }, { callerId, fields }) {
      state.requireKnown(callerId, fields.text('colonyname'));
      return listOrNull(state.executors.map((one) => view(state, one)));
    },
  },
  getexecutormsg: {
    what: 'get executor',
    run({ state }, { callerId, fields }) {
      const record = state.executorByName(fields.text('executorname'));
      if (record === undefined) throw new Refusal(500, 'Failed to get executor, executor is nil');
      state.requireMember(callerId, fields.text('colonyname'));
      return view(state, record);
    },
  },
  getexecutorbyidmsg: {
    what: 'get executor by ID',
    run({ state }, { callerId, fields }) {
      const record = state.executorById(fields.text('executorid'));
      state.requireMember(callerId, fields.text('colonyname'));
      if (record === undefined) throw new Refusal(404, 'Failed to get executor by ID, executor is nil');
      return view(state, record);
    },
  },
  updateexecutormsg: {
    what: 'update executor',
    run(parts, incoming) {
      const capabilities = incoming.fields.map('capabilities') ?? {};
      const record = ownRecord(parts, incoming, 'Only an executor can update its own capabilities');
      parts.executors.setCapabilities(record, capabilities);
    },
  },
  reportallocationmsg: {
    what: 'report allocation',
    run(parts, incoming) {
      const allocations = incoming.fields.map('allocations') ?? {};
      const record = ownRecord(parts, incoming, 'Only an executor can report allocations to itself');
      record.projects = allocations.projects ?? null;
    },
  },
  changeexecutoridmsg: {
    what: 'change executor Id',
    run({ state, executors }, { callerId, fields }) {
      const colonyname = fields.text('colonyname');
      const executorid = fields.text('executorid');
      state.requireKnown(callerId, colonyname);
      executors.changeId(callerId, executorid);
      return { colonyname, executorid, msgtype: 'changeexecutoridmsg' };
    },
  },
};

/** Messages about functions (PROTOCOL.md section 6). */
export const functionHandlers: Record<string, Handler> = {
  addfunctionmsg: {
    what: 'add function',
    run({ state, executors }, { callerId, fields }) {
      const sent = fields.map('fun');
      if (sent === undefined) throw new Refusal(400, 'Failed to add function, function is nil');
      const name = typeof sent.executorname === 'string' ? sent.executorname : '';
      const record = state.executorByName(name);
      if (record === undefined)
        throw new Refusal(400, `Failed to add function, Executor with name <${name}> does not exist`);
      state.requireMember(callerId, typeof sent.colonyname === 'string' ? sent.colonyname : '');
      if (record.id !== callerId) throw new Refusal(403, 'Not allowed to add a function to another executor');
      const added = executors.addFunction(record, sent);
      return { functionid: added.id, ...added.document };
    },
  },
  getfunctionsmsg: {
    what: 'get functions',
    run({ state }, { callerId, fields }) {
      const name = fields.text('executorname');
      state.requireMember(callerId, fields.text('colonyname'));
      const found = state.functions.filter((one) => name === '' || one.executorName === name);
      return listOrNull(found.map((one) => ({ functionid: one.id, ...one.document })));
    },
  },
  removefunctionmsg: {
    what: 'remove function',
    run({ state }, { callerId, fields }) {
      const id = fields.text('functionid');
      const found = state.functions.find((one) => one.id === id);
      if (found === undefined) throw new Refusal(404, 'Failed to remove function, function does not exist');
      state.requireMember(callerId, state.settings.colony);
      if (state.executorByName(found.executorName)?.id !== callerId)
        throw new Refusal(403, 'Not allowed to remove a function of another executor');
      state.functions = state.functions.filter((one) => one !== found);
    },
  },
};
