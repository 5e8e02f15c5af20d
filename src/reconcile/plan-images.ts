import type { Action } from '../model/action.ts';
import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Candidate } from './judge.ts';
import { containersOf, isPeers } from './ownership.ts';
import { hold } from './plan-steps.ts';
import { isThrifty, pullOutsideWindow } from './plan-window.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/**
 * true when every image is there that the blueprint's new version needs for this service's siblings; otherwise plans their
 * pulls and holds the service. Only a change of version waits: what is lost or was changed by hand is mended at once, and
 * siblings that already are of their version need no image.
 */
export function changeReady(planning: Planning, service: Service, old: Candidate | undefined): boolean {
  if (old === undefined || isOfVersion(planning, service, old.container)) return true;
  const awaited = awaitedBeside(planning, service);
  // Planned here as well: a sibling that waits for this service's turn would not ask for its image.
  for (const sibling of awaited) pullFor(planning, sibling);
  const [first] = awaited;
  if (first === undefined) return true;
  waitFor(planning, service, first);
  return false;
}

/** References that the change which this service's image is pulled for has still to pull beside it; none where a lost
 *  container is brought back, which waits for nobody. */
export function pulledTogether(
  planning: Planning,
  service: Service,
  old: Candidate | undefined,
): Pick<Action & { kind: 'pullImage' }, 'together'> {
  const isHealing =
    old === undefined
      ? planning.observed.order.beenUp.has(service.key)
      : isOfVersion(planning, service, old.container);
  return isHealing ? {} : togetherOf(planning, service);
}

function togetherOf(planning: Planning, service: Service): Pick<Action & { kind: 'pullImage' }, 'together'> {
  const { image } = service.container;
  const others = awaitedBeside(planning, service)
    .filter(({ pullPolicy }) => pullPolicy !== 'Never')
    .map(({ container }) => container.image);
  const together = [...new Set(others)].filter((other) => other !== image).sort();
  return together.length === 0 ? {} : { together };
}

/** The service's siblings that are not of the blueprint's version yet, and whose image for it is not there. */
function awaitedBeside(planning: Planning, service: Service): Service[] {
  const { desired, observed } = planning;
  const blueprint = desired.blueprints.find(({ name }) => name === service.blueprint);
  const lacking = (blueprint?.services ?? []).filter(
    (sibling) =>
      sibling.key !== service.key &&
      sibling.hold === undefined &&
      // A relay's image comes from no registry.
      sibling.relay === undefined &&
      lacksImage(planning, sibling),
  );
  if (blueprint === undefined || lacking.length === 0) return [];
  const { byKey } = containersOf(blueprint, observed.containers, desired.owner, observed.adopted);
  return lacking.filter(
    (sibling) =>
      !(byKey.get(sibling.key) ?? []).some((container) => isOfVersion(planning, sibling, container)),
  );
}

function isOfVersion(planning: Planning, service: Service, container: ObservedContainer): boolean {
  if (container.labels[LABEL.specHash] === service.specHash) return true;
  if (planning.observed.adopted.get(container.id) === service.specHash) return true;
  return isPeers(container) && (container.detail?.spec.image ?? container.image) === service.container.image;
}

function lacksImage(planning: Planning, service: Service): boolean {
  const { observed, monoMs } = planning;
  const { container, pullPolicy } = service;
  const ref = container.image;
  const image = observed.images.get(ref);
  if (image === undefined || image === null) return true;
  // The newest one is wanted; when it cannot be had, the one that is there does.
  const isStale = pullPolicy === 'Always' && !observed.fresh.has(ref) && !isThrifty(planning, service);
  return isStale && holding(observed.setbacks, `image:${ref}`, ref, monoMs) === undefined;
}

function pullFor(planning: Planning, sibling: Service): void {
  const { blueprint, container, pullPolicy } = sibling;
  const { image } = container;
  const { observed, monoMs } = planning;
  const lane = `image:${image}`;
  const isUnknown = observed.images.get(image) === undefined;
  if (isUnknown || pullPolicy === 'Never' || holding(observed.setbacks, lane, image, monoMs) !== undefined)
    return;
  if (pullOutsideWindow(planning, sibling) !== undefined) return;
  const cause = 'needed before the replacement of another instance';
  planning.act({ kind: 'pullImage', lane, blueprint, cause, image, ...togetherOf(planning, sibling) });
}

function waitFor(planning: Planning, service: Service, sibling: Service): void {
  const { image } = sibling.container;
  const { observed, monoMs } = planning;
  const whose = `${sibling.containerName}, which changes too`;
  const setback = holding(observed.setbacks, `image:${image}`, image, monoMs);
  if (setback !== undefined)
    hold(planning, service, {
      reason: setback.reason,
      message: `waits for the image of ${whose}: ${setback.message}`,
      untilMs: setback.notBeforeMs,
      nextTryAt: setback.nextTryAt,
    });
  else if (observed.images.get(image) === null && sibling.pullPolicy === 'Never')
    hold(planning, service, {
      reason: 'ImageUnavailable',
      message: `waits for the image of ${whose}: ${image} is not present and pullPolicy is Never`,
    });
  else {
    const message = `waits for image ${image} of ${whose}`;
    const closed = observed.pulls.has(image) ? undefined : pullOutsideWindow(planning, sibling);
    if (closed === undefined) hold(planning, service, { reason: 'Pulling', message });
    else hold(planning, service, { ...closed, message: `${message}: ${closed.message}` });
  }
}
