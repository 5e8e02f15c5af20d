import type { ServerResponse } from 'node:http';
import type { AgentView } from '../model/status.ts';
import type { LockAnswer, LockCommand } from '../model/update.ts';

/** Locks that are held by a connection, at the same time. */
const MOST_HELD = 16;

/** Longest texts that are taken, letters. */
const MOST_TEXT = 200;

/** The answer to one request about locks; `undefined`: the connection stays open and holds the lock. */
export type LockReply = { status: number; body: LockAnswer | { error: string } } | undefined;

/** The part of the interface that is about locks. */
export interface LockDoor {
  /** Carries out `command=lock|unlock|override&name=N`; a lock has `owner`, `reason`, `ttl` (milliseconds), and with `hold=1` it
   *  lasts while the connection does, with the `id` that its holder had before. */
  ask(response: ServerResponse, query: URLSearchParams): LockReply;
  /** The agent ends: those who hold a lock have to come back to the next one. */
  close(): void;
}

export function createLockDoor(view: AgentView): LockDoor {
  const held = new Set<ServerResponse>();
  let isClosing = false;

  const hold = (response: ServerResponse, answer: LockAnswer & { id: string }) => {
    const { id } = answer;
    held.add(response);
    response.req.socket.setTimeout(0);
    response.on('close', () => {
      held.delete(response);
      if (!isClosing) view.commandLock({ command: 'release', id });
    });
    response.writeHead(200, { 'content-type': 'application/x-ndjson', connection: 'close' });
    response.write(`${JSON.stringify(answer)}\n`);
  };

  return {
    ask(response, query) {
      const asked = decode(query);
      if (typeof asked === 'string') return { status: 400, body: { error: asked } };
      const isHeld = asked.command === 'lock' && asked.isHeld === true;
      if (isHeld && held.size >= MOST_HELD)
        return { status: 503, body: { error: `${MOST_HELD} locks are held already; end one and try again` } };
      const answer = view.commandLock(asked);
      if (!isHeld || !answer.ok || answer.id === undefined) return { status: 200, body: answer };
      hold(response, { ...answer, id: answer.id });
      return undefined;
    },
    close() {
      isClosing = true;
      for (const response of held) response.destroy();
    },
  };
}

/** Text: what is wrong. */
function decode(query: URLSearchParams): LockCommand | string {
  const command = query.get('command');
  const name = query.get('name') ?? '';
  if (name === '') return 'name must be BLUEPRINT or BLUEPRINT/INSTANCE';
  if (command === 'unlock' || command === 'override') return { command, name };
  if (command !== 'lock') return 'command must be lock, unlock or override';
  const ttl = query.get('ttl');
  const id = query.get('id');
  const isHeld = query.get('hold') === '1';
  if (ttl !== null && !/^[1-9]\d{0,11}$/.test(ttl)) return 'ttl must be a number of milliseconds';
  if (ttl === null && !isHeld) return 'ttl must be given for a lock that nobody holds';
  if (id !== null && !/^[0-9a-f]{16}$/.test(id)) return 'id must be one that this agent gave';
  return {
    command,
    name,
    owner: (query.get('owner') ?? 'unknown').slice(0, MOST_TEXT),
    reason: (query.get('reason') ?? '').slice(0, MOST_TEXT),
    ...(ttl === null ? {} : { ttlMs: Number(ttl) }),
    ...(isHeld ? { isHeld } : {}),
    ...(id === null ? {} : { id }),
  };
}
