import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import type { Draining, RelayState, Relays } from '../model/relay.ts';
import { controlPath } from './control.ts';

/** Pauses between two tries to reach a relay, milliseconds; doubling. */
const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 5_000;
/** A target is on disk and in force within this, milliseconds. */
const POINT_MS = 5_000;
const MOST_LINE_BYTES = 64 * 1_024;

/** The agent's hand to its relays, whose folders are in `dir`. */
export function createRelays({ dir, clock }: { dir: string; clock: Clock }): Relays {
  const folderOf = (name: string) => join(dir, name);
  return {
    async prepare(name) {
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await mkdir(folderOf(name), { recursive: true });
        // The relay runs as nobody; who may enter is decided by the folder above.
        await chmod(folderOf(name), 0o777);
      } catch (error) {
        throw unreachable(name, errorText(error), error);
      }
    },
    async follow(name, onState, signal) {
      let pauseMs = FIRST_PAUSE_MS;
      while (!signal.aborted) {
        await converse(controlPath(folderOf(name)), signal, (state) => {
          pauseMs = FIRST_PAUSE_MS;
          onState(state);
        }).catch(() => undefined);
        if (signal.aborted) return;
        onState(undefined);
        await clock.sleep(pauseMs, signal).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, MOST_PAUSE_MS);
      }
    },
    async point(name, target, signal) {
      const done = new AbortController();
      const deadline = AbortSignal.any([signal, done.signal, AbortSignal.timeout(POINT_MS)]);
      let isPointed = false;
      const send = (socket: Socket) => socket.write(`${JSON.stringify({ target })}\n`);
      const hear = (state: RelayState) => {
        isPointed ||= state.target === target;
        if (isPointed) done.abort();
      };
      const failure = await converse(controlPath(folderOf(name)), deadline, hear, send).catch(
        (error) => error,
      );
      signal.throwIfAborted();
      if (!isPointed)
        throw unreachable(name, failure === undefined ? 'it does not answer' : errorText(failure));
    },
    async tidy(kept) {
      const present = await readdir(dir).catch(() => []);
      for (const name of present)
        if (!kept.includes(name)) await rm(folderOf(name), { recursive: true, force: true });
    },
  };
}

function unreachable(name: string, text: string, cause?: unknown): EdgeError {
  return new EdgeError(`relay ${name}: ${text}`, {
    code: 'RELAY_UNREACHABLE',
    retry: 'transient',
    target: name,
    cause,
  });
}

/** Hears what a relay says until its end, or until aborted. Rejects when it cannot be reached or talks nonsense. */
function converse(
  path: string,
  signal: AbortSignal,
  onState: (state: RelayState) => void,
  onOpen: (socket: Socket) => void = () => undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve();
    const socket = connect(path);
    const onAbort = () => socket.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    let text = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => onOpen(socket));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      try {
        if (text.length > MOST_LINE_BYTES) throw new Error('it says more than a line');
        for (const line of lines) onState(decodeState(line));
      } catch (error) {
        socket.destroy(error instanceof Error ? error : new Error(errorText(error)));
      }
    });
    socket.on('error', reject);
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}

function decodeState(line: string): RelayState {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new Error('its state is no object');
  if ('error' in value) throw new Error(String(value.error));
  const target = 'target' in value && typeof value.target === 'string' ? { target: value.target } : {};
  const list: unknown[] = 'draining' in value && Array.isArray(value.draining) ? value.draining : [];
  return { ...target, draining: list.filter(isDraining) };
}

function isDraining(value: unknown): value is Draining {
  if (typeof value !== 'object' || value === null) return false;
  const { id, inUse, sinceMs } = value as Record<string, unknown>;
  return typeof id === 'string' && typeof inUse === 'number' && typeof sinceMs === 'number';
}
