import { normalizePath } from '../base/posix-path.ts';
import type { MountSpec } from '../model/container.ts';
import { mapBindPath } from './bind-map.ts';
import { type Fields, isObject } from './fields.ts';
import { hostPathRefusal, isExclusiveImage, type Policy } from './policy.ts';
import { parseMemory, readMemory } from './quantity.ts';
import { parseReference } from './reference.ts';
import { OBJECT_NAME, type Scope } from './scope.ts';

/** The mounts of a container, and which of them the blueprint calls exclusive. */
export interface Mounts {
  mounts: readonly MountSpec[];
  exclusive: readonly MountSpec[];
}

/** Reads `volumes[]` of a DockerDeployment instance and its `tmpfs`. */
export function readMounts(fields: Fields, scope: Scope): Mounts {
  const mounts: LocatedMount[] = [];
  for (const volume of fields.objects('volumes')) {
    const target = readTarget(volume, 'mountPath');
    const type = volume.oneOf('type', ['named', 'bind', 'tmpfs']);
    if (type === undefined && !volume.has('type'))
      volume.refuse('type', 'must be "named", "bind" or "tmpfs"');
    const readOnly = volume.bool('readOnly') ?? false;
    const isExclusive = type === 'tmpfs' ? false : volume.bool('exclusive');
    const mount =
      type === 'named'
        ? readNamed(volume, target, readOnly)
        : type === 'bind'
          ? readBind(volume, scope, target, readOnly)
          : type === 'tmpfs'
            ? readTmpfsVolume(volume, target, readOnly)
            : undefined;
    // Known in every type, so that a field of another type is told apart from a misspelt one.
    for (const key of ['name', 'hostPath', 'size', 'mode', 'exclusive']) volume.has(key);
    volume.done('warning', { source: 'hostPath', target: 'mountPath', path: 'mountPath' });
    if (mount !== undefined) mounts.push({ mount, path: volume.at('mountPath'), isExclusive });
  }
  mounts.push(...readTmpfs(fields));
  return checked(fields, mounts);
}

/** Reads `volumes[]` of an ExecutorDeployment (host, container, readOnly) and its `tmpfs`. */
export function readExecutorMounts(fields: Fields, scope: Scope): Mounts {
  const mounts: LocatedMount[] = [];
  for (const volume of fields.objects('volumes')) {
    const target = readTarget(volume, 'container');
    const readOnly = volume.bool('readOnly') ?? false;
    const isExclusive = volume.bool('exclusive');
    const host = volume.requiredText('host', 'an absolute host path or a volume name');
    volume.done('warning', { hostPath: 'host', mountPath: 'container' });
    if (host === undefined || target === undefined) continue;
    const mount = host.startsWith('/')
      ? bindMount(volume, 'host', scope, host, target, readOnly)
      : volumeMount(volume, 'host', host, target, readOnly);
    if (mount !== undefined) mounts.push({ mount, path: volume.at('container'), isExclusive });
  }
  mounts.push(...readTmpfs(fields));
  return checked(fields, mounts);
}

interface LocatedMount {
  mount: MountSpec;
  path: string;
  isExclusive?: boolean | undefined;
}

/** Volumes and writable binds that two containers of one service must not hold at the same time, as clauses: those the
 *  blueprint calls exclusive, and all of an image that the policy counts among the databases. */
export function exclusiveOf({ mounts, exclusive }: Mounts, image: string, policy: Policy): readonly string[] {
  const reference = parseReference(image);
  const isDatabase = typeof reference !== 'string' && isExclusiveImage(policy, reference);
  const held = isDatabase
    ? mounts.filter((mount) => mount.type === 'volume' || (mount.type === 'bind' && !mount.readOnly))
    : exclusive;
  return [...new Set([...exclusive, ...held])].flatMap((mount) =>
    mount.type === 'tmpfs' ? [] : [`${mount.type === 'volume' ? 'volume' : 'folder'} ${mount.source}`],
  );
}

function readTarget(fields: Fields, key: string): string | undefined {
  const value = fields.requiredText(key, 'an absolute path in the container');
  if (value === undefined) return undefined;
  const problem = targetProblem(value);
  return problem === undefined ? normalizePath(value) : fields.refuse(key, problem);
}

function targetProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'must be an absolute path in the container';
  return normalizePath(path) === '/' ? 'must not be the root of the container' : undefined;
}

function readNamed(fields: Fields, target: string | undefined, readOnly: boolean): MountSpec | undefined {
  const name = fields.requiredText('name', 'the name of a volume');
  if (fields.has('hostPath'))
    fields.problems.warn(
      fields.at('hostPath'),
      'has no effect in a named volume; use type "bind" for a host path',
    );
  if (name === undefined || target === undefined) return undefined;
  return volumeMount(fields, 'name', name, target, readOnly);
}

