import type { JsonObject } from '../model/blueprint.ts';
import type { ExecutorWish } from '../model/desired.ts';
import { executorEnvironment } from './executor-environment.ts';
import type { Scope } from './scope.ts';

/** What the identities of an ExecutorDeployment are registered with (FIELDS.md 6.4), also while none of them runs. */
export function executorWish(
  scope: Scope,
  executor: { image: string; executorType: string; own: ReadonlyMap<string, string> },
  identities: number,
): ExecutorWish {
  const { blueprint, context } = scope;
  const env = executorEnvironment(scope, { ...executor, containerName: '', slot: undefined });
  const known = new Map<number, string>();
  // The first one wins, as it does for the containers.
  for (const slot of context.slots)
    if (slot.blueprint === blueprint.name && slot.index < identities && !known.has(slot.index))
      known.set(slot.index, slot.id);
  return {
    executorType: executor.executorType,
    location: env.get('EXECUTOR_LOCATION_NAME') || context.location,
    capabilities: capabilitiesOf(env),
    identities,
    known: [...known].map(([index, id]) => ({ index, id })).sort((a, b) => a.index - b.index),
  };
}

/** `capabilities` of an executor's record (PROTOCOL.md 5.1) from its environment; what is not given is empty or 0. */
function capabilitiesOf(env: ReadonlyMap<string, string>): JsonObject {
  const text = (name: string) => env.get(`EXECUTOR_${name}`) ?? '';
  const count = (name: string) => (/^\d{1,9}$/.test(text(name)) ? Number(text(name)) : 0);
  const network = text('HW_NETWORK')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return {
    hardware: [
      {
        model: text('HW_MODEL'),
        nodes: count('HW_NODES'),
        cpu: text('HW_CPU'),
        cores: count('HW_CPU_CORES'),
        mem: text('HW_MEM'),
        storage: text('HW_STORAGE'),
        gpu: {
          name: text('HW_GPU_NAME'),
          mem: text('HW_GPU_MEM'),
          count: count('HW_GPU_COUNT'),
          nodecount: count('HW_GPU_NODES_COUNT'),
        },
        platform: text('HW_PLATFORM'),
        architecture: text('HW_ARCHITECTURE'),
        network,
      },
    ],
    software: [{ name: text('SW_NAME'), type: text('SW_TYPE'), version: text('SW_VERSION') }],
  };
}
