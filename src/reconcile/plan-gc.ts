import { formatDuration } from '../base/duration.ts';
import type { Action } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredState } from '../model/desired.ts';
import type { DiskUse, GcImage, GcSettings, StockImage, WatchedImage } from '../model/disk.ts';
import { imageIdOf } from '../model/disk.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { servicesOf } from './crashes.ts';
import { isOurs, keyOf } from './ownership.ts';
import { holding } from './setback.ts';
import { familiar } from './wanted.ts';

/** Everything that decides which images go. */
export interface GcInput {
  desired: DesiredState;
  observed: ObservedState;
  /** Images that this agent pulled: only they may ever go. */
  pulled: readonly WatchedImage[];
  /** Undefined: the engine's disk cannot be seen. */
  disk: DiskUse | undefined;
  settings: GcSettings;
  /** Monotonic milliseconds. */
  monoMs: number;
  /** Somebody asked: everything that may go goes, however full the disk is. */
  isAsked: boolean;
  /** It went over the start before, and is not down to the target yet. */
  isCollecting: boolean;
  /** Images (by id) and containers that could not be removed just now. */
  skip: ReadonlySet<string>;
}

/** What is to go, the next step first, and what stays. */
export interface GcPlan {
  /** true: the disk is to come down to the target. */
  isCollecting: boolean;
  /** Containers before images; images by the time of their last use, oldest first. */
  containers: readonly (Action & { kind: 'removeContainer' })[];
  images: readonly (GcImage & { action: Action & { kind: 'removeImage' } })[];
  kept: readonly (GcImage & { why: string })[];
}

/**
 * Decides what of the agent's own goes to make room: stopped containers of replaced versions, then images that it pulled and
 * that nothing needs. Nothing at all while it is not known what is wanted or what is there. Pure.
 */
export function planGc(input: GcInput): GcPlan {
  const { desired, observed, monoMs } = input;
  const isCollecting = shouldCollect(input);
  if (!desired.known || observed.stock === undefined)
    return { isCollecting, containers: [], images: [], kept: [] };
  const containers = isCollecting || input.isAsked ? leftovers(input, desired) : [];
  const reasons = reasonsToKeep(input, desired);
  const stock = new Map(observed.stock.map((image) => [image.id, image]));
  const images: (GcImage & { action: Action & { kind: 'removeImage' }; lastUsedAt: number })[] = [];
  const kept: (GcImage & { why: string })[] = [];
  for (const image of input.pulled) {
    const found = stock.get(image.id);
    if (found === undefined) continue;
    const { id } = image;
    const name = found.tags[0] ?? image.refs[0] ?? id.slice(7, 19);
    const about = { id, name, sizeBytes: found.sizeBytes };
    const why = reasons(image, found);
    if (why !== undefined) kept.push({ ...about, why });
    else {
      const lane = `image:${id}`;
      const cause = `unused for ${formatDuration(monoMs - (image.unusedSinceMs ?? monoMs))}, ${causeOf(input)}`;
      const action = { kind: 'removeImage', lane, blueprint: '', cause, id, name } as const;
      images.push({ ...about, action, lastUsedAt: image.lastUsedAt ?? image.pulledAt });
    }
  }
  images.sort((a, b) => a.lastUsedAt - b.lastUsedAt || (a.id < b.id ? -1 : 1));
  kept.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { isCollecting, containers, images, kept };
}

/** A full disk, one that was full and is not down to the target, or a pull that waits for room. */
export function shouldCollect({
  disk,
  settings,
  isCollecting,
  observed,
  monoMs,
}: Pick<GcInput, 'disk' | 'settings' | 'isCollecting' | 'observed' | 'monoMs'>): boolean {
  if (settings.startPercent === undefined) return false;
  if (isShort(observed, monoMs)) return true;
  if (disk === undefined) return false;
  return disk.usedPercent >= (isCollecting ? settings.targetPercent : settings.startPercent);
}

/** A pull was refused, or failed, because the disk is full, and waits. */
export function isShort({ setbacks }: Pick<ObservedState, 'setbacks'>, monoMs: number): boolean {
  for (const { key, reason, notBeforeMs } of setbacks.values())
    if (reason === 'DiskFull' && notBeforeMs > monoMs && key.startsWith('image:')) return true;
  return false;
}

function causeOf({ disk, isAsked }: GcInput): string {
  if (isAsked) return 'garbage collection was asked for';
  return disk === undefined ? 'a pull needs room' : `the disk is ${Math.floor(disk.usedPercent)} % full`;
}

