import { setMaxListeners } from 'node:events';
import { fstatSync } from 'node:fs';
import { systemClock } from './base/clock.ts';
import { errorCode } from './base/errors.ts';
import { isJournal } from './base/log-writer.ts';
import { systemRandom } from './base/random.ts';
import { dispatch } from './cli/dispatch.ts';
import type { Output } from './cli/io.ts';

const stop = new AbortController();
// Every wait and every call listens to it: that is no leak to be warned of.
setMaxListeners(0, stop.signal);
let isWriteFailed = false;

function output(stream: NodeJS.WriteStream, onError: (error: unknown) => void): Output {
  stream.on('error', onError);
  return {
    write: (text) => {
      stream.write(text);
    },
    isTTY: stream.isTTY === true,
    get columns() {
      // Some terminals say 0.
      return stream.columns || 80;
    },
  };
}

/** A reader such as `head` has seen enough: that is no failure. A full disk is one. */
function onOutError(error: unknown): void {
  if (errorCode(error) !== 'EPIPE') {
    // It may come before the command is done, or after.
    isWriteFailed = true;
    process.exitCode = 1;
  }
  stop.abort();
}

/** The agent does not stop because nobody reads its log. */
function onErrError(): void {}

/** The first signal asks everything to end; the second one does not wait for it. */
function onSignal(signal: 'SIGINT' | 'SIGTERM', number: number): void {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(128 + number);
    stop.abort();
  });
}

/** A broken invariant ends the process: whoever started it starts it again, and nothing but the disk is remembered. */
function onBroken(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  try {
    process.stderr.write(`colonies-edge: unexpected: ${text}\n`);
  } finally {
    process.exit(1);
  }
}

function errIsJournal(): boolean {
  try {
    return isJournal(process.env.JOURNAL_STREAM, fstatSync(2));
  } catch {
    // Started with a closed standard error.
    return false;
  }
}

process.on('uncaughtException', onBroken);
process.on('unhandledRejection', onBroken);
onSignal('SIGINT', 2);
onSignal('SIGTERM', 15);
const code = dispatch(process.argv.slice(2), {
  out: output(process.stdout, onOutError),
  err: output(process.stderr, onErrError),
  env: process.env,
  cwd: process.cwd(),
  clock: systemClock,
  random: systemRandom,
  onHangup: (listener) => process.on('SIGHUP', listener),
  signal: stop.signal,
  errIsJournal: errIsJournal(),
});
code.then((exitCode) => {
  // Not at once: what is still to be written to a pipe must get there. Not never: a connection may linger.
  process.exitCode = isWriteFailed ? 1 : exitCode;
  setTimeout(() => process.exit(), 500).unref();
}, onBroken);
