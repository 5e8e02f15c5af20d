import type { Deadlines } from './deadlines.ts';
import { listAt, textsAt } from './json.ts';
import { encodeReference } from './observer.ts';
import { parseRelayReference } from './relay-references.ts';
import type { Transport } from './transport.ts';

/** Removes the references that this node's relays have left, but those of the pulls (routes) that still run. An image that has
 *  another name stays. What cannot be removed is left for the next time. */
export async function removeRelayReferences(
  { transport, api, deadlines }: { transport: Transport; api: string; deadlines: Deadlines },
  owner: string,
  isRunning: (route: string) => boolean,
): Promise<void> {
  const listed = await transport.send({
    method: 'GET',
    path: `/v${api}/images/json`,
    deadlineMs: deadlines.listMs,
    subject: 'image',
  });
  const isLeft = (reference: string) => {
    const found = parseRelayReference(reference);
    return found?.owner === owner && !isRunning(found.route);
  };
  // A tag takes its digest along, which is then gone.
  for (const item of listAt({ items: listed.json }, 'items'))
    for (const reference of [...textsAt(item, 'RepoTags'), ...textsAt(item, 'RepoDigests')].filter(isLeft))
      await transport
        .send({
          method: 'DELETE',
          path: `/v${api}/images/${encodeReference(reference)}`,
          deadlineMs: deadlines.removeMs,
          pool: 'long',
          subject: 'image',
          target: reference,
        })
        .catch(() => undefined);
}
