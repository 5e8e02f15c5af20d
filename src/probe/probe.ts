import { connect } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { errorCode } from '../base/errors.ts';
import type { ProbeCheck, ProbeResult } from '../model/ports.ts';
import { refusalText } from './text.ts';

/** A reason made once: the default one is an exception with a stack trace, for each probe. */
const NO_LONGER_NEEDED = 'no longer needed';

/** Tells the result of an attempt; only the first counts. */
export type Settle = (result: ProbeResult) => void;

/** One check of an address, as `Prober` promises. */
export async function probe(clock: Clock, check: ProbeCheck, signal: AbortSignal): Promise<ProbeResult> {
  const { http } = check;
  if (http === undefined) return attempt(clock, check, signal, (settle) => askTcp(check, settle));
  const { asker } = await import('./http.ts');
  const ask = await asker(http.tls);
  return attempt(clock, check, signal, (settle) => ask(check, http, settle));
}

/** `begin` starts the attempt and returns what ends it at once; its time and the caller's abort are seen to here. */
function attempt(
  clock: Clock,
  { timeoutMs }: ProbeCheck,
  signal: AbortSignal,
  begin: (settle: Settle) => () => void,
): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = new AbortController();
    const end = () => {
      timer.abort(NO_LONGER_NEEDED);
      signal.removeEventListener('abort', onAbort);
      giveUp();
    };
    const settle: Settle = (result) => {
      end();
      resolve(result);
    };
    const onAbort = () => {
      end();
      reject(signal.reason);
    };
    let giveUp = () => {};
    try {
      giveUp = begin(settle);
    } catch (error) {
      // An address or path that Node does not even try.
      settle({ ok: false, message: refusalText(error) });
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    clock.sleep(timeoutMs, timer.signal).then(
      () => settle({ ok: false, message: `no answer within ${timeoutMs / 1000} s` }),
      () => undefined,
    );
  });
}

function askTcp({ host, port, mustAnswer }: ProbeCheck, settle: Settle): () => void {
  const socket = connect({ host, port });
  const pass = () => settle({ ok: true });
  socket.once('connect', () => {
    if (mustAnswer === true) socket.once('data', pass).once('end', pass).end();
    else pass();
  });
  socket.on('error', (error) => {
    // Only a connection that was made can be broken off, and to do so is an answer too.
    if (errorCode(error) === 'ECONNRESET') pass();
    else settle({ ok: false, message: refusalText(error) });
  });
  return () => socket.destroy();
}
