import type { Hold } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { DesiredBlueprint, Service } from '../model/desired.ts';
import { liveHash } from '../model/hash.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { type Drift, driftOf } from './drift.ts';
import { isOurs, isPeers } from './ownership.ts';
import { type Planning, retire } from './plan.ts';
import { holding } from './setback.ts';

/** A candidate container of a service and what speaks against it. */
interface Candidate {
  container: ObservedContainer;
  /** Why it must be replaced; undefined when it is the wanted version. */
  outdated: string | undefined;
  drift: Drift | undefined;
}

/** Plans the next step of one service, given every container that carries its identity. */
export function planService(
  planning: Planning,
  blueprint: DesiredBlueprint,
  service: Service,
  containers: readonly ObservedContainer[],
): void {
  if (service.hold !== undefined) {
    planning.hold({ key: service.key, blueprint: blueprint.name, ...service.hold });
    return;
  }
  if (planning.observed.busy.has(service.key)) return;
  const candidates = [...containers]
    .sort(byPreference(service))
    .map((container) => judge(planning, service, container));
  const current = candidates.find((candidate) => candidate.outdated === undefined);
  const others = candidates.filter((candidate) => candidate !== current);
  if (current === undefined) createSuccessor(planning, service, others);
  else if (others.length > 0) finishReplacement(planning, service, current.container, others);
  else keep(planning, service, current);
}