/** Says why an image stays; undefined when it may go. */
function reasonsToKeep(
  input: GcInput,
  desired: DesiredState & { known: true },
): (image: WatchedImage, found: StockImage) => string | undefined {
  const { observed, settings, monoMs, skip } = input;
  const users = new Map(observed.containers.map(({ imageId, name }) => [imageIdOf(imageId), name]));
  const wantedIds = new Map<string, string>();
  const wantedNames = new Map<string, string>();
  for (const { name, services } of desired.blueprints)
    for (const { container } of services) {
      for (const one of namesOf(container.image)) wantedNames.set(one, name);
      const image = observed.images.get(container.image);
      if (image) wantedIds.set(imageIdOf(image.id), name);
    }
  const pulling = new Set([...lanesOf(observed)].flatMap(namesOf));
  const others = observed.protectedImages ?? new Set<string>();
  const protectedNames = new Set([...others].flatMap(namesOf));
  return (image, found) => {
    const names = [found.id, ...found.tags, ...found.digests].flatMap(namesOf);
    const user = users.get(image.id);
    if (user !== undefined) return `container ${user} was made of it`;
    const wanted = wantedIds.get(image.id) ?? names.map((name) => wantedNames.get(name)).find(Boolean);
    if (wanted !== undefined) return `blueprint ${wanted} asks for it`;
    if (names.some((name) => pulling.has(name))) return 'it is being pulled';
    if (others.has(image.id) || names.some((name) => protectedNames.has(name)))
      return 'it may be needed to go back';
    const own = new Set(image.refs.flatMap(namesOf));
    const foreign = found.tags.find((tag) => !own.has(familiar(tag)));
    if (foreign !== undefined) return `somebody named it ${foreign}`;
    if (skip.has(image.id)) return 'the engine did not remove it just now';
    const unusedMs = image.unusedSinceMs === undefined ? 0 : monoMs - image.unusedSinceMs;
    if (image.unusedSinceMs === undefined || unusedMs < settings.minAgeMs)
      return `unused for ${formatDuration(unusedMs)}, less than ${formatDuration(settings.minAgeMs)}`;
    return undefined;
  };
}

/** References whose pull runs, waits or is being asked for. */
function* lanesOf({ pulls, busy, forced }: ObservedState): Generator<string> {
  yield* pulls.keys();
  for (const lane of busy) if (lane.startsWith('image:')) yield lane.slice('image:'.length);
  for (const run of forced.values()) if (run.phase === 'pulling') yield* run.refs;
}

/** A reference as images may be listed: by its tag, and by its digest without the tag. */
function namesOf(ref: string): string[] {
  const digest = ref.includes('@') ? [familiar(ref.replace(/:[^:/@]*@/, '@'))] : [];
  return [familiar(ref), ...digest];
}

/**
 * Stopped containers of replaced versions, next to one of the present version that has run for the minimum age without
 * trouble. Whatever belongs to no service that is asked for is a stray, and not touched.
 */
function leftovers(
  { observed, settings, monoMs, skip }: GcInput,
  desired: DesiredState & { known: true },
): (Action & { kind: 'removeContainer' })[] {
  const services = servicesOf(desired);
  const hashOf = ({ labels }: ObservedContainer) => labels[LABEL.specHash] ?? '';
  const isProven = (key: string, specHash: string) =>
    observed.containers.some((container) => {
      const sinceMs = observed.runningSince.get(container.id);
      if (!isOurs(container, desired.owner) || keyOf(container) !== key) return false;
      return hashOf(container) === specHash && sinceMs !== undefined && monoMs - sinceMs >= settings.minAgeMs;
    });
  return observed.containers.flatMap((container) => {
    const { id, name, state } = container;
    const key = keyOf(container) ?? '';
    const service = services.get(key);
    const isStopped = state === 'exited' || state === 'created' || state === 'dead';
    if (service === undefined || service.hold !== undefined || !isStopped || skip.has(id)) return [];
    if (!isOurs(container, desired.owner) || hashOf(container) === service.specHash) return [];
    if (observed.busy.has(key) || observed.forced.has(service.blueprint)) return [];
    if (holding(observed.setbacks, key, service.specHash, monoMs) !== undefined) return [];
    if (observed.protectedImages?.has(imageIdOf(container.imageId)) || !isProven(key, service.specHash))
      return [];
    const cause = 'left over from a replaced version, and room is needed';
    const force = state === 'dead';
    const { blueprint } = service;
    return [
      {
        kind: 'removeContainer',
        lane: key,
        blueprint,
        cause,
        id,
        name,
        specHash: hashOf(container),
        force,
      } as const,
    ];
  });
}
