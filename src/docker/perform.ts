import { EdgeError } from '../base/errors.ts';
import type { EngineAction } from '../model/ports.ts';
import type { Deadlines } from './deadlines.ts';
import { encodeContainer, encodeUpdate } from './encode.ts';
import { engineError } from './errors.ts';
import { listAt, textAt } from './json.ts';
import type { Answer, Call, Transport } from './transport.ts';

/** What an action needs of the room. */
export interface Performer {
  transport: Transport;
  api: string;
  deadlines: Deadlines;
  /** Seconds a container was made to get for stopping; undefined when unknown. */
  stopTimeoutOf(id: string): number | undefined;
}

/** What came of an action; `id` of what was made. */
export interface Performed {
  id?: string;
  warnings?: readonly string[];
}

/** Seconds the engine waits before it kills, when nobody says otherwise. */
const DEFAULT_STOP_S = 10;

/** Exactly one engine call. What already is as wanted counts as done (Docker Engine API v1.52). */
export async function performAction(
  performer: Performer,
  action: EngineAction,
  signal: AbortSignal,
): Promise<Performed> {
  const { transport, api } = performer;
  const call = callOf(action, performer);
  const answer = await transport.send({ ...call, path: `/v${api}${call.path}`, signal });
  if (action.kind === 'importImage') checkImported(action.name, answer);
  return action.kind === 'createContainer' || action.kind === 'createNetwork' ? made(action, answer) : {};
}

/** The engine reports a failure in the body of a success: all but the new image's id. */
function checkImported(name: string, { json }: Answer): void {
  const said = textAt(json, 'status');
  if (said.startsWith('sha256:')) return;
  const why = textAt(json, 'error') || said || 'it does not say what it made';
  throw engineError('ENGINE_FAILED', `the engine did not import image ${name}: ${why}`, name);
}

function made(action: EngineAction, answer: Answer): Performed {
  const id = textAt(answer.json, 'Id');
  if (id === '' && action.kind === 'createContainer')
    throw engineError(
      'ENGINE_PROTOCOL',
      `the engine made container ${action.name} without saying its id`,
      action.name,
    );
  const warnings = listAt(answer.json, 'Warnings').filter((item): item is string => typeof item === 'string');
  return { ...(id === '' ? {} : { id }), ...(warnings.length === 0 ? {} : { warnings }) };
}

