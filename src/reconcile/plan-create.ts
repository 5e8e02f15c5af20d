import { type ContainerSpec, effectiveLog, LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { Candidate } from './judge.ts';
import { isRefreshed, pullsAnew } from './plan-forced.ts';
import { makeRelayImage, relayReady } from './plan-handover.ts';
import { afterReplacement, mayBegin } from './plan-hook.ts';
import { changeReady, pulledTogether } from './plan-images.ts';
import { gateOpen, takeTurn } from './plan-order.ts';
import { turnOf } from './plan-rolling.ts';
import { hold, holdBy, isUp, nameConflict, networkReady, pausedBy, retire } from './plan-steps.ts';
import { strategyOf, strategyText } from './plan-strategy.ts';
import { isThrifty, outsideWindow, pullOutsideWindow } from './plan-window.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/** Makes the wanted container: image, network and name first, then the container itself. */
export function createSuccessor(planning: Planning, service: Service, others: readonly Candidate[]): void {
  const old = others[0];
  const setback = holding(planning.observed.setbacks, service.key, service.specHash, planning.monoMs);
  if (setback !== undefined) {
    holdBy(planning, service, setback);
    if (old === undefined || !afterReplacement(planning, service, old.container))
      keepOldRunning(planning, service, others);
    return;
  }
  const isReady = imageReady(planning, service, old) && changeReady(planning, service, old);
  if (!isReady || !networkReady(planning, service)) {
    keepOldRunning(planning, service, others);
    return;
  }
  if (!gateOpen(planning, service) || (service.relay !== undefined && !relayReady(planning, service))) return;
  const name = freeName(planning, service, others);
  if (name === undefined) return;
  if (old !== undefined && !mayReplace(planning, service, old, others)) return;
  // Last, so that nobody takes a turn who is then kept from it by something else.
  const made = others.map(({ container }) => container);
  if (!takeTurn(planning, service, made)) return;
  const cause = old === undefined ? 'no container exists' : replacementCause(service, old);
  planning.act({
    kind: 'createContainer',
    lane: service.key,
    blueprint: service.blueprint,
    cause,
    name,
    specHash: service.specHash,
    spec: withLog(service.container, planning.observed.engine.loggingDriver),
    labels: { ...service.container.labels, ...service.managedLabels },
    replaces: old !== undefined,
  });
}

function replacementCause(service: Service, { container, outdated }: Candidate): string {
  return `${container.name}: ${outdated} (${strategyText(strategyOf(service))})`;
}

/** false: it is not this replica's turn, or what was before has to go first. */
function mayReplace(
  planning: Planning,
  service: Service,
  old: Candidate,
  others: readonly Candidate[],
): boolean {
  const wait =
    pausedBy(planning, service) ??
    pullsAnew(planning, service) ??
    outsideWindow(planning, service, old.container);
  const turn = wait ?? turnOf(planning, service);
  if (turn !== undefined) {
    hold(planning, service, turn);
    keepOldRunning(planning, service, others);
    return false;
  }
  const live = others.find(({ container }) => isUp(container)) ?? old;
  if (!mayBegin(planning, service, live.container)) {
    keepOldRunning(planning, service, others);
    return false;
  }
  if (strategyOf(service).strategy !== 'recreate') return true;
  retire(planning, live.container, replacementCause(service, old), service.key);
  return false;
}

function withLog(spec: ContainerSpec, engineDriver: string): ContainerSpec {
  const log = effectiveLog(spec.log, engineDriver);
  return log === undefined ? spec : { ...spec, log };
}

/** While a successor cannot be made, the version before it is what keeps the service up. */
export function keepOldRunning(planning: Planning, service: Service, others: readonly Candidate[]): void {
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
  if (holding(planning.observed.setbacks, service.key, specHash, planning.monoMs) !== undefined) return;
  if (old.state === 'paused')
    planning.act({
      ...base,
      kind: 'unpauseContainer',
      specHash,
      cause: 'the new version cannot run yet, the old one is paused',
    });
  else
    planning.act({
      ...base,
      kind: 'startContainer',
      specHash,
      replaces: false,
      cause: 'the new version cannot run yet, the old one goes on',
    });
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
  if (image === null && service.relay !== undefined) {
    makeRelayImage(planning, service);
    return false;
  }
  const pull = observed.pulls.get(ref);
  // What a forced run pulls anew is there already, and must not keep a lost container waiting.
  if (pull !== undefined && (image === null || !isRefreshed(observed, ref))) {
    hold(planning, service, { reason: 'Pulling', message: `image ${ref} is being pulled` });
    return false;
  }
  const isStale = service.pullPolicy === 'Always' && !observed.fresh.has(ref);
  const refresh = isStale && !isThrifty(planning, service);
  const setback = holding(observed.setbacks, lane, ref, planning.monoMs);
  if (image === null || (refresh && setback === undefined)) {
    const closed = pullOutsideWindow(planning, service);
    if (service.pullPolicy === 'Never') {
      hold(planning, service, {
        reason: 'ImageUnavailable',
        message: `image ${ref} is not present and pullPolicy is Never`,
      });
    } else if (setback !== undefined) {
      holdBy(planning, service, setback);
    } else if (closed !== undefined) {
      hold(planning, service, closed);
    } else {
      const cause = image === null ? 'image is not present' : 'pullPolicy is Always';
      planning.act({
        kind: 'pullImage',
        lane,
        blueprint: service.blueprint,
        cause: `${cause}${old ? ' (needed before the replacement)' : ''}`,
        image: ref,
        ...pulledTogether(planning, service, old),
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

/** The name to create under: the final one, or a temporary one while a predecessor holds it; undefined when it is taken. */
function freeName(planning: Planning, service: Service, others: readonly Candidate[]): string | undefined {
  const holder = planning.byName.get(service.containerName);
  if (holder === undefined) return service.containerName;
  if (others.some(({ container }) => container.id === holder.id))
    return `${service.containerName}.next-${service.specHash.slice(0, 6)}`;
  nameConflict(planning, service, holder);
  return undefined;
}
