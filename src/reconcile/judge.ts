import { LABEL } from '../model/container.ts';
import type { Service } from '../model/desired.ts';
import type { ObservedContainer } from '../model/observed.ts';
import { type Drift, driftOf } from './drift.ts';
import { isPeers } from './ownership.ts';
import { forcedCause, keepsImage } from './plan-forced.ts';
import type { Planning } from './planning.ts';

/** A candidate container of a service and what speaks against it. */
export interface Candidate {
  container: ObservedContainer;
  /** Why it must be replaced; undefined when it is the wanted version. */
  outdated: string | undefined;
  drift: Drift | undefined;
}

/** Says whether a container is the wanted version, and what else differs. */
export function judge(planning: Planning, service: Service, container: ObservedContainer): Candidate {
  const { observed } = planning;
  const version =
    forcedCause(observed, service.blueprint, container.id) ?? versionDrift(planning, service, container);
  if (version !== undefined) return { container, outdated: version, drift: undefined };
  const { network } = service.container;
  const context = {
    image: keepsImage(observed, container, service.container.image)
      ? undefined
      : observed.images.get(service.container.image),
    networkId:
      network.mode === 'network'
        ? observed.networks.find((candidate) => candidate.name === network.name)?.id
        : undefined,
    immutable: observed.adopted.get(container.id) !== service.specHash && !isPeers(container),
    engine: observed.engine,
  };
  let drift = driftOf(service, container, context);
  if (context.immutable && observed.made.has(container.id)) {
    const changeable = driftOf(service, container, { ...context, immutable: false });
    // Made by us just so, and nobody can change it: the engine reports it in words of its own. Remember that.
    if (drift.replace.length > changeable.replace.length)
      planning.adopt({ id: container.id, name: container.name, specHash: service.specHash });
    drift = changeable;
  }
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
    engine: planning.observed.engine,
  });
  const fields = drift.replace.filter((field) => !field.startsWith(`label ${LABEL.specHash}`));
  if (drift.connect !== undefined) fields.push(drift.connect.cause);
  return fields.length > 0
    ? listOf(fields)
    : `${container.labels[LABEL.specHash] ?? 'no hash'} to ${service.specHash}`;
}

/** At most three clauses, then how many more. */
export function listOf(clauses: readonly string[]): string {
  const shown = clauses.slice(0, 3).join('; ');
  return clauses.length > 3 ? `${shown}; and ${clauses.length - 3} more` : shown;
}