function callOf(action: EngineAction, { api, deadlines, stopTimeoutOf }: Performer): Call {
  const change = { method: 'POST', deadlineMs: deadlines.changeMs } as const;
  const remove = { method: 'DELETE', deadlineMs: deadlines.removeMs, pool: 'long' } as const;
  switch (action.kind) {
    case 'createNetwork':
      return {
        ...change,
        path: '/networks/create',
        body: { Name: action.name, Driver: action.driver, Labels: action.labels, CheckDuplicate: true },
        subject: 'network',
        target: action.name,
        alreadySo: (_status, message) => /network (with name )?.*already (exists|used)/i.test(message),
      };
    case 'createContainer':
      return {
        method: 'POST',
        path: '/containers/create',
        query: { name: action.name },
        body: encodeContainer(action.spec, action.labels, api),
        deadlineMs: deadlines.createMs,
        pool: 'long',
        subject: 'create',
        target: action.name,
      };
    case 'startContainer':
      return {
        method: 'POST',
        path: `/containers/${action.id}/start`,
        deadlineMs: deadlines.startMs,
        pool: 'long',
        subject: 'container',
        target: action.name,
        alreadySo: (_status, message) => /already (running|started)/i.test(message),
      };
    case 'unpauseContainer':
      return {
        ...change,
        path: `/containers/${action.id}/unpause`,
        subject: 'container',
        target: action.name,
        alreadySo: (_status, message) => /is not paused/i.test(message),
      };
    case 'stopContainer': {
      const seconds = action.timeoutS ?? stopTimeoutOf(action.id) ?? DEFAULT_STOP_S;
      return {
        method: 'POST',
        path: `/containers/${action.id}/stop`,
        query: { t: action.timeoutS },
        deadlineMs: Math.max(seconds, 0) * 1000 + deadlines.stopExtraMs,
        pool: 'long',
        subject: 'container',
        target: action.name,
        alreadySo: (status, message) =>
          isGone(status, message) || /is not running|already stopped/i.test(message),
      };
    }
    case 'restartContainer': {
      const seconds = action.timeoutS ?? stopTimeoutOf(action.id) ?? DEFAULT_STOP_S;
      return {
        method: 'POST',
        path: `/containers/${action.id}/restart`,
        query: { t: action.timeoutS },
        deadlineMs: Math.max(seconds, 0) * 1000 + deadlines.stopExtraMs + deadlines.startMs,
        pool: 'long',
        subject: 'container',
        target: action.name,
      };
    }
    case 'renameContainer':
      return {
        ...change,
        path: `/containers/${action.id}/rename`,
        query: { name: action.name },
        subject: 'container',
        target: action.name,
        alreadySo: (_status, message) => /same name as its current name/i.test(message),
      };
    case 'updateContainer':
      return {
        ...change,
        path: `/containers/${action.id}/update`,
        body: encodeUpdate(action.restart, action.limits),
        subject: 'container',
        target: action.name,
      };
    case 'connectNetwork':
      return {
        ...change,
        path: `/networks/${encodeURIComponent(action.network)}/connect`,
        body: { Container: action.id, EndpointConfig: { Aliases: action.aliases } },
        subject: 'network',
        target: action.network,
        alreadySo: (_status, message) =>
          /already (exists in|connected to|attached to) network|is already connected/i.test(message),
      };
    case 'disconnectNetwork':
      return {
        ...change,
        path: `/networks/${encodeURIComponent(action.network)}/disconnect`,
        body: { Container: action.id, Force: true },
        subject: 'network',
        target: action.network,
        alreadySo: (status, message) => isGone(status, message) || /is not connected to/i.test(message),
      };
    case 'removeContainer':
      return {
        ...remove,
        path: `/containers/${action.id}`,
        // v: the volumes nobody named go with it; named ones stay.
        query: { force: action.force, v: true },
        subject: 'container',
        target: action.name,
        alreadySo: (status, message) =>
          isGone(status, message) || /removal .* (is )?already in progress/i.test(message),
      };
    case 'removeNetwork':
      return {
        ...remove,
        path: `/networks/${encodeURIComponent(action.id)}`,
        subject: 'network',
        target: action.name,
        alreadySo: isGone,
      };
    case 'removeVolume':
      return {
        ...remove,
        path: `/volumes/${encodeURIComponent(action.name)}`,
        subject: 'volume',
        target: action.name,
        alreadySo: isGone,
      };
    case 'removeImage':
      return {
        ...remove,
        path: `/images/${action.id}`,
        // Layers that nothing else needs go with it.
        query: { force: false, noprune: false },
        subject: 'image',
        target: action.name,
        alreadySo: isGone,
      };
    case 'importImage':
      return importCall(action, deadlines);
    default:
      action satisfies never;
      throw new EdgeError('no such action', { code: 'ENGINE_REFUSED', retry: 'permanent' });
  }
}

/** An empty tar archive is two empty blocks; API v1.41 `POST /images/create?fromSrc=-`. */
const EMPTY_TAR = new Uint8Array(1024);

function importCall({ name }: EngineAction & { kind: 'importImage' }, deadlines: Deadlines): Call {
  const colon = name.lastIndexOf(':');
  return {
    method: 'POST',
    path: '/images/create',
    query: { fromSrc: '-', repo: name.slice(0, colon), tag: name.slice(colon + 1) },
    raw: { data: EMPTY_TAR, type: 'application/x-tar' },
    deadlineMs: deadlines.createMs,
    pool: 'long',
    subject: 'image',
    target: name,
  };
}

/** A 404 about the thing itself, not about the path of the call. */
function isGone(status: number, message: string): boolean {
  return status === 404 && !/page not found|^not found$/i.test(message);
}
