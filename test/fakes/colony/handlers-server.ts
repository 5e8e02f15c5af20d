import { PAUSED_KEY } from './assign.ts';
import { Fields, type Handler, listOrNull } from './handler.ts';
import { goTime, Refusal } from './reply.ts';
import type { LocationRecord } from './state.ts';

function locationView(one: LocationRecord, colony: string): Record<string, unknown> {
  return {
    locationid: one.id,
    name: one.name,
    colonyname: colony,
    description: one.description,
    long: 0,
    lat: 0,
  };
}

/** Messages about locations, the pause and the server itself (PROTOCOL.md sections 1 and 12). */
export const serverHandlers: Record<string, Handler> = {
  getlocationsmsg: {
    what: 'get locations',
    run({ state }, { callerId, fields }) {
      state.requireKnown(callerId, fields.text('colonyname'));
      return listOrNull(state.locations.map((one) => locationView(one, state.settings.colony)));
    },
  },
  getlocationmsg: {
    what: 'get location',
    run({ state }, { callerId, fields }) {
      state.requireKnown(callerId, fields.text('colonyname'));
      const name = fields.text('name');
      const found = state.locations.find((one) => one.name === name);
      if (found === undefined) throw new Refusal(404, 'Failed to get location, location is nil');
      return locationView(found, state.settings.colony);
    },
  },
  addlocationmsg: {
    what: 'add location',
    run({ state }, { callerId, fields }) {
      const sent = new Fields(fields.map('location') ?? {});
      state.requireOwner(callerId, sent.text('colonyname'));
      const one = { id: state.id(), name: sent.text('name'), description: sent.text('description') };
      state.locations.push(one);
      return locationView(one, state.settings.colony);
    },
  },
  getpausestatusmsg: {
    what: 'get pause status',
    replyType: 'pausestatusreplymsg',
    run({ state }, { callerId, fields }) {
      const colonyname = fields.text('colonyname');
      state.requireKnown(callerId, colonyname);
      return { msgtype: 'pausestatusreplymsg', colonyname, ispaused: state.isPaused };
    },
  },
  pauseassignmentsmsg: {
    what: 'pause assignments',
    run({ state }, { callerId, fields }) {
      state.requireOwner(callerId, fields.text('colonyname'));
      state.isPaused = true;
    },
  },
  resumeassignmentsmsg: {
    what: 'resume assignments',
    run({ state, waiters }, { callerId, fields }) {
      state.requireOwner(callerId, fields.text('colonyname'));
      state.isPaused = false;
      waiters.signalAll(PAUSED_KEY);
    },
  },
  versionmsg: {
    what: 'get server version',
    run: () => ({ buildversion: '', buildtime: '', msgtype: 'versionmsg' }),
  },
  getserverinfomsg: {
    what: 'get server info',
    run: ({ state }) => ({
      buildversion: 'dev',
      buildtime: goTime(state.now() - state.uptimeMs()),
      backends: [{ type: 'http', port: 50090, host: '0.0.0.0' }],
    }),
  },
};
