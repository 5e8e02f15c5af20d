import type { request } from 'node:http';
import type { ProbeCheck } from '../model/ports.ts';
import type { Settle } from './probe.ts';
import { refusalText } from './text.ts';

type HttpCheck = NonNullable<ProbeCheck['http']>;

/** Begins one request and returns what ends it at once. */
type Ask = (check: ProbeCheck, http: HttpCheck, settle: Settle) => () => void;

/** What asks over HTTP, with TLS or without; TLS costs memory and is only loaded where a probe has it. */
export async function asker(tls: boolean): Promise<Ask> {
  const { request: send } = tls ? await import('node:https') : await import('node:http');
  return (check, http, settle) => ask(send, check, http, settle);
}

/** GET, one connection for each; the status decides, redirects are not followed, the body is not read. */
function ask(
  send: typeof request,
  { host, port }: ProbeCheck,
  { path, status }: HttpCheck,
  settle: Settle,
): () => void {
  const options = {
    host,
    port,
    path,
    agent: false,
    // Containers have certificates of their own for names of their own: this asks whether it serves, not who it is.
    rejectUnauthorized: false,
    headers: { 'user-agent': 'colonies-edge-probe', connection: 'close' },
  };
  const call = send(options, (response) => {
    // The rest of the answer is cut off.
    response.on('error', () => undefined);
    const { statusCode } = response;
    const isRight = statusCode === status;
    settle(isRight ? { ok: true } : { ok: false, message: `answered ${statusCode} instead of ${status}` });
  });
  call.on('error', (error) => settle({ ok: false, message: refusalText(error) }));
  call.end();
  return () => call.destroy();
}
