import { untilAborted } from '../base/abort.ts';
import type { EngineInfo } from '../model/observed.ts';
import { engineError } from './errors.ts';
import { booleanAt, listAt, numberAt, objectAt, requireObject, textAt } from './json.ts';
import type { Transport } from './transport.ts';

/** Oldest and newest API version this room was written for. */
export const KNOWN_API = { min: '1.24', max: '1.52' } as const;

/** Compares two API versions; negative when `a` is the older one. "1.9" is older than "1.10". */
export function compareApi(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

/** What `GET /version` tells, and the API version to speak. */
export interface EngineVersion {
  version: string;
  api: string;
  name: 'docker' | 'podman';
  os: string;
  arch: string;
  /** All components by name, for `version` and `doctor`. */
  components: readonly { name: string; version: string }[];
}

/** Highest version both sides know. Throws `ENGINE_PROTOCOL` when there is none. */
export function negotiate(engineMin: string, engineMax: string): string {
  const pick = compareApi(engineMax, KNOWN_API.max) < 0 ? engineMax : KNOWN_API.max;
  if (compareApi(pick, engineMin) < 0 || compareApi(pick, KNOWN_API.min) < 0)
    throw engineError(
      'ENGINE_PROTOCOL',
      `the engine speaks API ${engineMin} to ${engineMax}, this agent ${KNOWN_API.min} to ${KNOWN_API.max}`,
    );
  return pick;
}

/** Decodes `GET /version` (Docker Engine API v1.52; podman 4.3). */
export function decodeVersion(json: unknown): EngineVersion {
  const body = requireObject(json, 'GET /version', 'ApiVersion');
  const max = textAt(body, 'ApiVersion');
  if (!/^\d+\.\d+$/.test(max))
    throw engineError('ENGINE_PROTOCOL', `GET /version: ApiVersion must look like "1.41", got "${max}"`);
  const components = listAt(body, 'Components').map((item) => ({
    name: textAt(item, 'Name'),
    version: textAt(item, 'Version'),
  }));
  const podman = components.some((component) => /podman/i.test(component.name));
  return {
    version: textAt(body, 'Version'),
    api: negotiate(textAt(body, 'MinAPIVersion') || KNOWN_API.min, max),
    name: podman ? 'podman' : 'docker',
    os: textAt(body, 'Os'),
    arch: textAt(body, 'Arch'),
    components,
  };
}

/** `EngineInfo`, and the host name, which shows up as host name of containers in host network mode. */
export interface FullInfo extends EngineInfo {
  hostname: string;
}

/** Decodes `GET /info` (Docker Engine API v1.52). `variant` is "v6" to "v8" where the machine name says so. */
export function decodeInfo(json: unknown, version: EngineVersion): FullInfo {
  const machine = textAt(json, 'Architecture');
  const variant = /^armv(\d)/.exec(machine)?.[1];
  return {
    version: version.version,
    apiVersion: version.api,
    name: version.name,
    os: textAt(json, 'OSType') || version.os,
    arch: version.arch,
    variant: variant === undefined || version.arch !== 'arm' ? '' : `v${variant}`,
    loggingDriver:
      textAt(json, 'LoggingDriver') || textAt(objectAt(json, 'LogDriver'), 'Name') || 'json-file',
    memoryBytes: numberAt(json, 'MemTotal'),
    cpus: numberAt(json, 'NCPU'),
    memoryLimit: booleanAt(json, 'MemoryLimit'),
    rootDir: textAt(json, 'DockerRootDir'),
    hostname: textAt(json, 'Name'),
  };
}

/** Version and info of the engine, asked for once per connection. */
export interface Versions {
  version(signal: AbortSignal): Promise<EngineVersion>;
  info(signal: AbortSignal): Promise<FullInfo>;
  /** The engine may be another one now: ask again at the next need. */
  forget(): void;
}

/** Both are shared by callers that ask at the same time; a failure is not remembered. */
export function createVersions(transport: Transport, deadlineMs: number): Versions {
  let version: Promise<EngineVersion> | undefined;
  let info: Promise<FullInfo> | undefined;

  async function askVersion(): Promise<EngineVersion> {
    const answer = await transport.send({ method: 'GET', path: '/version', deadlineMs, subject: 'engine' });
    return decodeVersion(answer.json);
  }
  async function askInfo(): Promise<FullInfo> {
    const known = await currentVersion();
    const path = `/v${known.api}/info`;
    const answer = await transport.send({ method: 'GET', path, deadlineMs, subject: 'engine' });
    return decodeInfo(answer.json, known);
  }
  function currentVersion(): Promise<EngineVersion> {
    const asked = version ?? askVersion();
    version = asked;
    asked.catch(() => {
      if (version === asked) version = undefined;
    });
    return asked;
  }
  return {
    version: (signal) => untilAborted(currentVersion(), signal),
    info: (signal) => {
      const asked = info ?? askInfo();
      info = asked;
      asked.catch(() => {
        if (info === asked) info = undefined;
      });
      return untilAborted(asked, signal);
    },
    forget: () => {
      version = undefined;
      info = undefined;
    },
  };
}
