/** Use of the file system that holds the engine's data. */
export interface DiskUse {
  /** Where it was looked at: the engine's own data folder. */
  path: string;
  totalBytes: number;
  /** What programs without root's reserve may still write. */
  freeBytes: number;
  /** As `df` counts it: used of what may be used. */
  usedPercent: number;
}

/** What a pull would put on the engine's disk, by the word of the image's own registry. */
export interface ImageSize {
  /** Layers to load; one that occurs twice may be there twice. */
  layers: readonly LayerSize[];
}

export interface LayerSize {
  /** The same for the same layer of another image. */
  digest: string;
  /** What comes over the network. */
  compressedBytes: number;
  /** Free space that it takes while it is pulled, at most. */
  neededBytes: number;
}

/** Sums of these layers, each of which counts once, however often it occurs. */
export function sumOf(layers: Iterable<LayerSize>): { compressedBytes: number; neededBytes: number } {
  const once = new Map<string, LayerSize>();
  for (const layer of layers) once.set(layer.digest, layer);
  let compressedBytes = 0;
  let neededBytes = 0;
  for (const layer of once.values()) {
    compressedBytes += layer.compressedBytes;
    neededBytes += layer.neededBytes;
  }
  return { compressedBytes, neededBytes };
}

/** An image as the engine lists it. */
export interface StockImage {
  /** "sha256:..." */
  id: string;
  /** "app:1"; empty for an image that lost its name. */
  tags: readonly string[];
  /** "app@sha256:..." */
  digests: readonly string[];
  /** Unpacked, layers that it shares with others included. */
  sizeBytes: number;
}

/** An image that this agent pulled, and nobody else had brought before. */
export interface PulledImage {
  /** "sha256:..." */
  id: string;
  /** References under which it was pulled. */
  refs: readonly string[];
  /** Wall time, epoch milliseconds. */
  pulledAt: number;
  /** Wall time at which it was last seen in use, epoch milliseconds; absent while it is. */
  lastUsedAt?: number;
}

/** The same with what is known since the agent started. */
export interface WatchedImage extends PulledImage {
  /** Since when it has been seen out of use without a break, monotonic milliseconds; absent while it is in use. */
  unusedSinceMs?: number;
}

/** When unused images go. */
export interface GcSettings {
  /** Use of the disk, in percent, from which on they go; undefined: only when somebody asks. */
  startPercent: number | undefined;
  /** Use at which no more have to go. */
  targetPercent: number;
  /** How long an image must have been out of use. */
  minAgeMs: number;
}

/** An image in the answer to `colonies-edge gc`. */
export interface GcImage {
  id: string;
  /** A reference, or the short id. */
  name: string;
  /** Unpacked; layers shared with images that stay are not freed. */
  sizeBytes: number;
}

/** What `colonies-edge gc` says. */
export interface GcReport {
  dryRun: boolean;
  /** Absent: the engine's disk cannot be seen from here. */
  disk?: DiskUse;
  /** Absent: only when somebody asks. */
  startPercent?: number;
  targetPercent: number;
  /** Those that went, or would go. */
  images: readonly GcImage[];
  /** Names of stopped containers of replaced versions that went, or would go. */
  containers: readonly string[];
  /** Images of the agent that stay, and why. */
  kept: readonly (GcImage & { why: string })[];
  /** What could not be removed, and why. */
  failed: readonly { name: string; message: string }[];
}

/** "812 MiB", "12.4 GiB": rounded up when it is what is needed, down when it is what is there. */
export function bytesText(bytes: number, round: 'up' | 'down' = 'up'): string {
  const cut = round === 'up' ? Math.ceil : Math.floor;
  const mebi = bytes / 2 ** 20;
  return cut(mebi) < 10_240 ? `${cut(mebi)} MiB` : `${(cut(mebi / 102.4) / 10).toFixed(1)} GiB`;
}

/** "sha256:..." of an image id, which some engines list without the algorithm. */
export function imageIdOf(id: string): string {
  return id === '' || id.includes(':') ? id : `sha256:${id}`;
}
