import { errorCode } from '../base/errors.ts';
import type { Deadlines } from './deadlines.ts';
import { carriesDigest, pinnedDigest } from './digest.ts';
import { engineError } from './errors.ts';
import { encodeReference } from './observer.ts';
import { pullImage } from './pull.ts';
import { explainPullFailure } from './pull-failure.ts';
import { type CredentialSources, registryOf } from './registry-auth.ts';
import type { Throttle } from './throttle.ts';
import type { Transport } from './transport.ts';

interface PullParts {
  transport: Transport;
  api: string;
  deadlines: Deadlines;
  auth: Pick<CredentialSources, 'find'> | undefined;
  /** Absent: pulls take what the link gives. */
  throttle?: Throttle | undefined;
}

/** A pull with the credentials of its registry, found anew; fails in words that say what to do, and with
 *  `DIGEST_MISMATCH` when what came does not carry the digest that the reference asks for. */
export async function pullChecked(
  parts: PullParts,
  reference: string,
  options: { signal: AbortSignal; onProgress(currentBytes: number, totalBytes: number): void },
): Promise<void> {
  const { transport, api, deadlines, auth, throttle } = parts;
  const registry = registryOf(reference);
  const { credentials, problems } = (await auth?.find(registry, options.signal)) ?? {
    credentials: undefined,
    problems: [],
  };
  try {
    const direct = (onProgress: typeof options.onProgress) =>
      pullImage(transport, api, reference, {
        ...options,
        onProgress,
        stallMs: deadlines.pullStallMs,
        credentials,
      });
    if (throttle === undefined) await direct(options.onProgress);
    else await throttle.pull({ api, reference, credentials, ...options }, direct);
    const pin = pinnedDigest(reference);
    if (pin !== undefined) await checkDigest(parts, reference, pin, options.signal);
  } catch (error) {
    throw explainPullFailure(error, { reference, registry, credentials, problems });
  }
}

async function checkDigest(
  { transport, api, deadlines }: PullParts,
  reference: string,
  pin: string,
  signal: AbortSignal,
): Promise<void> {
  const call = { method: 'GET', path: `/v${api}/images/${encodeReference(reference)}/json`, signal } as const;
  const about = { deadlineMs: deadlines.inspectMs, subject: 'image', target: reference } as const;
  let image: unknown;
  try {
    image = (await transport.send({ ...call, ...about })).json;
  } catch (error) {
    if (errorCode(error) !== 'IMAGE_NOT_FOUND') throw error;
  }
  if (!carriesDigest(image, pin))
    throw engineError('DIGEST_MISMATCH', `the image that was pulled does not carry ${pin}`, reference);
}
