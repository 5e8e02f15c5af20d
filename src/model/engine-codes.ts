import type { ActionKind } from './action.ts';
import type { Reason } from './reason.ts';

/** Every `EdgeError.code` the engine's adapter throws. */
export type EngineCode =
  | OutageCode
  | 'ENGINE_NOT_FOUND'
  | 'ENGINE_CONFLICT'
  | 'ENGINE_REFUSED'
  | 'ENGINE_FAILED'
  | 'IMAGE_NOT_FOUND'
  | 'IMAGE_IN_USE'
  | 'PLATFORM_MISMATCH'
  | 'BAD_REFERENCE'
  | 'BIND_SOURCE_MISSING'
  | 'PORT_CONFLICT'
  | 'NAME_TAKEN'
  | 'NETWORK_NOT_FOUND'
  | 'COMMAND_NOT_FOUND'
  | 'VOLUME_IN_USE'
  | 'DISK_FULL'
  | 'REGISTRY_UNAUTHORIZED'
  | 'REGISTRY_FORBIDDEN'
  | 'REGISTRY_UNTRUSTED'
  | 'REGISTRY_RATE_LIMITED'
  | 'REGISTRY_UNREACHABLE'
  | 'PULL_STALLED'
  | 'DIGEST_MISMATCH'
  | 'CANCELLED';

/** The engine itself is away, hung or talks nonsense: nothing is known about the thing that was asked for. */
export type OutageCode =
  | 'ENGINE_UNREACHABLE'
  | 'ENGINE_DENIED'
  | 'ENGINE_RESET'
  | 'ENGINE_TIMEOUT'
  | 'ENGINE_PROTOCOL';

const OUTAGES: ReadonlySet<string> = new Set<OutageCode>([
  'ENGINE_UNREACHABLE',
  'ENGINE_DENIED',
  'ENGINE_RESET',
  'ENGINE_TIMEOUT',
  'ENGINE_PROTOCOL',
]);

/** Codes of a call that fails the same way until its input or the machine is changed. */
const PERMANENT: ReadonlySet<string> = new Set<EngineCode>([
  'BAD_REFERENCE',
  'PLATFORM_MISMATCH',
  'BIND_SOURCE_MISSING',
  'COMMAND_NOT_FOUND',
  'ENGINE_REFUSED',
]);

/** true when the failure is the engine's (away, hung, nonsense), not that of the container or image it was about. */
export function isEngineOutage(code: string): boolean {
  return OUTAGES.has(code);
}

/** true when the same call would fail the same way: a bad reference, a missing bind source, a platform mismatch. */
export function isPermanentCode(code: string): boolean {
  return PERMANENT.has(code);
}

const BY_CODE: Readonly<Partial<Record<string, Reason>>> = {
  IMAGE_NOT_FOUND: 'ImageNotFound',
  PULL_STALLED: 'ImageUnavailable',
  REGISTRY_UNREACHABLE: 'ImageUnavailable',
  REGISTRY_UNAUTHORIZED: 'RegistryUnauthorized',
  REGISTRY_FORBIDDEN: 'RegistryForbidden',
  REGISTRY_UNTRUSTED: 'RegistryUntrusted',
  REGISTRY_RATE_LIMITED: 'RegistryRateLimited',
  DIGEST_MISMATCH: 'DigestMismatch',
  PLATFORM_MISMATCH: 'PlatformMismatch',
  BAD_REFERENCE: 'BadReference',
  BIND_SOURCE_MISSING: 'BindSourceMissing',
  PORT_CONFLICT: 'PortConflict',
  NAME_TAKEN: 'NameConflict',
  NETWORK_NOT_FOUND: 'NetworkMissing',
  VOLUME_IN_USE: 'VolumeInUse',
  DISK_FULL: 'DiskFull',
  COMMAND_NOT_FOUND: 'StartFailed',
};

const BY_ACTION: Readonly<Record<ActionKind, Reason>> = {
  pullImage: 'ImageUnavailable',
  createNetwork: 'NetworkMissing',
  createContainer: 'CreateFailed',
  startContainer: 'StartFailed',
  unpauseContainer: 'StartFailed',
  stopContainer: 'StopFailed',
  restartContainer: 'StartFailed',
  renameContainer: 'ReplacementFailed',
  updateContainer: 'UpdateFailed',
  connectNetwork: 'NetworkMissing',
  disconnectNetwork: 'UpdateFailed',
  removeContainer: 'RemoveFailed',
  removeNetwork: 'RemoveFailed',
  removeVolume: 'VolumeInUse',
  removeImage: 'RemoveFailed',
  checkLock: 'UpdateLocked',
  runHook: 'HookFailed',
  importImage: 'ImageUnavailable',
  pointRelay: 'RelayUnreachable',
};

/** The word for a failure: by its code where that is exact, else by what was tried; outages are `EngineUnavailable`. */
export function reasonOf(code: string, action: ActionKind = 'startContainer'): Reason {
  if (isEngineOutage(code)) return 'EngineUnavailable';
  return BY_CODE[code] ?? BY_ACTION[action];
}
