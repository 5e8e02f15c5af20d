import { createHash } from 'node:crypto';

/** Nobody else's images are named so: the relay's, then whose it is, then the pull. */
const FOLDER = 'colonies-edge-pull';
const REFERENCE = new RegExp(`^127\\.0\\.0\\.1:\\d+/${FOLDER}/([0-9a-f]{12})/([0-9a-f]{16})[:@]`);

/** A node's part in the names of its relay. */
export function relayOwner(node: string): string {
  return createHash('sha256').update(node).digest('hex').slice(0, 12);
}

/** The repository of one pull below a relay: "colonies-edge-pull/0f...1/9a...3". */
export function relayRepository(owner: string, route: string): string {
  return `${FOLDER}/${owner}/${route}`;
}

/** Whether a reference of an image is one that stands only while an image is pulled with a bandwidth. */
export function isRelayReference(reference: string): boolean {
  return REFERENCE.test(reference);
}

/** Whose relay made a reference, and for which pull; undefined for any other reference. */
export function parseRelayReference(reference: string): { owner: string; route: string } | undefined {
  const [, owner = '', route = ''] = REFERENCE.exec(reference) ?? [];
  return owner === '' ? undefined : { owner, route };
}
