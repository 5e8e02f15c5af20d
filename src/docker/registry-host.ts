import { BlockList, isIP } from 'node:net';
import { asObject, listAt, objectAt, textAt } from './json.ts';
import { splitReference } from './pull.ts';

/** An image as its registry knows it. */
export interface RegistryImage {
  /** As references name it, with its port: "docker.io", "127.0.0.1:5000". */
  registry: string;
  /** "library/nginx" */
  repository: string;
  /** Tag or digest. */
  version: string;
}

/** Where the API of a registry is; only Docker Hub's is elsewhere than its name says. */
export function apiHost(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry;
}

/** The registry, repository and version of a reference; undefined for a bare image id, which no registry has. */
export function registryImage(reference: string): RegistryImage | undefined {
  if (/^sha256:[0-9a-f]{64}$/.test(reference)) return undefined;
  const { fromImage, tag } = splitReference(reference);
  const slash = fromImage.indexOf('/');
  const first = fromImage.slice(0, Math.max(slash, 0));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const registry = isHost && first !== 'index.docker.io' ? first : 'docker.io';
  const path = isHost ? fromImage.slice(slash + 1) : fromImage;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  return { registry, repository, version: tag };
}

/** How the engine itself reaches registries, as far as it tells. */
export interface EngineRegistries {
  /** Registries that it speaks to without checking certificates, or without TLS. */
  isInsecure(registry: string): boolean;
  /** true: it goes through a proxy, and so asking directly would go round it. */
  isBehindProxy(registry: string): boolean;
}

/** Decodes `RegistryConfig` and the proxies of `GET /info` (Docker Engine API v1.52; podman tells neither). */
export function decodeRegistries(info: unknown): EngineRegistries {
  const config = objectAt(info, 'RegistryConfig');
  const networks = new BlockList();
  for (const item of listAt(config, 'InsecureRegistryCIDRs')) addNetwork(networks, item);
  networks.addSubnet('127.0.0.0', 8);
  networks.addAddress('::1', 'ipv6');
  const hosts = new Set<string>();
  for (const [host, entry] of Object.entries(objectAt(config, 'IndexConfigs')))
    if (asObject(entry).Secure === false) hosts.add(host);
  const isLocal = (registry: string) => {
    const host = hostOf(registry);
    const family = isIP(host);
    if (family === 0) return host === 'localhost';
    return networks.check(host, family === 6 ? 'ipv6' : 'ipv4');
  };
  const isProxied = textAt(info, 'HttpsProxy') !== '' || textAt(info, 'HttpProxy') !== '';
  return {
    isInsecure: (registry) => hosts.has(registry) || isLocal(registry),
    isBehindProxy: (registry) => isProxied && !isLocal(registry),
  };
}

function addNetwork(networks: BlockList, item: unknown): void {
  const [address = '', bits = ''] = typeof item === 'string' ? item.split('/') : [];
  const family = isIP(address);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32)) return;
  networks.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
}

/** Without the port and without the brackets of an IPv6 literal. */
function hostOf(registry: string): string {
  const inBrackets = /^\[(.*)\]/.exec(registry)?.[1];
  return inBrackets ?? registry.replace(/:\d+$/, '');
}
