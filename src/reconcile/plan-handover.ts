import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { RELAY_IMAGE, shortId } from '../model/relay.ts';
import { judge } from './judge.ts';
import { gateOf, standingOf } from './plan-gate.ts';
import { hold, holdBy, isUp } from './plan-steps.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** A relay that runs and does not answer keeps an update waiting no longer than this, milliseconds. */
const SILENCE_MS = 30_000;

/** Where failures of saying something to a relay are remembered, and what is busy while it is said. */
function laneOf(relay: string): string {
  return `relay:${relay}`;
}

/** true when a relay may be made or started; otherwise says what it waits for. */
export function relayReady(planning: Planning, relay: Service): boolean {
  const view = planning.observed.relays.get(relay.key);
  const publisher = publisherOf(planning, relay);
  if (view?.hasFolder !== true && view?.problem === undefined)
    hold(planning, relay, { reason: 'Working', message: 'its folder is being made' });
  else if (view.problem !== undefined)
    hold(planning, relay, {
      reason: 'RelayUnreachable',
      message: `its folder cannot be made: ${view.problem}`,
    });
  else if (publisher !== undefined)
    hold(planning, relay, {
      reason: 'Working',
      message: `its host port is still held by ${publisher.name}, which goes as soon as the new version has proved good`,
    });
  else return true;
  return false;
}

/** Plans the making of the relays' image, which holds nothing and comes from no registry. */
export function makeRelayImage(planning: Planning, relay: Service): void {
  const lane = `image:${RELAY_IMAGE}`;
  const setback = holding(planning.observed.setbacks, lane, RELAY_IMAGE, planning.monoMs);
  if (setback !== undefined) {
    holdBy(planning, relay, setback);
    return;
  }
  const { blueprint } = relay;
  planning.act({ kind: 'importImage', lane, blueprint, cause: 'image is not present', name: RELAY_IMAGE });
  hold(planning, relay, { reason: 'Working', message: `image ${RELAY_IMAGE} is being made` });
}

/** Points a relay that answers to the container that is to serve, unless it says that it does so already. */
export function pointRelay(planning: Planning, relay: Service): void {
  const state = planning.observed.relays.get(relay.key)?.state;
  const service = serviceOf(planning, relay.relay?.to ?? '', relay.blueprint);
  if (state === undefined) reportSilence(planning, relay);
  if (state === undefined || service === undefined) return;
  const server = serverOf(planning, service, state.target, undefined);
  if (server === undefined || state.target === shortId(server.id)) return;
  const lane = laneOf(relay.key);
  const { blueprint, specHash, containerName } = relay;
  const setback = holding(planning.observed.setbacks, lane, specHash, planning.monoMs);
  if (setback !== undefined) {
    holdBy(planning, relay, setback);
    return;
  }
  planning.act({
    kind: 'pointRelay',
    lane,
    blueprint,
    cause: state.target === undefined ? 'it has no target yet' : `${server.name} is to serve`,
    name: containerName,
    specHash,
    folder: relay.relay?.folder ?? '',
    target: shortId(server.id),
    targetName: server.name,
  });
}

/** A relay that runs and has not said a word (any more). */
function reportSilence(planning: Planning, relay: Service): void {
  const { silentSinceMs } = planning.observed.relays.get(relay.key) ?? {};
  if (silentSinceMs === undefined) return;
  const untilMs = silentSinceMs + SILENCE_MS;
  const message = 'it runs and does not answer the agent';
  if (untilMs <= planning.monoMs) hold(planning, relay, { reason: 'RelayUnreachable', message });
  else hold(planning, relay, { reason: 'Working', message: 'its answer is waited for', untilMs });
}

/**
 * true when a container may be stopped as far as its relay is concerned: another one serves and its own connections are
 * done, or have had their time; there is none that could; or there is no relay that could be asked.
 */
