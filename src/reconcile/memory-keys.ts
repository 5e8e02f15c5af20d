import type { LRU } from 'tiny-lru';
import type { Action } from '../model/action.ts';

/** true for what is remembered of a service that nobody asks for any more. */
export function isGone(key: string, services: ReadonlyMap<string, unknown>): boolean {
  if (/^(image|network|volume|container):/.test(key)) return false;
  const [service = key] = key.replace(/^relay:/, '').split('#');
  return !services.has(service) && services.size > 0 && service.split('/').length === 3;
}

/** The version an action's failure is remembered for: the spec hash, the image reference, or none. */
export function hashOf(action: Action): string {
  switch (action.kind) {
    case 'pullImage':
      return action.image;
    case 'importImage':
      return action.name;
    case 'createNetwork':
    case 'removeNetwork':
    case 'removeVolume':
    case 'removeImage':
      return '';
    default:
      return action.specHash;
  }
}

/** What a cache holds now, the least recently used first. */
export function mapOf<T>(cache: LRU<T>): Map<string, T> {
  const map = new Map<string, T>();
  for (const [key, value] of cache.entries()) if (value !== undefined) map.set(String(key), value);
  return map;
}
