import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import type { Candidate } from './judge.ts';
import { containersOf, isPeers } from './ownership.ts';
import { hold } from './plan-steps.ts';
import type { Planning } from './planning.ts';
import { holding } from './setback.ts';

/**
 * true when every image is there that the blueprint's new version needs for this service's siblings; otherwise plans their
 * pulls and holds the service. Only a change of version waits: what is lost or was changed by hand is mended at once, and
 * siblings that already are of their version need no image.
 */
export function changeReady(planning: Planning, service: Service, old: Candidate | undefined): boolean {
  const { desired, observed } = planning;
  if (old === undefined || isOfVersion(planning, service, old.container)) return true;
  const blueprint = desired.blueprints.find(({ name }) => name === service.blueprint);
  const lacking = (blueprint?.services ?? []).filter(
    (sibling) =>
      sibling.key !== service.key &&
      sibling.hold === undefined &&
      // A relay's image comes from no registry.
      sibling.relay === undefined &&
      lacksImage(planning, sibling),
  );
  if (blueprint === undefined || lacking.length === 0) return true;
  const { byKey } = containersOf(blueprint, observed.containers, desired.owner, observed.adopted);
  const awaited = lacking.filter(
    (sibling) =>
      !(byKey.get(sibling.key) ?? []).some((container) => isOfVersion(planning, sibling, container)),
  );
  // Planned here as well: a sibling that waits for this service's turn would not ask for its image.
  for (const sibling of awaited) pullFor(planning, sibling);
  const [first] = awaited;
  if (first === undefined) return true;
  waitFor(planning, service, first);
  return false;
}

function isOfVersion(planning: Planning, service: Service, container: ObservedContainer): boolean {
  if (container.labels[LABEL.specHash] === service.specHash) return true;
  if (planning.observed.adopted.get(container.id) === service.specHash) return true;
  return isPeers(container) && (container.detail?.spec.image ?? container.image) === service.container.image;
}

function lacksImage({ observed, monoMs }: Planning, { container, pullPolicy }: Service): boolean {
  const ref = container.image;
  const image = observed.images.get(ref);
  if (image === undefined || image === null) return true;
  // The newest one is wanted; when it cannot be had, the one that is there does.
  const isStale = pullPolicy === 'Always' && !observed.fresh.has(ref);
  return isStale && holding(observed.setbacks, `image:${ref}`, ref, monoMs) === undefined;
}

function pullFor(planning: Planning, { blueprint, container, pullPolicy }: Service): void {
  const { image } = container;
  const { observed, monoMs } = planning;
  const lane = `image:${image}`;
  const isUnknown = observed.images.get(image) === undefined;
  if (isUnknown || pullPolicy === 'Never' || holding(observed.setbacks, lane, image, monoMs) !== undefined)
    return;
  const cause = 'needed before the replacement of another instance';
  planning.act({ kind: 'pullImage', lane, blueprint, cause, image });
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
  else hold(planning, service, { reason: 'Pulling', message: `waits for image ${image} of ${whose}` });
}
