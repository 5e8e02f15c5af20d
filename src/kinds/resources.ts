import type { LimitSpec } from '../model/container.ts';
import type { Fields } from './fields.ts';
import { MIN_MEMORY_BYTES, readMemory, readNanoCpus } from './quantity.ts';

/** Reads `resources`, and beside it the executor kind's `cpu` and `memory` where the caller's kind has them. */
export function readLimits(fields: Fields): LimitSpec {
  const resources = fields.object('resources');
  if (resources === undefined) return {};
  const nanoCpus = readNanoCpus(resources, 'cpus');
  const memoryBytes = readMemory(resources, 'memory', MIN_MEMORY_BYTES);
  const memorySwapBytes = readSwap(resources, memoryBytes);
  const pids = resources.int('pidsLimit', -1);
  resources.done('warning', { cpu: 'cpus', limits: 'memory' });
  return {
    ...(nanoCpus === undefined ? {} : { nanoCpus }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(memorySwapBytes === undefined ? {} : { memorySwapBytes }),
    // The engine takes 0 and -1 as "no limit".
    ...(pids === undefined || pids <= 0 ? {} : { pidsLimit: pids }),
  };
}

/** Memory plus swap, in bytes; -1: unlimited swap. The engine wants it with, and not below, a memory limit. */
function readSwap(resources: Fields, memoryBytes: number | undefined): number | undefined {
  if (!resources.has('memorySwap')) return undefined;
  const value = resources.raw('memorySwap');
  const bytes = value === -1 || value === '-1' ? -1 : readMemory(resources, 'memorySwap', MIN_MEMORY_BYTES);
  if (bytes === undefined) return undefined;
  if (memoryBytes === undefined)
    return resources.has('memory') ? undefined : resources.refuse('memorySwap', 'must come with memory');
  if (bytes !== -1 && bytes < memoryBytes)
    return resources.refuse('memorySwap', 'must be at least as much as memory: it is memory plus swap');
  return bytes;
}

/** Reads the executor kind's `cpu` and `memory` over `resources` (FIELDS.md 4.5). */
export function readExecutorLimits(fields: Fields, limits: LimitSpec): LimitSpec {
  for (const [short, long] of [['cpu', 'nanoCpus'] as const, ['memory', 'memoryBytes'] as const])
    if (fields.has(short) && limits[long] !== undefined)
      fields.refuse(short, 'must not be given twice, here and in resources');
  const nanoCpus = readNanoCpus(fields, 'cpu');
  const memoryBytes = readMemory(fields, 'memory', MIN_MEMORY_BYTES);
  return {
    ...limits,
    ...(nanoCpus === undefined ? {} : { nanoCpus }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  };
}
