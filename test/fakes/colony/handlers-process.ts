import { Fields, type Handler, type Incoming, listOrNull, type Parts } from './handler.ts';
import { logView } from './logs.ts';
import { specOf } from './processes.ts';
import { attributeView, PROCESS_STATES, type ProcessRecord, processView } from './records.ts';
import { NoWords, Refusal } from './reply.ts';

function found({ state, processes }: Parts, { callerId, fields }: Incoming, missing: string): ProcessRecord {
  const process = processes.byId(fields.text('processid'));
  if (process === undefined) throw new Refusal(500, missing);
  state.requireMember(callerId, state.settings.colony);
  return process;
}

/** The process a close is about; it must be held by the caller. */
function toClose(parts: Parts, incoming: Incoming, as: string): ProcessRecord {
  const process = found(parts, incoming, `Failed to close process as ${as}, process is nil`);
  if (process.assignedTo === '')
    throw new Refusal(403, `Failed to close process as ${as}, process is not assigned`);
  if (process.assignedTo !== incoming.callerId)
    throw new Refusal(403, `Failed to close process as ${as}, not allowed to close process as ${as}`);
  return process;
}

function requireRunning(process: ProcessRecord): void {
  // The same text for outputs and logs.
  if (process.state !== PROCESS_STATES.running)
    throw new Refusal(403, 'Failed to set output, process is not running');
}

function views({ state }: Parts, found: Iterable<ProcessRecord>): unknown {
  return listOrNull([...found].map((one) => processView(one, state.settings.colony)));
}

function isState(value: number): boolean {
  return value >= PROCESS_STATES.waiting && value <= PROCESS_STATES.cancelled;
}

/** Messages about getting, finishing and looking at processes (PROTOCOL.md section 7). */
export const processHandlers: Record<string, Handler> = {
  assignprocessmsg: {
    what: 'assign process',
    indent: true,
    async run({ state, assigner }, { callerId, fields, signal }) {
      const request = {
        callerId,
        colony: fields.text('colonyname'),
        timeoutS: fields.integer('timeout'),
        cpu: fields.text('availablecpu'),
        mem: fields.text('availablemem'),
      };
      return processView(await assigner.assign(request, signal), state.settings.colony);
    },
  },
  closesuccessfulmsg: {
    what: 'close process as successful',
    run(parts, incoming) {
      const out = incoming.fields.list('out');
      parts.processes.succeed(toClose(parts, incoming, 'successful'), out);
    },
  },
  closefailedmsg: {
    what: 'close process as failed',
    run(parts, incoming) {
      const errors = incoming.fields.texts('errors');
      parts.processes.fail(toClose(parts, incoming, 'failed'), errors);
    },
  },
  setoutputmsg: {
    what: 'set output',
    run(parts, incoming) {
      const out = incoming.fields.list('out');
      const process = found(parts, incoming, 'Failed to set output, process is nil');
      if (process.assignedTo !== incoming.callerId)
        throw new Refusal(
          403,
          'Failed to close process as successful, not allowed to close process as successful',
        );
      requireRunning(process);
      if (out.length > 0) process.out = out;
    },
  },
  getprocessmsg: {
    what: 'get process',
    indent: true,
    run({ state, processes }, { callerId, fields }) {
      const process = processes.byId(fields.text('processid'));
      if (process === undefined) throw new Refusal(404, 'Failed to get process, process not found');
      state.requireMember(callerId, state.settings.colony);
      return processView(process, state.settings.colony);
    },
  },
  getprocessesmsg: {
    what: 'get processes',
    indent: true,
    run(parts, { callerId, fields }) {
      const { state } = parts;
      const wanted = fields.integer('state');
      const count = fields.integer('count');
      const [type, initiator, label] = ['executortype', 'initiator', 'label'].map((one) => fields.text(one));
      state.requireMember(callerId, fields.text('colonyname'));
      if (count > 100) throw new Refusal(400, 'Count is larger than MaxCount limit <100>');
      if (!isState(wanted)) throw new Refusal(400, 'Failed to get processes, invalid msg.State');
      const fits = (one: ProcessRecord) => {
        if (type) return one.spec.executortype === type;
        if (initiator) return one.initiatorName === initiator;
        return !label || one.spec.label === label;
      };
      const all = [...state.processes.values()].filter((one) => one.state === wanted && fits(one));
      return views(parts, all.slice(0, count));
    },
  },
  getprocesshistmsg: {
    what: 'get process history',
    indent: true,
    run(parts, { callerId, fields }) {
      const { state } = parts;
      const wanted = fields.integer('state');
      const executorId = fields.text('executorid');
      const since = state.now() - fields.integer('seconds') * 1000;
      state.requireColony(fields.text('colonyname'));
      // The refusal gets lost on the way: HTTP status 200 and not a word.
      if (!state.isMember(callerId)) throw new NoWords(200);
      if (!isState(wanted)) throw new Refusal(400, 'Failed to get processes, invalid msg.State');
      const fits = (one: ProcessRecord) =>
        one.state === wanted &&
        one.submittedAt >= since &&
        (executorId === '' || one.assignedTo === executorId);
      return views(parts, [...state.processes.values()].filter(fits));
    },
  },
  submitfuncspecmsg: {
    what: 'submit process spec',
    indent: true,
    run({ state, processes }, { callerId, fields }) {
      const spec = fields.map('spec');
      if (spec === undefined) throw new Refusal(400, 'Failed to submit process spec, spec is nil');
      const colony = new Fields(new Fields(spec).map('conditions') ?? {}).text('colonyname');
      state.requireMember(callerId, colony);
      return processView(processes.submit(specOf(spec), callerId), colony);
    },
  },
  cancelprocessmsg: {
    what: 'cancel process',
    run(parts, incoming) {
      parts.processes.cancel(found(parts, incoming, 'Failed to cancel process, process is nil'));
    },
  },
};

