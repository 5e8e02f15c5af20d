import { type Service, serviceKey } from '../model/desired.ts';
import { specHash } from '../model/hash.ts';
import type { Slot } from '../model/ports.ts';
import { containerOf, readTemplate, SYNONYMS, type Template } from './container.ts';
import { readEnvironment } from './environment.ts';
import { executorEnvironment, FORCED } from './executor-environment.ts';
import { executorWish } from './executor-registration.ts';
import type { Fields } from './fields.ts';
import { joinPath } from './fields.ts';
import { withRelay } from './handover.ts';
import { managedLabels } from './labels.ts';
import { readExecutorMounts } from './mounts.ts';
import { checkHostPorts, readExecutorPorts } from './ports.ts';
import { readExecutorLimits } from './resources.ts';
import type { Scope } from './scope.ts';
import { checkNames, type KindResult, readSpecParts, reclaimOf } from './spec.ts';

/** What the Go reconciler takes when `executorType` is not given. */
const DEFAULT_TYPE = 'container-executor';

/** Resolves an `ExecutorDeployment` spec (FIELDS.md 6): one container for each replica, with the identity of its slot. */
export function resolveExecutorDeployment(fields: Fields, scope: Scope): KindResult {
  const parts = readSpecParts(fields, scope);
  checkSlots(scope);
  const executorType = readType(fields);
  const spare = fields.int('identityPool', 0, 1000) ?? 0;
  const own = readEnvironment(fields, 'env', scope, { ownerKey: 'refuse', structured: true });
  for (const name of own.keys())
    if (FORCED.has(name))
      fields.problems.warn(joinPath(fields.at('env'), name), 'has no effect: the agent sets this variable');
  const base = readTemplate(fields, scope, parts.network, {
    ports: readExecutorPorts(fields),
    ...readExecutorMounts(fields, scope),
  });
  const limits = readExecutorLimits(fields, base.container.limits);
  const template = { ...base, container: { ...base.container, limits } };
  fields.done('warning', { environment: 'env', ...SYNONYMS });
  checkHostPorts([template], parts.replicas);
  const services = Array.from({ length: parts.replicas }, (_, index) =>
    withRelay(serviceOf(template, scope, { executorType, own }, index), template, scope),
  ).flat();
  checkNames(
    services.map((service) => ({ ...service, path: 'metadata.name' })),
    scope,
  );
  const { image } = template.container;
  const executors = executorWish(scope, { image, executorType, own }, parts.replicas + spare);
  return { services, executors, ...reclaimOf(parts, [template]) };
}

/** Without its identity an executor would be another one: what runs stays, what is new has to wait. */
function checkSlots({ context, problems }: Scope): void {
  const { slotsFault } = context;
  if (slotsFault?.hadReading === true)
    problems.warn('spec', `keeps its identities: ${slotsFault.text}`, undefined, 'SlotsInvalid');
  else if (slotsFault !== undefined)
    problems.error('spec', `needs executor identities: ${slotsFault.text}`, undefined, 'SlotsInvalid');
}

function readType(fields: Fields): string {
  const type = fields.text('executorType', 'the type of the executor');
  if (type === undefined && !fields.has('executorType'))
    fields.problems.warn(fields.at('executorType'), `is missing and taken as "${DEFAULT_TYPE}"`);
  return type ?? DEFAULT_TYPE;
}

function serviceOf(
  template: Template,
  scope: Scope,
  executor: { executorType: string; own: ReadonlyMap<string, string> },
  index: number,
): Service {
  const blueprint = scope.blueprint.name;
  const slot = scope.context.slots.find((item) => item.blueprint === blueprint && item.index === index);
  const containerName = slot?.containerName ?? `${blueprint}-${index}`;
  const { image } = template.container;
  const env = executorEnvironment(scope, { ...executor, image, containerName, slot });
  const container = containerOf(template, env, [blueprint]);
  const hash = specHash(container);
  const hold = holdOf(scope, slot, index);
  const executorName = slot === undefined ? {} : { executorName: slot.executorName };
  return {
    key: serviceKey(blueprint, blueprint, index),
    blueprint,
    instance: blueprint,
    replica: index,
    containerName,
    specHash: hash,
    container,
    managedLabels: managedLabels(scope, {
      instance: blueprint,
      replica: index,
      specHash: hash,
      ...executorName,
    }),
    ...template.service,
    ...executorName,
    ...(hold === undefined ? {} : { hold }),
  };
}

/** Why a replica must not run yet; undefined when its identity is registered and approved. */
function holdOf(scope: Scope, slot: Slot | undefined, index: number): Service['hold'] | undefined {
  const { server, hasOwnerKey, slotsRequired } = scope.context;
  if (slot?.registered && slot.approved) return undefined;
  const who = `executor identity ${index} of ${scope.blueprint.name}`;
  if (slot?.registered)
    return { reason: 'WaitingForRegistration', message: `${who} is registered and waits for approval` };
  const state = slot === undefined ? 'does not exist' : 'is not registered';
  const hint = slotsRequired === '' ? '' : `; ${slotsRequired}`;
  // With a server at hand only the missing key is in the way; without one, the registration itself has to wait.
  if (server !== undefined && !hasOwnerKey)
    return { reason: 'OwnerKeyMissing', message: `${who} ${state}, and this node has no owner key${hint}` };
  return { reason: 'WaitingForRegistration', message: `${who} ${state}${hint}` };
}
