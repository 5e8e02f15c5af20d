import { lru } from 'tiny-lru';
import { engineError, refusal } from './errors.ts';
import { isObject, numberAt, objectAt, textAt } from './json.ts';
import { jsonLines } from './json-lines.ts';
import { authHeader, type RegistryCredentials, registryOf } from './registry-auth.ts';
import type { Transport } from './transport.ts';

/** `fromImage` and `tag` of `POST /images/create`: without a tag the engine would pull every one there is. */
export function splitReference(reference: string): { fromImage: string; tag: string } {
  const at = reference.indexOf('@');
  if (at >= 0)
    return { fromImage: reference.slice(0, at).replace(/:[^:/]*$/, ''), tag: reference.slice(at + 1) };
  const colon = reference.lastIndexOf(':');
  if (colon > reference.lastIndexOf('/'))
    return { fromImage: reference.slice(0, colon), tag: reference.slice(colon + 1) };
  return { fromImage: reference, tag: 'latest' };
}

interface Layer {
  status: string;
  current: number;
  total: number;
}

/** Layers whose countdown or queue says nothing about progress. */
const IDLE_STATUS = /^(retrying|waiting)/i;
const COMPLETE_STATUS = /^(download complete|pull complete|already exists|verifying checksum)/i;

/** Sums up the progress lines of a pull; `moved` tells whether the line is a sign of life. */
export class PullMeter {
  // An image has at most 127 layers; more than this is not worth memory.
  readonly #layers = lru<Layer>(512);
  #currentBytes = 0;
  #totalBytes = 0;

  get currentBytes(): number {
    return this.#currentBytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Takes one line; true when bytes or a layer's state changed. */
  moved(line: unknown): boolean {
    const id = textAt(line, 'id');
    const status = textAt(line, 'status');
    const before = this.#layers.get(id) ?? { status: '', current: 0, total: 0 };
    const detail = objectAt(line, 'progressDetail');
    const downloading = /^downloading/i.test(status);
    const total = downloading ? Math.max(before.total, numberAt(detail, 'total')) : before.total;
    const reached = downloading
      ? numberAt(detail, 'current')
      : COMPLETE_STATUS.test(status)
        ? total
        : before.current;
    // The engine starts a layer again after an error; what it had counts once.
    const current = Math.max(before.current, reached);
    this.#currentBytes += current - before.current;
    this.#totalBytes += total - before.total;
    this.#layers.set(id, { status, current, total });
    if (IDLE_STATUS.test(status)) return false;
    const extracting = /^extracting/i.test(status);
    return current > before.current || extracting || (status !== before.status && !downloading);
  }
}

/** Pulls one image (Docker Engine API v1.52 `POST /images/create`). Throws `PULL_STALLED` when nothing moves for
 *  `stallMs`, and what the registry or the engine refuses. */
export async function pullImage(
  transport: Transport,
  api: string,
  reference: string,
  options: {
    signal: AbortSignal;
    stallMs: number;
    credentials?: RegistryCredentials | undefined;
    onProgress(currentBytes: number, totalBytes: number): void;
    /** Called once the engine is at it; each call of `moved` is a sign of life that the engine does not tell itself. */
    onOpen?(moved: () => void): void;
  },
): Promise<void> {
  const call = `POST /v${api}/images/create`;
  const { credentials } = options;
  const stream = await transport.open(
    {
      method: 'POST',
      path: `/v${api}/images/create`,
      query: splitReference(reference),
      ...(credentials === undefined
        ? {}
        : { headers: { 'x-registry-auth': authHeader(registryOf(reference), credentials) } }),
      deadlineMs: options.stallMs,
      signal: options.signal,
      subject: 'pull',
      target: reference,
    },
    (ms) => engineError('PULL_STALLED', `pull of ${reference}: nothing moved for ${ms / 1000} s`, reference),
  );
  stream.deadline.extend(options.stallMs);
  options.onOpen?.(() => stream.deadline.extend(options.stallMs));
  const meter = new PullMeter();
  let reported = -1;
  for await (const line of jsonLines(stream.chunks)) {
    const error = errorOf(line);
    if (error !== '') throw refusal(500, error, { subject: 'pull', target: reference, call });
    if (!meter.moved(line)) continue;
    stream.deadline.extend(options.stallMs);
    if (meter.currentBytes === reported) continue;
    reported = meter.currentBytes;
    options.onProgress(meter.currentBytes, meter.totalBytes);
  }
}

/** A failure after the headers were sent comes as a line of its own. */
function errorOf(line: unknown): string {
  if (!isObject(line)) return '';
  return textAt(objectAt(line, 'errorDetail'), 'message') || textAt(line, 'error');
}