function volumeMount(
  fields: Fields,
  key: string,
  source: string,
  target: string,
  readOnly: boolean,
): MountSpec | undefined {
  if (OBJECT_NAME.test(source)) return { type: 'volume', source, target, readOnly };
  const path = /^[./~]/.test(source) ? ', not a path' : '';
  return fields.refuse(key, `must be a volume name of two or more letters, digits, "_", "." and "-"${path}`);
}

function readBind(
  fields: Fields,
  scope: Scope,
  target: string | undefined,
  readOnly: boolean,
): MountSpec | undefined {
  const key = fields.has('hostPath') || !fields.has('name') ? 'hostPath' : 'name';
  const source = fields.requiredText(key, 'the absolute path of a file or folder of the host');
  if (source === undefined || target === undefined) return undefined;
  return bindMount(fields, key, scope, source, target, readOnly);
}

function bindMount(
  fields: Fields,
  key: string,
  scope: Scope,
  from: string,
  target: string,
  readOnly: boolean,
): MountSpec | undefined {
  if (!from.startsWith('/')) return fields.refuse(key, 'must be an absolute path of the host');
  const { context } = scope;
  const source = mapBindPath(from, context.bindPrefixMap);
  const refusal = hostPathRefusal(context.policy, context.protectedPaths, source);
  if (refusal !== undefined) {
    fields.problems.error(fields.at(key), refusal, { value: source }, 'PolicyRefused');
    return undefined;
  }
  return { type: 'bind', source, target, readOnly };
}

const MODE = /^[0-7]{3,4}$/;
const MODE_HINT = 'octal digits in quotes such as "1777"';

function readTmpfsVolume(
  fields: Fields,
  target: string | undefined,
  readOnly: boolean,
): MountSpec | undefined {
  const sizeBytes = readMemory(fields, 'size', 1);
  const mode = fields.textLike('mode', MODE, MODE_HINT);
  return target === undefined ? undefined : tmpfsMount(target, readOnly, sizeBytes, mode);
}

function tmpfsMount(target: string, readOnly: boolean, sizeBytes?: number, mode?: string): MountSpec {
  return {
    type: 'tmpfs',
    target,
    readOnly,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(mode === undefined ? {} : { mode }),
  };
}

/** Reads the instance-level `tmpfs`: `["/run:size=16m"]` or `{"/run": "size=16m"}`. */
function readTmpfs(fields: Fields): LocatedMount[] {
  const hint = 'a list such as ["/run:size=16m"] or an object such as {"/run": "size=16m"}';
  const entries = isObject(fields.raw('tmpfs'))
    ? fields.entries('tmpfs').map(({ key, value, path }) => ({ target: key, options: value, path }))
    : (fields.texts('tmpfs', hint) ?? []).map((text, i) => {
        const colon = text.indexOf(':');
        const target = colon < 0 ? text : text.slice(0, colon);
        return {
          target,
          options: colon < 0 ? '' : text.slice(colon + 1),
          path: `${fields.at('tmpfs')}[${i}]`,
        };
      });
  return entries.flatMap(({ target, options, path }) => {
    const problem = targetProblem(target);
    const mount = tmpfsOf(target, options);
    if (problem !== undefined) fields.problems.error(path, problem, { value: target });
    else if (typeof mount === 'string') fields.problems.error(path, mount, { value: options });
    else return [{ mount, path }];
    return [];
  });
}

/** Options that the engine sets on every tmpfs anyway. */
const TMPFS_ALWAYS = new Set(['', 'rw', 'noexec', 'nosuid', 'nodev']);

function tmpfsOf(target: string, options: unknown): MountSpec | string {
  if (typeof options !== 'string') return 'must be a string such as "size=16m,mode=1777"';
  let readOnly = false;
  let sizeBytes: number | undefined;
  let mode: string | undefined;
  for (const option of options.split(',').map((text) => text.trim())) {
    const [name, value = ''] = option.split('=', 2);
    if (name === 'size') {
      // Here a bare number is bytes, as mount(8) has it.
      sizeBytes = /^\d+$/.test(value) ? Number(value) : parseMemory(value)?.bytes;
      if (sizeBytes === undefined || !(sizeBytes > 0)) return 'must have a size such as "size=16m"';
    } else if (name === 'mode') {
      if (!MODE.test(value)) return `must have a mode of ${MODE_HINT}`;
      mode = value;
    } else if (name === 'ro') readOnly = true;
    else if (!TMPFS_ALWAYS.has(option)) return 'must only have the options size, mode, ro and rw';
  }
  return tmpfsMount(normalizePath(target), readOnly, sizeBytes, mode);
}

function checked(fields: Fields, mounts: readonly LocatedMount[]): Mounts {
  const seen = new Map<string, string>();
  for (const { mount, path } of mounts) {
    const other = seen.get(mount.target);
    if (other !== undefined)
      fields.problems.error(path, `must not be the same place as ${other}`, { value: mount.target });
    seen.set(mount.target, path);
  }
  return {
    mounts: mounts.map(({ mount }) => mount),
    exclusive: mounts.flatMap(({ mount, isExclusive }) => (isExclusive === true ? [mount] : [])),
  };
}
