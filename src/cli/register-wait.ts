import { backoffMs } from '../base/backoff.ts';
import { parseDurationMs } from '../base/duration.ts';
import { errorCode, errorText } from '../base/errors.ts';
import type { ExecutorState } from '../colony/messages-executor.ts';
import type { Call } from './call.ts';
import type { ColonySettings } from './colony-settings.ts';
import { type Io, usageError } from './io.ts';
import type { FoundKey } from './key-sources.ts';
import { beHeard, checkKey, differences, standingOf, withClient } from './registration.ts';

/** How a registration stands. */
export interface Outcome {
  state: ExecutorState | 'unknown' | 'unreachable';
  /** With `unreachable`: why. */
  code?: string;
  error?: string;
  notes?: readonly string[];
}

/** An approval of one that was long silent lasts for up to a minute: it must be seen well within that. */
const RULE = { minMs: 2000, maxMs: 20_000 };

/** The `--timeout` of the command line; undefined: none. Throws `USAGE`. */
export function timeoutOf(call: Call): number | undefined {
  const text = call.value('timeout');
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0)
    throw usageError([`--timeout must be a duration such as "10m", got ${JSON.stringify(text)}`], 'register');
  return ms;
}

/**
 * Asks until this node is approved and has been heard, also over a link that comes and goes. Ends with the last state
 * that was seen when the time is over or the operator interrupts.
 */
export async function waitForApproval(options: {
  settings: ColonySettings;
  own: FoundKey;
  io: Io;
  timeoutMs: number | undefined;
  /** One line for people, whenever the state changes. */
  say(line: string): void;
}): Promise<Outcome> {
  const { settings, own, io, timeoutMs, say } = options;
  const { clock, random } = io;
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.monoMs() + timeoutMs;
  let shown = '';
  let last: Outcome = { state: 'unknown' };
  for (let attempt = 1; ; attempt += 1) {
    const left = endMs - clock.monoMs();
    if (io.signal.aborted || left <= 0) return last;
    last = await attemptOnce(settings, own, io);
    if (last.state === 'approved') return last;
    const line = last.error === undefined ? `waiting: ${last.state}` : `waiting: ${last.error}`;
    if (line !== shown && !io.signal.aborted) say(line);
    shown = line;
    const pause = backoffMs(attempt, 0.5 + random.next() / 2, RULE);
    await clock.sleep(Math.min(pause, Math.max(0, endMs - clock.monoMs())), io.signal).catch(() => undefined);
  }
}

async function attemptOnce(settings: ColonySettings, own: FoundKey, io: Io): Promise<Outcome> {
  try {
    return await withClient(settings, own.key, io, async (client) => {
      const self = { ...settings, id: own.id };
      const standing = await standingOf(client, self, io.signal);
      checkKey(settings, own, standing);
      if (standing.state !== 'approved') return { state: standing.state };
      // Swept again between the two: the next round sees it.
      if (!(await beHeard(client, settings.colony, io.signal))) return { state: 'unregistered' };
      return { state: 'approved', notes: differences(settings, standing) };
    });
  } catch (error) {
    const code = errorCode(error);
    if (!code.startsWith('COLONY_') && !io.signal.aborted) throw error;
    return { state: 'unreachable', code, error: errorText(error) };
  }
}
