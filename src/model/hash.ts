import { createHash } from 'node:crypto';
import type { ContainerSpec } from './container.ts';

/** JSON with sorted keys and without `undefined` members: equal values give equal text. Each look compares much with it. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value) text += `${text === '' ? '' : ','}${canonicalJson(item ?? null)}`;
    return `[${text}]`;
  }
  const members = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(members).sort()) {
    const member = members[key];
    if (member !== undefined)
      text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
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