/** Messages about logs and attributes (PROTOCOL.md 7.2 and 7.3). */
export const logHandlers: Record<string, Handler> = {
  addlogmsg: {
    what: 'add log',
    run(parts, incoming) {
      const message = incoming.fields.text('message');
      const process = found(parts, incoming, 'Failed to add log, process is nil');
      if (process.assignedTo !== incoming.callerId)
        throw new Refusal(
          403,
          'Failed to add log, not allowed to add log, only the assigned Executor may att logs',
        );
      requireRunning(process);
      parts.logs.add(process.id, parts.state.nameOf(incoming.callerId), message);
    },
  },
  addexecutorlogmsg: {
    what: 'add executor log',
    run({ state, logs }, { callerId, fields }) {
      const name = fields.text('executorname');
      const message = fields.text('message');
      state.requireMember(callerId, fields.text('colonyname'));
      if (state.executorById(callerId)?.name !== name)
        throw new Refusal(403, 'Failed to add executor log, executor name mismatch');
      logs.add('', name, message);
    },
  },
  getlogsmsg: {
    what: 'get logs',
    run({ state, logs }, { callerId, fields }) {
      const query = {
        processId: fields.text('processid'),
        executorName: fields.text('executorname'),
        count: fields.integer('count'),
        sinceNs: fields.integer('since'),
        latest: fields.flag('latest'),
      };
      state.requireMember(callerId, fields.text('colonyname'));
      return listOrNull(logs.get(query).map((one) => logView(one, state.settings.colony)));
    },
  },
  addattributemsg: {
    what: 'add attribute',
    run({ state, processes }, { callerId, fields }) {
      const sent = new Fields(fields.map('attribute') ?? {});
      const process = processes.byId(sent.text('targetid'));
      if (process === undefined) throw new Refusal(500, 'Failed to add attribute, process is nil');
      state.requireMember(callerId, sent.text('targetcolonyname'));
      if (process.assignedTo !== callerId)
        throw new Refusal(
          403,
          `Failed to add attribute, only executor with id <${process.assignedTo}> is allowed to set attributes`,
        );
      requireRunning(process);
      const attribute = {
        id: state.id(),
        processId: process.id,
        graphId: process.graphId,
        type: sent.integer('attributetype'),
        key: sent.text('key'),
        value: sent.text('value'),
      };
      process.attributes.push(attribute);
      return attributeView(attribute, process.state, state.settings.colony);
    },
  },
  getattributemsg: {
    what: 'get attribute',
    run({ state }, { callerId, fields }) {
      const id = fields.text('attributeid');
      for (const process of state.processes.values()) {
        const attribute = process.attributes.find((one) => one.id === id);
        if (attribute === undefined) continue;
        state.requireMember(callerId, state.settings.colony);
        return attributeView(attribute, process.state, state.settings.colony);
      }
      throw new Refusal(404, 'Failed to get attribute, attribute not found');
    },
  },
};
