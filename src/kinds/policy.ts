import { EdgeError } from '../base/errors.ts';
import { globMatches } from '../base/glob.ts';
import { isWithin, normalizePath } from '../base/posix-path.ts';
import { problemText, showValue } from '../model/problem.ts';
import { Fields, isObject, Problems } from './fields.ts';
import type { Reference } from './reference.ts';

/** What blueprints may do on this node. The defaults allow what the Arrowhead and container-executor blueprints need. */
export interface Policy {
  allowPrivileged: boolean;
  allowHostNetwork: boolean;
  /** Normalized paths below which host files may be mounted or read; absent: anywhere. */
  allowedBindPrefixes?: readonly string[];
  /** Patterns of image references, see `imageAllowed`; absent: any. */
  allowedImages?: readonly string[];
  /** Every image must be named by digest (or by its id). */
  requireDigest: boolean;
  /** Host devices, as paths or patterns; absent: any. */
  allowedDevices?: readonly string[];
  /** Capabilities that may be added, without `CAP_`; absent: any. */
  allowedCapabilities?: readonly string[];
  /** Folders that contain the agent's own state may be mounted (say `/` for a monitoring container). */
  allowStateParents: boolean;
  /** Patterns of images whose volumes and writable binds only one container may hold: its successor starts when it has
   *  stopped. A pattern without a slash is held against the last part of the name, see `isExclusiveImage`. */
  exclusiveImages: readonly string[];
}

/** Databases and brokers that refuse, or damage, files that another process has open. */
const DATABASES: readonly string[] = [
  ...['*mysql*', '*mariadb*', '*percona*', '*postgres*', '*postgis*', '*timescale*', '*arrowhead-database*'],
  ...['*mongo*', '*redis*', '*valkey*', '*influxdb*', '*cassandra*', '*elasticsearch*', '*opensearch*'],
  ...['*neo4j*', '*couchdb*', '*etcd*', '*prometheus*', '*rabbitmq*', '*kafka*', '*mosquitto*'],
];

export const DEFAULT_POLICY: Policy = {
  allowPrivileged: true,
  allowHostNetwork: true,
  requireDigest: false,
  allowStateParents: false,
  exclusiveImages: DATABASES,
};

/**
 * Decodes the admission policy: an object with the members of `Policy`, all optional; an empty or absent document is the
 * default policy. Throws `POLICY_INVALID` with every problem: an unknown key is one of them, because a misspelt
 * restriction would otherwise restrict nothing.
 */
