import { imageIdOf, type StockImage } from '../model/disk.ts';
import type {
  BoundPort,
  ContainerDetail,
  ObservedContainer,
  ObservedImage,
  ObservedNetwork,
} from '../model/observed.ts';
import {
  decodeAttached,
  decodeEnv,
  decodeHealthcheck,
  decodeSpec,
  type Surroundings,
} from './decode-spec.ts';
import {
  booleanAt,
  listAt,
  numberAt,
  objectAt,
  requireList,
  requireObject,
  textAt,
  textMapAt,
  textsAt,
} from './json.ts';
import { isRelayReference } from './relay-references.ts';

/** Podman's words, and older ones, for the states of Docker. A word nobody knows is left to the engine. */
const STATES: Readonly<Record<string, ObservedContainer['state']>> = {
  created: 'created',
  configured: 'created',
  initialized: 'created',
  running: 'running',
  stopping: 'running',
  paused: 'paused',
  restarting: 'restarting',
  removing: 'removing',
  exited: 'exited',
  stopped: 'exited',
  dead: 'dead',
};

/** Decodes `GET /containers/json` (Docker Engine API v1.52). Throws `ENGINE_PROTOCOL` for anything but a complete list. */
export function decodeListing(json: unknown): { container: ObservedContainer; fingerprint: string }[] {
  return requireList(json, 'GET /containers/json', 'Id').map((item) => ({
    container: decodeListed(item),
    fingerprint: listingFingerprint(item),
  }));
}

