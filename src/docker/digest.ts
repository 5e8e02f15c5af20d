import { textAt, textsAt } from './json.ts';

/** The digest to which a reference pins its image; undefined without one. */
export function pinnedDigest(reference: string): string | undefined {
  const at = reference.indexOf('@');
  return at < 0 ? undefined : reference.slice(at + 1);
}

/** Whether an image, as `GET /images/{name}/json` tells it, came from a registry under this digest. */
export function carriesDigest(image: unknown, digest: string): boolean {
  // Engines with containerd's image store name images by the digest itself; podman tells it beside the list.
  if (textAt(image, 'Id') === digest || textAt(image, 'Digest') === digest) return true;
  return textsAt(image, 'RepoDigests').some((one) => one.endsWith(`@${digest}`));
}