export function loadPolicy(value: unknown): Policy {
  if (value === undefined || value === null) return DEFAULT_POLICY;
  if (!isObject(value)) throw invalid(`must be an object, got ${showValue(value)}`);
  const problems = new Problems();
  const fields = new Fields(value, '', problems);
  const prefixes = readTexts(fields, 'allowedBindPrefixes', /^\//, 'an absolute path such as "/srv/data"');
  const images = readTexts(fields, 'allowedImages', /^\S+$/, 'an image pattern such as "aitiaiiot/*"');
  const databases = readTexts(fields, 'exclusiveImages', /^\S+$/, 'an image pattern such as "*mysql*"');
  const devices = readTexts(fields, 'allowedDevices', /^\//, 'a device path such as "/dev/ttyUSB*"');
  const capabilities = readTexts(fields, 'allowedCapabilities', /^\w+$/, 'a capability such as "NET_ADMIN"');
  const policy: Policy = {
    allowPrivileged: fields.bool('allowPrivileged') ?? DEFAULT_POLICY.allowPrivileged,
    allowHostNetwork: fields.bool('allowHostNetwork') ?? DEFAULT_POLICY.allowHostNetwork,
    requireDigest: fields.bool('requireDigest') ?? DEFAULT_POLICY.requireDigest,
    allowStateParents: fields.bool('allowStateParents') ?? DEFAULT_POLICY.allowStateParents,
    exclusiveImages: databases ?? DEFAULT_POLICY.exclusiveImages,
    ...(prefixes === undefined ? {} : { allowedBindPrefixes: prefixes.map(normalizePath) }),
    ...(images === undefined ? {} : { allowedImages: images }),
    ...(devices === undefined ? {} : { allowedDevices: devices }),
    ...(capabilities === undefined ? {} : { allowedCapabilities: capabilities.map(capabilityName) }),
  };
  fields.done('error');
  if (problems.failed) throw invalid(problems.list.map(problemText).join('; '));
  return policy;
}

function readTexts(
  fields: Fields,
  key: string,
  pattern: RegExp,
  hint: string,
): readonly string[] | undefined {
  const items = fields.texts(key);
  items?.forEach((item, i) => {
    if (!pattern.test(item))
      fields.problems.error(`${fields.at(key)}[${i}]`, `must be ${hint}`, { value: item });
  });
  return items;
}

function invalid(text: string): EdgeError {
  return new EdgeError(`Cannot use the policy: ${text}`, { code: 'POLICY_INVALID', retry: 'permanent' });
}

/** `cap_net_admin` and `NET_ADMIN` are the same capability. */
export function capabilityName(text: string): string {
  return text.toUpperCase().replace(/^CAP_/, '');
}

/**
 * Why the policy refuses an image; undefined when it is allowed. A pattern without tag and digest stands for all tags of
 * a repository; it is held against the full name (`docker.io/library/nginx`) and the short one (`nginx`).
 * `*` does not cross a slash, `**` does; `*` alone allows everything.
 */
export function imageRefusal(policy: Policy, reference: Reference): string | undefined {
  if (policy.requireDigest && reference.digest === undefined)
    return 'must name its image by digest ("image@sha256:..."): the policy says requireDigest';
  const patterns = policy.allowedImages;
  if (patterns === undefined || patterns.some((pattern) => imageMatches(pattern, reference)))
    return undefined;
  return `is not among the images the policy allows (allowedImages: ${showList(patterns)})`;
}

function imageMatches(pattern: string, reference: Reference): boolean {
  if (pattern === '*' || pattern === '**') return true;
  if (reference.name === '') return pattern === reference.digest;
  // With a digest, the tag is decoration that the engine ignores: only the digest or the repository may be trusted.
  const suffix = reference.digest === undefined ? `:${reference.tag ?? 'latest'}` : `@${reference.digest}`;
  const tagged = pattern.includes('@') || pattern.lastIndexOf(':') > pattern.lastIndexOf('/');
  return [reference.name, reference.familiar].some((name) =>
    globMatches(pattern, tagged ? name + suffix : name),
  );
}

/** true for an image of which the policy says that two containers must not hold the same files. */
export function isExclusiveImage(policy: Policy, reference: Reference): boolean {
  const last = reference.familiar.split('/').at(-1) ?? '';
  return policy.exclusiveImages.some((pattern) =>
    pattern.includes('/') ? imageMatches(pattern, reference) : globMatches(pattern, last),
  );
}

/**
 * Why a path of the host must not be mounted or read; undefined when it may. The agent's own state is refused whatever
 * the policy says, and so are its parents unless `allowStateParents` is set: reading it would give away executor keys.
 * Symbolic links are not followed, except that `/var/run` counts as `/run`.
 */
export function hostPathRefusal(
  policy: Policy,
  protectedPaths: readonly string[],
  path: string,
): string | undefined {
  const wanted = canonical(path);
  for (const own of protectedPaths.map(canonical)) {
    if (isWithin(wanted, own))
      return `belongs to the agent itself (${own}) and is never given to a container`;
    if (isWithin(own, wanted) && !policy.allowStateParents)
      return `contains the agent's own ${own}; mount a folder below it, or set allowStateParents in the policy`;
  }
  const prefixes = policy.allowedBindPrefixes;
  if (prefixes === undefined || prefixes.some((prefix) => isWithin(wanted, canonical(prefix))))
    return undefined;
  return `is outside of what the policy allows (allowedBindPrefixes: ${showList(prefixes)})`;
}

function canonical(path: string): string {
  return normalizePath(path).replace(/^\/var\/run(?=\/|$)/, '/run');
}

/** Why a host device is refused; undefined when it may be used. */
export function deviceRefusal(policy: Policy, path: string): string | undefined {
  const allowed = policy.allowedDevices;
  if (allowed === undefined || allowed.some((pattern) => globMatches(pattern, path))) return undefined;
  return `is not among the devices the policy allows (allowedDevices: ${showList(allowed)})`;
}

/** Why an added capability is refused; undefined when it is allowed. */
export function capabilityRefusal(policy: Policy, name: string): string | undefined {
  const allowed = policy.allowedCapabilities;
  if (allowed === undefined || allowed.includes(name)) return undefined;
  return `is not among the capabilities the policy allows (allowedCapabilities: ${showList(allowed)})`;
}

function showList(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(', ');
}
