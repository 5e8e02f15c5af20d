import { Fields, type Handler, listOrNull, type Parts } from './handler.ts';
import { type BlueprintRecord, blueprintView, type JsonMap, processView } from './records.ts';
import { Refusal } from './reply.ts';

function view({ state }: Parts, one: BlueprintRecord): JsonMap {
  return blueprintView(one, state.settings.colony);
}

/** The document of a message and the colony it names. */
function documentOf(fields: Fields, member: string): { sent: JsonMap; colony: string } {
  const sent = fields.map(member);
  if (sent === undefined) throw new Refusal(400, `Failed to read ${member}, ${member} is nil`);
  return { sent, colony: new Fields(new Fields(sent).map('metadata') ?? {}).text('colonyname') };
}

/** Messages about blueprints (PROTOCOL.md 9.2). */
export const blueprintHandlers: Record<string, Handler> = {
  addblueprintmsg: {
    what: 'add blueprint',
    indent: true,
    run(parts, { callerId, fields }) {
      const { sent, colony } = documentOf(fields, 'blueprint');
      parts.state.requireMemberOrOwner(callerId, colony);
      return view(parts, parts.blueprints.add(sent, callerId));
    },
  },
  updateblueprintmsg: {
    what: 'update blueprint',
    indent: true,
    run(parts, { callerId, fields }) {
      const { sent, colony } = documentOf(fields, 'blueprint');
      const force = fields.flag('forcegeneration');
      parts.state.requireMemberOrOwner(callerId, colony);
      return view(parts, parts.blueprints.update(sent, force, callerId));
    },
  },
  removeblueprintmsg: {
    what: 'remove blueprint',
    run(parts, { callerId, fields }) {
      parts.state.requireMemberOrOwner(callerId, fields.text('namespace'));
      parts.blueprints.remove(fields.text('name'), callerId);
    },
  },
  getblueprintmsg: {
    what: 'get blueprint',
    indent: true,
    run(parts, { callerId, fields }) {
      parts.state.requireMemberOrOwner(callerId, fields.text('namespace'));
      return view(parts, parts.blueprints.get(fields.text('name')));
    },
  },
  getblueprintsmsg: {
    what: 'get blueprints',
    indent: true,
    run(parts, { callerId, fields }) {
      parts.state.requireMemberOrOwner(callerId, fields.text('namespace'));
      const found = parts.blueprints.list(fields.text('kind'), fields.text('locationname'));
      return listOrNull(found.map((one) => view(parts, one)));
    },
  },
  updateblueprintstatusmsg: {
    what: 'update blueprint status',
    run(parts, { callerId, fields }) {
      const status = fields.map('status') ?? {};
      parts.state.requireMember(callerId, fields.text('colonyname'));
      parts.blueprints.setStatus(fields.text('blueprintname'), status);
    },
  },
  reconcileblueprintmsg: {
    what: 'reconcile blueprint',
    indent: true,
    run({ state, blueprints }, { callerId, fields }) {
      const force = fields.flag('force');
      state.requireMember(callerId, fields.text('namespace'));
      return processView(blueprints.reconcile(fields.text('name'), force, callerId), state.settings.colony);
    },
  },
  getblueprinthistorymsg: {
    what: 'get blueprint history',
    run({ state, blueprints }, { callerId, fields }) {
      state.requireMemberOrOwner(callerId, state.settings.colony);
      return blueprints.history(fields.text('blueprintid'), fields.integer('limit'));
    },
  },
};

/** Messages about definitions (PROTOCOL.md 9.4). */
export const definitionHandlers: Record<string, Handler> = {
  addblueprintdefinitionmsg: {
    what: 'add blueprint definition',
    indent: true,
    run({ state, definitions }, { callerId, fields }) {
      const { sent, colony } = documentOf(fields, 'blueprintdefinition');
      state.requireOwner(callerId, colony);
      return definitions.add(sent).document;
    },
  },
  getblueprintdefinitionmsg: {
    what: 'get blueprint definition',
    indent: true,
    run({ state, definitions }, { callerId, fields }) {
      state.requireMemberOrOwner(callerId, fields.text('colonyname'));
      return definitions.get(fields.text('name')).document;
    },
  },
  getblueprintdefinitionsmsg: {
    what: 'get blueprint definitions',
    indent: true,
    run({ state }, { callerId, fields }) {
      state.requireMemberOrOwner(callerId, fields.text('colonyname'));
      // Unlike most lists this one is [] when empty.
      return [...state.definitions.values()].map((one) => one.document);
    },
  },
  removeblueprintdefinitionmsg: {
    what: 'remove blueprint definition',
    run({ state, definitions }, { callerId, fields }) {
      state.requireOwner(callerId, fields.text('namespace'));
      definitions.remove(fields.text('name'));
    },
  },
};