/** Running ones first, then the one that holds the name, then by id, so that input order never matters. */
function byPreference(service: Service): (a: ObservedContainer, b: ObservedContainer) => number {
  const rank = (container: ObservedContainer) =>
    (container.state === 'running' || container.state === 'paused' ? 0 : 2) +
    (container.name === service.containerName ? 0 : 1);
  return (a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function judge(planning: Planning, service: Service, container: ObservedContainer): Candidate {
  const { observed } = planning;
  const version = versionDrift(planning, service, container);
  if (version !== undefined) return { container, outdated: version, drift: undefined };
  const { network } = service.container;
  const made = observed.made.has(container.id);
  const adopted = observed.adopted.get(container.id) === service.specHash || isPeers(container);
  const drift = driftOf(service, container, {
    image: observed.images.get(service.container.image),
    networkId:
      network.mode === 'network'
        ? observed.networks.find((candidate) => candidate.name === network.name)?.id
        : undefined,
    immutable: !made && !adopted,
    lenient: observed.engine.name === 'podman',
  });
  const outdated = drift.replace.length > 0 ? listOf(drift.replace) : undefined;
  return { container, outdated, drift };
}

/** Why a container is of another version than the service asks for; undefined when it is the same. */
function versionDrift(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
): string | undefined {
  const { labels } = container;
  if (isPeers(container)) return peerDrift(planning, service, container);
  const id = labels[LABEL.blueprintId] ?? '';
  const wantedId = service.managedLabels[LABEL.blueprintId] ?? '';
  if (id !== '' && wantedId !== '' && id !== wantedId)
    return `belongs to an earlier blueprint of this name (id ${id})`;
  if (labels[LABEL.specHash] === service.specHash) return undefined;
  return `spec changed (${changedFields(planning, service, container)})`;
}

/** A container of the Go reconciler is adopted when name, image and generation match, and kept until the spec changes. */
function peerDrift(planning: Planning, service: Service, container: ObservedContainer): string | undefined {
  const adopted = planning.observed.adopted.get(container.id);
  if (adopted === service.specHash) return undefined;
  if (adopted !== undefined) return 'spec changed since this container was adopted';
  const generation = container.labels[LABEL.generation] ?? '0';
  const wanted = service.managedLabels[LABEL.generation] ?? '0';
  if (generation !== wanted) return `was made for generation ${generation}, wanted is ${wanted}`;
  const image = container.detail?.spec.image ?? container.image;
  if (image !== service.container.image) return `image is ${image} instead of ${service.container.image}`;
  planning.adopt({ id: container.id, name: container.name, specHash: service.specHash });
  return undefined;
}

function changedFields(planning: Planning, service: Service, container: ObservedContainer): string {
  const drift = driftOf(service, container, {
    image: planning.observed.images.get(container.image),
    networkId: undefined,
    immutable: true,
    lenient: false,
  });
  const fields = drift.replace.filter((field) => !field.startsWith(`label ${LABEL.specHash}`));
  if (drift.connect !== undefined) fields.push(drift.connect.cause);
  return fields.length > 0
    ? listOf(fields)
    : `${container.labels[LABEL.specHash] ?? 'no hash'} to ${service.specHash}`;
}

/** At most three clauses, then how many more. */
function listOf(clauses: readonly string[]): string {
  const shown = clauses.slice(0, 3).join('; ');
  return clauses.length > 3 ? `${shown}; and ${clauses.length - 3} more` : shown;
}

/** Makes the wanted container: image, network and name first, then the container itself. */
function createSuccessor(planning: Planning, service: Service, others: readonly Candidate[]): void {
  const old = others[0];
  const setback = holding(planning.observed.setbacks, service.key, service.specHash, planning.monoMs);
  if (setback !== undefined) {
    const { reason, message, notBeforeMs, nextTryAt } = setback;
    hold(planning, service, { reason, message, untilMs: notBeforeMs, nextTryAt });
    keepOldRunning(planning, service, others);
    return;
  }
  if (!imageReady(planning, service, old) || !networkReady(planning, service)) {
    keepOldRunning(planning, service, others);
    return;
  }
  const name = freeName(planning, service, others);
  if (name === undefined) return;
  const cause = old === undefined ? 'no container exists' : `${old.container.name}: ${old.outdated}`;
  planning.act({
    kind: 'createContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    name,
    specHash: service.specHash,
    spec: service.container,
    labels: { ...service.container.labels, ...service.managedLabels },
    replaces: old !== undefined,
  });
}

/** While a successor cannot be made, the version before it is what keeps the service up. */
function keepOldRunning(planning: Planning, service: Service, others: readonly Candidate[]): void {
  const old = others.find(
    ({ container }) => container.state !== 'dead' && container.state !== 'removing',
  )?.container;
  if (
    old === undefined ||
    others.some(({ container }) => container.state === 'running' || container.state === 'restarting')
  )
    return;
  const base = { lane: service.key, blueprint: service.blueprint, id: old.id, name: old.name };
  const specHash = old.labels[LABEL.specHash] ?? '';
  if (old.state === 'paused')
    planning.act({
      ...base,
      kind: 'unpauseContainer',
      specHash,
      cause: 'the new version cannot run yet, the old one is paused',
    });
  else if (holding(planning.observed.setbacks, service.key, specHash, planning.monoMs) === undefined)
    planning.act({
      ...base,
      kind: 'startContainer',
      specHash,
      replaces: false,
      cause: 'the new version cannot run yet, the old one goes on',
    });
}

function hold(planning: Planning, service: Service, hold: Omit<Hold, 'key' | 'blueprint'>): void {
  planning.hold({ key: service.key, blueprint: service.blueprint, ...hold });
}

/** true when the image is there and fits the machine; otherwise plans the pull, or says what is missing. */
function imageReady(planning: Planning, service: Service, old: Candidate | undefined): boolean {
  const { observed } = planning;
  const ref = service.container.image;
  const lane = `image:${ref}`;
  const image = observed.images.get(ref);
  if (image === undefined) {
    hold(planning, service, { reason: 'Working', message: `image ${ref} is being looked up` });
    return false;
  }
  const pull = observed.pulls.get(ref);
  if (pull !== undefined) {
    hold(planning, service, { reason: 'Pulling', message: `image ${ref} is being pulled` });
    return false;
  }
  const refresh = service.pullPolicy === 'Always' && !observed.fresh.has(ref);
  const setback = holding(observed.setbacks, lane, ref, planning.monoMs);
  if (image === null || (refresh && setback === undefined)) {
    if (service.pullPolicy === 'Never') {
      hold(planning, service, {
        reason: 'ImageUnavailable',
        message: `image ${ref} is not present and pullPolicy is Never`,
      });
    } else if (setback !== undefined) {
      const { reason, message, notBeforeMs, nextTryAt } = setback;
      hold(planning, service, { reason, message, untilMs: notBeforeMs, nextTryAt });
    } else {
      const cause = image === null ? 'image is not present' : 'pullPolicy is Always';
      planning.act({
        kind: 'pullImage',
        lane,
        blueprint: service.blueprint,
        cause: `${cause}${old ? ' (needed before the replacement)' : ''}`,
        image: ref,
      });
      hold(planning, service, { reason: 'Pulling', message: `image ${ref} is being pulled` });
    }
    return false;
  }
  if (!platformFits(image, observed.engine)) {
    const have = [image.os, image.arch, image.variant].filter(Boolean).join('/');
    const want = [observed.engine.os, observed.engine.arch, observed.engine.variant]
      .filter(Boolean)
      .join('/');
    hold(planning, service, {
      reason: 'PlatformMismatch',
      message: `image ${ref} is for ${have}, this machine is ${want}`,
    });
    return false;
  }
  return true;
}

/** 32-bit programs run on their 64-bit sisters; an image that does not say is given the benefit of the doubt. */
function platformFits(
  image: { os: string; arch: string; variant: string },
  engine: { os: string; arch: string; variant: string },
): boolean {
  if (image.os !== '' && engine.os !== '' && image.os !== engine.os) return false;
  if (image.arch === '' || engine.arch === '') return true;
  if (image.arch === engine.arch) {
    const versions = [image.variant, engine.variant].map((variant) => Number(variant.replace(/^v/, '')));
    const [have = Number.NaN, machine = Number.NaN] = versions;
    return (
      Number.isNaN(have) ||
      Number.isNaN(machine) ||
      image.variant === '' ||
      engine.variant === '' ||
      have <= machine
    );
  }
  const sisters = new Set(['amd64>386', 'arm64>arm']);
  return sisters.has(`${engine.arch}>${image.arch}`);
}

/** true when the network is there, or none is needed; otherwise plans it, or says that it is missing. */
function networkReady(planning: Planning, service: Service): boolean {
  const { network } = service.container;
  if (network.mode !== 'network') return true;
  if (planning.observed.networks.some((candidate) => candidate.name === network.name)) return true;
  if (!network.create) {
    hold(planning, service, {
      reason: 'NetworkMissing',
      message: `network ${network.name} does not exist and create is false`,
    });
    return false;
  }
  const lane = `network:${network.name}`;
  const setback = holding(planning.observed.setbacks, lane, '', planning.monoMs);
  if (setback !== undefined) {
    const { reason, message, notBeforeMs, nextTryAt } = setback;
    hold(planning, service, { reason, message, untilMs: notBeforeMs, nextTryAt });
    return false;
  }
  const { node, colony } = planning.desired.owner;
  planning.act({
    kind: 'createNetwork',
    lane,
    blueprint: service.blueprint,
    cause: 'network does not exist',
    name: network.name,
    driver: network.driver,
    labels: {
      [LABEL.managed]: 'true',
      [LABEL.node]: node,
      ...(colony === '' ? {} : { [LABEL.colony]: colony }),
    },
  });
  hold(planning, service, { reason: 'Working', message: `network ${network.name} is being made` });
  return false;
}

/** The name to create under: the final one, or a temporary one while a predecessor holds it; undefined when it is taken. */
function freeName(planning: Planning, service: Service, others: readonly Candidate[]): string | undefined {
  const holder = planning.byName.get(service.containerName);
  if (holder === undefined) return service.containerName;
  if (others.some(({ container }) => container.id === holder.id))
    return `${service.containerName}.next-${service.specHash.slice(0, 6)}`;
  nameConflict(planning, service, holder);
  return undefined;
}

function nameConflict(planning: Planning, service: Service, holder: ObservedContainer): void {
  const ours = isOurs(holder, planning.desired.owner) || isPeers(holder);
  const who = ours
    ? `blueprint ${holder.labels[LABEL.deployment]}`
    : `a container that is not ours (${holder.id.slice(0, 12)})`;
  hold(planning, service, {
    reason: 'NameConflict',
    message: `name ${service.containerName} is held by ${who}`,
  });
}

/** Both versions exist: stop the old one, start the new one, remove the old one; back to the old one if that fails. */
function finishReplacement(
  planning: Planning,
  service: Service,
  successor: ObservedContainer,
  others: readonly Candidate[],
): void {
  const { observed } = planning;
  const setback = holding(observed.setbacks, service.key, service.specHash, planning.monoMs);
  const old = others[0];
  if (old === undefined) return;
  const cause = `replaced by the new version: ${old.outdated ?? 'a second container of the same version'}`;
  if (setback !== undefined) {
    const { reason, message, notBeforeMs, nextTryAt } = setback;
    hold(planning, service, { reason, message, untilMs: notBeforeMs, nextTryAt });
    if (isUp(successor)) retire(planning, successor, `the replacement failed: ${message}`, service.key);
    else if (others.some(({ container }) => container.state === 'running'))
      remove(planning, service, successor, `the replacement failed: ${message}`);
    else keepOldRunning(planning, service, others);
    return;
  }
  if (successor.state === 'running') {
    const since = observed.runningSince.get(successor.id) ?? planning.monoMs;
    const untilMs = since + PROVEN_AFTER_MS;
    const stopped = others.every(({ container }) => !isUp(container));
    if (stopped && untilMs > planning.monoMs)
      hold(planning, service, { reason: 'Working', message: 'the new version is being watched', untilMs });
    else retire(planning, old.container, cause, service.key);
    return;
  }
  if (successor.state === 'restarting') {
    hold(planning, service, {
      reason: 'CrashLoop',
      message: `the new version does not stay up (${exitText(successor)})`,
    });
    return;
  }
  const live = others.find(({ container }) => isUp(container));
  if (live !== undefined || isCompleted(service, successor))
    retire(planning, (live ?? old).container, cause, service.key);
  else start(planning, service, successor, 'the old version is stopped', true);
}

/** A new version must have run this long before the old one is removed, milliseconds. */
const PROVEN_AFTER_MS = 3_000;

function isUp(container: ObservedContainer): boolean {
  return container.state === 'running' || container.state === 'paused' || container.state === 'restarting';
}

function remove(planning: Planning, service: Service, container: ObservedContainer, cause: string): void {
  planning.act({
    kind: 'removeContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    force: container.state === 'dead',
  });
}

function start(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  cause: string,
  replaces: boolean,
): void {
  planning.act({
    kind: 'startContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    replaces,
  });
}

/** The one container of the right version: keep it running, named, attached and limited as asked. */
function keep(planning: Planning, service: Service, { container, drift }: Candidate): void {
  const setback = holding(planning.observed.setbacks, service.key, service.specHash, planning.monoMs);
  if (setback !== undefined) {
    const { reason, message, notBeforeMs, nextTryAt } = setback;
    hold(planning, service, { reason, message, untilMs: notBeforeMs, nextTryAt });
    if (container.state === 'created') remove(planning, service, container, `it could not start: ${message}`);
    return;
  }
  if (container.name !== service.containerName && !rename(planning, service, container)) return;
  switch (container.state) {
    case 'running':
      mend(planning, service, container, drift);
      return;
    case 'paused': {
      const { key: lane, blueprint, specHash } = service;
      const { id, name } = container;
      planning.act({
        kind: 'unpauseContainer',
        lane,
        blueprint,
        cause: 'container is paused',
        id,
        name,
        specHash,
      });
      return;
    }
    case 'restarting':
      hold(planning, service, {
        reason: 'CrashLoop',
        message: `the engine restarts it again and again (${exitText(container)})`,
      });
      return;
    case 'removing':
      hold(planning, service, { reason: 'Working', message: 'the engine is removing it' });
      return;
    case 'dead':
      remove(planning, service, container, 'the engine could not remove it completely');
      return;
    case 'created':
    case 'exited':
      if (isCompleted(service, container)) return;
      if (!networkReady(planning, service)) return;
      if (drift?.connect !== undefined) attach(planning, service, container, drift);
      else
        start(
          planning,
          service,
          container,
          container.state === 'created'
            ? 'container was never started'
            : `container is not running (${exitText(container)})`,
          false,
        );
      return;
    default:
      container.state satisfies never;
  }
}

/** A job that ended well stays ended: policies `no` and `on-failure` with exit code 0. */
export function isCompleted(service: Service, container: ObservedContainer): boolean {
  const { name } = service.container.restart;
  return container.state === 'exited' && container.exitCode === 0 && (name === 'no' || name === 'on-failure');
}

function exitText(container: ObservedContainer): string {
  const code = container.exitCode ?? container.detail?.exitCode;
  const oom = container.detail?.oomKilled === true ? ', out of memory' : '';
  return code === undefined ? 'exit code not known yet' : `exited ${code}${oom}`;
}

/** Returns true when the name may stay as it is for now and the rest can be looked at. */
function rename(planning: Planning, service: Service, container: ObservedContainer): boolean {
  const holder = planning.byName.get(service.containerName);
  if (holder !== undefined) {
    nameConflict(planning, service, holder);
    return true;
  }
  planning.act({
    kind: 'renameContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause: `container is named ${container.name}`,
    id: container.id,
    from: container.name,
    name: service.containerName,
    specHash: service.specHash,
  });
  return false;
}

/** Settings of a running container that need no new one. */
function mend(
  planning: Planning,
  service: Service,
  container: ObservedContainer,
  drift: Drift | undefined,
): void {
  if (drift === undefined) return;
  const { restart, limits } = service.container;
  const live = liveHash(service.container);
  if (drift.connect !== undefined) {
    if (networkReady(planning, service)) attach(planning, service, container, drift);
    return;
  }
  const [extra] = drift.disconnect;
  const base = {
    lane: service.key,
    blueprint: service.blueprint,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
  };
  if (extra !== undefined) {
    planning.act({
      ...base,
      kind: 'disconnectNetwork',
      cause: `attached to network ${extra}, which the blueprint does not ask for`,
      network: extra,
    });
    return;
  }
  const reported = container.detail === undefined ? '' : liveHash(container.detail.spec);
  if (drift.update.length > 0 && planning.observed.updated.get(container.id) !== `${live}:${reported}`)
    planning.act({
      ...base,
      kind: 'updateContainer',
      cause: listOf(drift.update),
      restart,
      limits: withSwap(limits),
      liveHash: live,
    });
}

/** The engine refuses a memory limit above the swap limit of before: both are sent, swap as its default of twice. */
function withSwap(limits: Service['container']['limits']): Service['container']['limits'] {
  if (limits.memoryBytes === undefined || limits.memorySwapBytes !== undefined) return limits;
  return { ...limits, memorySwapBytes: limits.memoryBytes * 2 };
}

function attach(planning: Planning, service: Service, container: ObservedContainer, drift: Drift): void {
  const { connect } = drift;
  if (connect === undefined) return;
  const base = {
    lane: service.key,
    blueprint: service.blueprint,
    cause: connect.cause,
    id: container.id,
    name: container.name,
    specHash: service.specHash,
    network: connect.network,
  };
  if (connect.reattach) planning.act({ ...base, kind: 'disconnectNetwork' });
  else planning.act({ ...base, kind: 'connectNetwork', aliases: connect.aliases });
}