function decodeListed(item: unknown): ObservedContainer {
  const status = textAt(item, 'Status');
  const state = STATES[textAt(item, 'State').toLowerCase()] ?? 'restarting';
  const exit = state === 'exited' ? /^Exited \((-?\d+)\)/i.exec(status)?.[1] : undefined;
  const health = healthOf(status);
  // Old links show up as further names, "/other/alias".
  const names = textsAt(item, 'Names').map((name) => name.replace(/^\//, ''));
  return {
    id: textAt(item, 'Id'),
    name: names.find((name) => !name.includes('/')) ?? '',
    image: textAt(item, 'Image'),
    imageId: textAt(item, 'ImageID'),
    labels: textMapAt(item, 'Labels'),
    state,
    ...(exit === undefined ? {} : { exitCode: Number(exit) }),
    createdAt: numberAt(item, 'Created') * 1000,
    ...(health === undefined || state !== 'running' ? {} : { health }),
    ports: listAt(item, 'Ports').flatMap(boundPort),
  };
}

function healthOf(status: string): ObservedContainer['health'] {
  const word = /\((health: starting|healthy|unhealthy)\)/.exec(status)?.[1];
  if (word === 'health: starting') return 'starting';
  return word === 'healthy' || word === 'unhealthy' ? word : undefined;
}

function boundPort(item: unknown): BoundPort[] {
  const protocol = textAt(item, 'Type');
  const hostPort = numberAt(item, 'PublicPort');
  if (hostPort === 0 || (protocol !== 'tcp' && protocol !== 'udp')) return [];
  return [{ containerPort: numberAt(item, 'PrivatePort'), protocol, hostPort, hostIp: textAt(item, 'IP') }];
}

/** What of a listing's entry makes an earlier inspection stale when it changes: all but the words that count time. */
function listingFingerprint(item: unknown): string {
  const status = textAt(item, 'Status');
  const networks = Object.entries(objectAt(objectAt(item, 'NetworkSettings'), 'Networks')).map(
    ([name, end]) => [name, textAt(end, 'NetworkID'), textAt(end, 'EndpointID'), textAt(end, 'IPAddress')],
  );
  const mounts = listAt(item, 'Mounts').map((mount) => [
    textAt(mount, 'Source'),
    textAt(mount, 'Destination'),
  ]);
  return JSON.stringify([
    textAt(item, 'State'),
    /\([^)]*\)/.exec(status)?.[0] ?? '',
    textsAt(item, 'Names'),
    textAt(item, 'Image'),
    textAt(item, 'ImageID'),
    listAt(item, 'Ports'),
    networks,
    mounts,
  ]);
}

/** Decodes `GET /networks`. Throws `ENGINE_PROTOCOL` for anything but a complete list. */
export function decodeNetworks(json: unknown): ObservedNetwork[] {
  return requireList(json, 'GET /networks', 'Id').map((item) => ({
    id: textAt(item, 'Id'),
    name: textAt(item, 'Name'),
    driver: textAt(item, 'Driver'),
    labels: textMapAt(item, 'Labels'),
  }));
}

/** Decodes `GET /images/json` (Docker Engine API v1.52). Throws `ENGINE_PROTOCOL` for anything but a complete list. */
export function decodeStock(json: unknown): StockImage[] {
  const named = (name: string) => !name.includes('<none>');
  return requireList(json, 'GET /images/json', 'Id').map((item) => ({
    id: imageIdOf(textAt(item, 'Id')),
    // A relay's name holds an image as a tag does, also where it is one by digest: the pull is not over.
    tags: [...textsAt(item, 'RepoTags').filter(named), ...textsAt(item, 'RepoDigests').filter(isHeld(item))],
    digests: textsAt(item, 'RepoDigests').filter(named),
    sizeBytes: numberAt(item, 'Size'),
  }));
}

/** Digests by which a relay names an image that it gave no tag. */
function isHeld(item: unknown): (digest: string) => boolean {
  const isTagged = textsAt(item, 'RepoTags').some(isRelayReference);
  return (digest) => !isTagged && isRelayReference(digest);
}

/** Decodes `GET /images/{name}/json`. Members that the image leaves out are empty. */
export function decodeImage(json: unknown): ObservedImage {
  const item = requireObject(json, 'GET /images/{name}/json', 'Id');
  const config = objectAt(item, 'Config');
  const healthcheck = decodeHealthcheck(config.Healthcheck);
  const stopSignal = textAt(config, 'StopSignal');
  return {
    id: textAt(item, 'Id').replace(/^(?!sha256:)/, 'sha256:'),
    os: textAt(item, 'Os'),
    arch: textAt(item, 'Architecture'),
    variant: textAt(item, 'Variant'),
    env: decodeEnv(config),
    labels: textMapAt(config, 'Labels'),
    command: textsAt(config, 'Cmd'),
    entrypoint: textsAt(config, 'Entrypoint'),
    workingDir: textAt(config, 'WorkingDir'),
    user: textAt(config, 'User'),
    exposedPorts: Object.keys(objectAt(config, 'ExposedPorts')).sort(),
    volumes: Object.keys(objectAt(config, 'Volumes')).sort(),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(stopSignal === '' ? {} : { stopSignal }),
  };
}

/** Decodes `GET /containers/{id}/json` into our own words (Docker Engine API v1.52; podman 4.3). */
export function decodeDetail(json: unknown, around: Surroundings): ContainerDetail {
  const item = requireObject(json, 'GET /containers/{id}/json', 'Id');
  const state = objectAt(item, 'State');
  const checkOutput = lastWords(state.Health);
  return {
    startedAt: textAt(state, 'StartedAt'),
    finishedAt: textAt(state, 'FinishedAt'),
    exitCode: numberAt(state, 'ExitCode'),
    oomKilled: booleanAt(state, 'OOMKilled'),
    error: textAt(state, 'Error'),
    restartCount: numberAt(item, 'RestartCount'),
    ...(checkOutput === undefined ? {} : { checkOutput }),
    spec: decodeSpec(item, around),
    networks: decodeAttached(item),
  };
}

/** Most characters of a check's output that are kept. */
const MOST_OUTPUT = 160;

/** What the newest run of the health check said, when it failed: one line, its end, where programs say what is wrong. */
function lastWords(health: unknown): string | undefined {
  const last = listAt(health, 'Log').at(-1);
  if (last === undefined || numberAt(last, 'ExitCode') === 0) return undefined;
  const text = textAt(last, 'Output').replace(/\s+/g, ' ').trim();
  if (text === '') return `exit code ${numberAt(last, 'ExitCode')}`;
  return text.length > MOST_OUTPUT ? `...${text.slice(3 - MOST_OUTPUT)}` : text;
}
