import type { LayerSize } from '../model/disk.ts';
import { engineError } from './errors.ts';
import { isObject, listAt, numberAt, objectAt, textAt, textsAt } from './json.ts';
import type { Registry } from './registry.ts';

/** What the registry is asked to answer with; schema 1 has no sizes and is not among them. */
export const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** A machine, in Go's words; `variant` is "v7" on arm where it is known. */
export interface Platform {
  os: string;
  arch: string;
  variant: string;
}

/** A layer as it is loaded. */
export interface Layer {
  digest: string;
  sizeBytes: number;
  /** false: a plain tar archive. */
  isCompressed: boolean;
}

/** An image's manifest for one platform. */
export interface Manifest {
  /** Digest of its configuration. */
  config: string;
  /** From the bottom up; one that occurs twice is there twice. */
  layers: readonly Layer[];
}

/** An image has at most 127 layers, an index a few dozen platforms. */
const MOST_LAYERS = 1_000;
const MOST_PLATFORMS = 1_000;

/**
 * Bytes on disk that one byte of a gzip layer becomes. Measured with gzip -6 on Debian 12: programs 2.8, libraries 3.0,
 * a static busybox 1.9, trees of small files such as Python's modules 3.8.
 */
const UNPACKED_FACTOR = 3;

/** What pulling these layers takes at most; each is kept as it comes until it is unpacked. */
export function sizesOf(layers: readonly Layer[]): LayerSize[] {
  return layers.map(({ digest, sizeBytes, isCompressed }) => ({
    digest,
    compressedBytes: sizeBytes,
    neededBytes: sizeBytes * (1 + (isCompressed ? UNPACKED_FACTOR : 1)),
  }));
}

/** Reads the manifest of an image for this platform, over an index where there is one. Throws as `Registry.read`, and
 *  `PLATFORM_MISMATCH`. */
export async function readManifest(
  registry: Pick<Registry, 'read'>,
  version: string,
  platform: Platform,
): Promise<Manifest> {
  const first = await registry.read(`manifests/${version}`, MANIFEST_TYPES);
  if (!isIndex(first.json)) return decodeManifest(first.json);
  const digest = choosePlatform(first.json, platform);
  if (digest === undefined)
    throw engineError('PLATFORM_MISMATCH', `nothing for ${platform.os}/${platform.arch} in the image index`);
  return decodeManifest((await registry.read(`manifests/${digest}`, MANIFEST_TYPES)).json);
}

/** Reads the digests of a manifest's layers as they are unpacked, from the bottom up. */
export async function readDiffIds(registry: Pick<Registry, 'read'>, { config }: Manifest): Promise<string[]> {
  const { json } = await registry.read(`blobs/${config}`, '*/*');
  return textsAt(objectAt(json, 'rootfs'), 'diff_ids');
}

function isIndex(json: unknown): boolean {
  return isObject(json) && Array.isArray(json.manifests);
}

/** Decodes a manifest (OCI image specification 1.1; Docker image manifest version 2, schema 2). */
export function decodeManifest(json: unknown): Manifest {
  const config = textAt(objectAt(json, 'config'), 'digest');
  const layers = listAt(json, 'layers').map((item): Layer => {
    const sizeBytes = numberAt(item, 'size', -1);
    const digest = textAt(item, 'digest');
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || !isDigest(digest))
      throw unreadable('a layer has no size');
    return { digest, sizeBytes, isCompressed: !/\.tar$/.test(textAt(item, 'mediaType')) };
  });
  if (!isDigest(config) || layers.length === 0 || layers.length > MOST_LAYERS)
    throw unreadable('it is no manifest of an image');
  return { config, layers };
}

/** The digest of the manifest that an engine on this platform takes: its own variant, else the highest below, else one
 *  without. Undefined when there is none. */
export function choosePlatform(index: unknown, wanted: Platform): string | undefined {
  const level = (variant: string) => Number(/^v(\d+)$/.exec(variant)?.[1] ?? 0);
  let best: { digest: string; rank: number } | undefined;
  for (const item of listAt(index, 'manifests').slice(0, MOST_PLATFORMS)) {
    const digest = textAt(item, 'digest');
    const platform = objectAt(item, 'platform');
    const variant = textAt(platform, 'variant');
    if (textAt(platform, 'os') !== wanted.os || textAt(platform, 'architecture') !== wanted.arch) continue;
    if (!isDigest(digest)) continue;
    // An engine that does not say its variant takes the highest.
    if (wanted.variant !== '' && level(variant) > level(wanted.variant)) continue;
    const rank = variant === wanted.variant ? Number.POSITIVE_INFINITY : level(variant);
    if (best === undefined || rank > best.rank) best = { digest, rank };
  }
  return best?.digest;
}

function isDigest(text: string): boolean {
  return /^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$/.test(text);
}

function unreadable(why: string) {
  return engineError('REGISTRY_UNREACHABLE', `the manifest cannot be read: ${why}`);
}
