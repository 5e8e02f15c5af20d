import type { Clock } from '../base/clock.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { LABEL } from '../model/container.ts';
import type { EngineEvent } from '../model/ports.ts';
import { engineError } from './errors.ts';
import { numberAt, objectAt, textAt } from './json.ts';
import { jsonLines } from './json-lines.ts';
import type { Transport } from './transport.ts';
import type { Versions } from './version.ts';

/** An event, and which containers it may have changed (a network's event changes the container it names). */
export interface DecodedEvent {
  event: EngineEvent;
  containers: readonly string[];
  /** Engine time in nanoseconds as decimal text, exact; empty when unknown. */
  time: string;
}

const TYPES: ReadonlySet<string> = new Set(['container', 'image', 'network', 'volume']);

/** Beside these each health check is an exec, with three events every interval. A mount is said by the start too, and a file
 *  that is read changes nothing. */
const SAY_NOTHING: ReadonlySet<string> = new Set(['mount', 'unmount', 'archive-path']);

/** Podman's words for what Docker calls otherwise. */
const PODMAN_WORDS: Readonly<Record<string, string>> = { died: 'die', remove: 'destroy' };

/** Decodes one line of `GET /events` (Docker Engine API v1.52; podman 4.3). `undefined`: not one of ours, or noise. */
export function decodeEvent(json: unknown): DecodedEvent | undefined {
  const type = textAt(json, 'Type');
  const word = textAt(json, 'Action') || textAt(json, 'status');
  const action = type === 'container' ? (PODMAN_WORDS[word] ?? word) : word;
  if (!TYPES.has(type) || action.startsWith('exec_') || SAY_NOTHING.has(action)) return undefined;
  const actor = objectAt(json, 'Actor');
  const attributes = objectAt(actor, 'Attributes');
  const id = textAt(actor, 'ID') || textAt(json, 'id');
  const name = textAt(attributes, 'name');
  const named = type === 'container' ? id : textAt(attributes, 'container');
  const node = textAt(attributes, LABEL.node);
  const isForeign = type === 'container' && textAt(attributes, LABEL.managed) !== 'true';
  return {
    event: {
      type: type as EngineEvent['type'],
      action,
      id,
      ...(name === '' ? {} : { name }),
      ...(type === 'network' && named !== '' ? { container: named } : {}),
      ...(isForeign ? { isForeign } : {}),
      ...(node === '' ? {} : { node }),
    },
    containers: named === '' ? [] : [named],
    time: timeOf(json),
  };
}

function timeOf(json: unknown): string {
  const seconds = numberAt(json, 'time');
  const nanos = numberAt(json, 'timeNano');
  if (nanos > 0) {
    // Above 2^53, so the last digits are lost: rounded down, a repeated event does no harm and a lost one might.
    const whole = Math.floor(nanos / 1e9);
    const rest = Math.max(0, Math.floor(nanos - whole * 1e9 - 1000));
    return `${whole}.${String(rest).padStart(9, '0')}`;
  }
  return seconds > 0 ? String(seconds) : '';
}

export interface WatchParts {
  transport: Transport;
  versions: Versions;
  clock: Clock;
  random: Random;
  /** Longest wait for the stream to open. */
  openMs: number;
  onUp(): void;
  onDown(cause: EdgeError): void;
  onEvent(decoded: DecodedEvent): void;
}

const FIRST_BACKOFF_MS = 100;
/** Nobody listens: asking again costs next to nothing, and the return must be noticed within two seconds. */
const MOST_WHEN_GONE_MS = 1_500;
/** Denied, hung or talking nonsense. */
const MOST_MS = 5_000;
/** A stream that lived this long was a good one. */
const GOOD_STREAM_MS = 2_000;

/** Follows `GET /events` until aborted, over any number of connections. Never throws. */
export async function watchEvents(parts: WatchParts, signal: AbortSignal): Promise<void> {
  const { clock } = parts;
  let since = '';
  let failures = 0;
  let down = false;
  while (!signal.aborted) {
    let openedMs: number | undefined;
    let failure: EdgeError;
    try {
      await follow(parts, since, signal, {
        up: () => {
          openedMs = clock.monoMs();
          down = false;
          parts.onUp();
        },
        event: (decoded) => {
          if (decoded.time !== '') since = decoded.time;
          parts.onEvent(decoded);
        },
      });
      failure = engineError('ENGINE_RESET', 'the engine ended the event stream');
    } catch (error) {
      failure =
        error instanceof EdgeError
          ? error
          : engineError('ENGINE_PROTOCOL', errorText(error), undefined, error);
    }
    if (signal.aborted) return;
    if (!down) {
      down = true;
      parts.onDown(failure);
    }
    failures = openedMs !== undefined && clock.monoMs() - openedMs >= GOOD_STREAM_MS ? 0 : failures + 1;
    const most = failure.code === 'ENGINE_UNREACHABLE' ? MOST_WHEN_GONE_MS : MOST_MS;
    const backoffMs = Math.min(most, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10));
    await clock.sleep(backoffMs * (0.75 + parts.random.next() / 4), signal).catch(() => undefined);
  }
}

async function follow(
  parts: WatchParts,
  since: string,
  signal: AbortSignal,
  on: { up(): void; event(decoded: DecodedEvent): void },
): Promise<void> {
  const { api } = await parts.versions.version(signal);
  const filters = JSON.stringify({ type: [...TYPES] });
  const stream = await parts.transport.open({
    method: 'GET',
    path: `/v${api}/events`,
    query: { filters, since: since === '' ? undefined : since },
    deadlineMs: parts.openMs,
    signal,
    subject: 'engine',
  });
  on.up();
  for await (const json of jsonLines(stream.chunks)) {
    const decoded = decodeEvent(json);
    if (decoded !== undefined) on.event(decoded);
  }
}
