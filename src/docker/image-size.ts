import type { ImageSize } from '../model/disk.ts';
import { engineError } from './errors.ts';
import { listAt, numberAt, objectAt, textAt, textsAt } from './json.ts';
import { type Manifest, readDiffIds, readManifest, sizesOf } from './manifest.ts';
import { Registry } from './registry.ts';
import type { RegistryAuth } from './registry-auth.ts';
import { decodeRegistries, registryImage } from './registry-host.ts';
import { CERTS_DIR, trustedBy } from './trusted.ts';
import type { FullInfo } from './version.ts';

/** Most images of the engine whose layers are compared; the newest first. */
const MOST_COMPARED = 40;

export interface ImageSizeParts {
  /** `GET` of the engine; the path without the version. */
  get(path: string, signal: AbortSignal): Promise<unknown>;
  info: FullInfo;
  auth: RegistryAuth | undefined;
  certsDir?: string | undefined;
}

/**
 * Asks an image's registry what pulling it takes. `isExact`: without the layers that the engine has already. Throws
 * `REGISTRY_UNREACHABLE`, `REGISTRY_UNAUTHORIZED`, `IMAGE_NOT_FOUND` or `PLATFORM_MISMATCH` when it cannot be known.
 */
export async function askImageSize(
  reference: string,
  isExact: boolean,
  parts: ImageSizeParts,
  signal: AbortSignal,
): Promise<ImageSize> {
  const image = registryImage(reference);
  if (image === undefined) throw engineError('IMAGE_NOT_FOUND', `${reference} names no registry`, reference);
  const registries = decodeRegistries(await parts.get('/info', signal));
  if (registries.isBehindProxy(image.registry))
    throw engineError(
      'REGISTRY_UNREACHABLE',
      'the engine goes through a proxy, which is not gone round',
      reference,
    );
  const registry = new Registry({
    image,
    isInsecure: registries.isInsecure(image.registry),
    credentials: async () => parts.auth?.credentialsFor(image.registry),
    trusted: () => trustedBy(image.registry, parts.certsDir ?? CERTS_DIR),
    signal,
  });
  try {
    const manifest = await readManifest(registry, image.version, parts.info);
    const present = isExact ? await presentLayers(registry, manifest, parts, signal) : 0;
    const missing = manifest.layers.slice(present);
    return { layers: sizesOf(missing) };
  } finally {
    await registry.close();
  }
}

/** How many of the lowest layers one image of the engine has in the same order: those are not loaded again. */
async function presentLayers(
  registry: Registry,
  manifest: Manifest,
  { get }: ImageSizeParts,
  signal: AbortSignal,
): Promise<number> {
  const wanted = await readDiffIds(registry, manifest);
  if (wanted.length !== manifest.layers.length) return 0;
  const listed = [...listAt({ items: await get('/images/json', signal) }, 'items')]
    .sort((a, b) => numberAt(b, 'Created') - numberAt(a, 'Created'))
    .slice(0, MOST_COMPARED);
  let most = 0;
  for (const item of listed) {
    const found = await get(`/images/${textAt(item, 'Id')}/json`, signal).catch(() => undefined);
    const layers = textsAt(objectAt(found, 'RootFS'), 'Layers');
    const differs = wanted.findIndex((diffId, index) => layers[index] !== diffId);
    most = Math.max(most, differs < 0 ? wanted.length : differs);
  }
  return most;
}
