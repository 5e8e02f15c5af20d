import { createHash } from 'node:crypto';
import type { ContainerSpec } from './container.ts';

/** JSON with sorted keys and without `undefined` members: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** First 16 hexadecimal digits of the SHA-256 of the canonical JSON. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16);
}

/** Names the container to itself; a rename (one replica becoming two) is no reason for a new container. */
export const CONTAINER_NAME_VARIABLE = 'COLONIES_CONTAINER_NAME';

/**
 * What of a service needs a new container when it changes: all but limits, restart policy, stop timeout, network aliases
 * and the container's own name.
 */
export function specHash(spec: ContainerSpec): string {
  const { restart: _restart, limits: _limits, stopTimeoutS: _stopTimeoutS, env, network, ...rest } = spec;
  const { [CONTAINER_NAME_VARIABLE]: _name, ...variables } = env;
  const place = network.mode === 'network' ? { mode: network.mode, name: network.name } : network;
  return fingerprint({ ...rest, env: variables, network: place });
}

/** What of a service can be changed in place. */
export function liveHash(spec: Pick<ContainerSpec, 'restart' | 'limits'>): string {
  return fingerprint({ restart: spec.restart, limits: spec.limits });
}