export function isHandedOver(planning: Planning, service: Service, leaving: ObservedContainer): boolean {
  const { handover } = service;
  const relay = handover === undefined ? undefined : serviceOf(planning, handover.relay, service.blueprint);
  if (handover === undefined || relay === undefined || leaving.state !== 'running') return true;
  const view = planning.observed.relays.get(relay.key);
  const next = serverOf(planning, service, view?.state?.target, leaving.id);
  if (next === undefined || isGivenUp(planning, relay)) return true;
  const wait = (message: string, untilMs?: number) => {
    hold(planning, service, { reason: 'Working', message, ...(untilMs === undefined ? {} : { untilMs }) });
    return false;
  };
  const { state } = view ?? {};
  if (state === undefined)
    return wait('waits for its relay to answer', (view?.silentSinceMs ?? planning.monoMs) + SILENCE_MS);
  if (state.target !== shortId(next.id)) return wait(`waits for its relay to go over to ${next.name}`);
  const draining = state.draining.find(({ id }) => id === shortId(leaving.id));
  const untilMs = (draining?.leftAtMs ?? 0) + handover.drainMs;
  if (draining === undefined || untilMs <= planning.monoMs) return true;
  const seconds = Math.round(handover.drainMs / 1000);
  const many = draining.inUse === 1 ? '1 connection' : `${draining.inUse} connections`;
  return wait(`${many} of ${leaving.name} in use, for ${seconds} s at most`, untilMs);
}

/** true: the relay does not run and will not soon, or does not answer; nobody gains from waiting for it. */
function isGivenUp(planning: Planning, relay: Service): boolean {
  const { observed, monoMs } = planning;
  const own = containersOf(planning, relay);
  if (publisherOf(planning, relay) !== undefined) return true;
  if (holding(observed.setbacks, relay.key, relay.specHash, monoMs) !== undefined) return true;
  if (own.some(({ state }) => state === 'restarting')) return true;
  const { silentSinceMs } = observed.relays.get(relay.key) ?? {};
  return silentSinceMs !== undefined && silentSinceMs + SILENCE_MS <= monoMs;
}

/** A container of the relayed service, of a version before, that still holds one of the relay's host ports itself. */
function publisherOf(planning: Planning, relay: Service): ObservedContainer | undefined {
  const service = serviceOf(planning, relay.relay?.to ?? '', relay.blueprint);
  const ports = new Set(relay.container.ports.map(({ hostPort }) => hostPort));
  return (service === undefined ? [] : containersOf(planning, service)).find(
    (container) =>
      isUp(container) &&
      container.detail?.spec.ports.some(
        ({ publish, protocol, hostPort }) => publish && protocol === 'tcp' && ports.has(hostPort),
      ),
  );
}

/**
 * The container that is to serve: the wanted version once it has passed its gate or is alone, before that the one that
 * serves now, or any that runs. Undefined when none runs: the relay then stays with the one it has, which may come back.
 */
function serverOf(
  planning: Planning,
  service: Service,
  target: string | undefined,
  without: string | undefined,
): ObservedContainer | undefined {
  const { observed, monoMs } = planning;
  const running = containersOf(planning, service).filter(
    ({ id, state }) => state === 'running' && id !== without,
  );
  const quiet: Planning = { ...planning, adopt: () => undefined };
  const wanted = running.find((container) => judge(quiet, service, container).outdated === undefined);
  const others = running
    .filter((container) => container !== wanted)
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const present = others.find(({ id }) => shortId(id) === target) ?? others[0];
  if (wanted === undefined || present === undefined) return wanted ?? present;
  const isServing = shortId(wanted.id) === target && standingOf(service, wanted, observed) !== 'unhealthy';
  const isHeld = holding(observed.setbacks, service.key, service.specHash, monoMs) !== undefined;
  // It has passed its gate before an agent that has just begun can know of it.
  const isProven = isServing || gateOf(service, wanted, observed, monoMs).isPassed;
  return !isHeld && isProven ? wanted : present;
}

function serviceOf(planning: Planning, key: string, blueprint: string): Service | undefined {
  return planning.desired.blueprints
    .find(({ name }) => name === blueprint)
    ?.services.find((service) => service.key === key);
}

function containersOf(planning: Planning, { blueprint, key }: Service): readonly ObservedContainer[] {
  return planning.containers.get(blueprint)?.byKey.get(key) ?? [];
}
