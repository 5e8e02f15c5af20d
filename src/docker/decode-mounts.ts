import { posix } from 'node:path';
import type { MountSpec } from '../model/container.ts';
import { booleanAt, listAt, textAt, textMapAt, textsAt } from './json.ts';

/** The name the engine gives to a volume nobody named: those that an image's VOLUME makes. */
const ANONYMOUS = /^[0-9a-f]{64}$/;

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/**
 * The mounts that were asked for, sorted by target, out of an inspection's `HostConfig` (`Binds`, `Mounts`, `Tmpfs`).
 * Anonymous volumes are nobody's wish and are left out; paths are normalised.
 */
export function decodeMounts(host: unknown): MountSpec[] {
  const mounts = new Map<string, MountSpec>();
  for (const bind of textsAt(host, 'Binds')) add(mounts, decodeBind(bind));
  for (const mount of listAt(host, 'Mounts')) add(mounts, decodeMount(mount));
  for (const [target, options] of Object.entries(textMapAt(host, 'Tmpfs')))
    add(mounts, decodeTmpfs(target, options));
  return [...mounts.values()].sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
}

function add(mounts: Map<string, MountSpec>, mount: MountSpec | undefined): void {
  if (mount !== undefined) mounts.set(mount.target, mount);
}

/** "source:/target[:options]"; a source without a slash is a volume's name. */
function decodeBind(text: string): MountSpec | undefined {
  const [source = '', target = '', options = ''] = text.split(':');
  if (target === '' || ANONYMOUS.test(source)) return undefined;
  const readOnly = options.split(',').includes('ro');
  return source.startsWith('/')
    ? { type: 'bind', source: clean(source), target: clean(target), readOnly }
    : { type: 'volume', source, target: clean(target), readOnly };
}

function decodeMount(mount: unknown): MountSpec | undefined {
  const type = textAt(mount, 'Type');
  const source = textAt(mount, 'Source');
  const target = clean(textAt(mount, 'Target'));
  const readOnly = booleanAt(mount, 'ReadOnly');
  if (type === 'bind') return { type, source: clean(source), target, readOnly };
  if (type === 'volume' && source !== '' && !ANONYMOUS.test(source))
    return { type, source, target, readOnly };
  return type === 'tmpfs' ? { type, target, readOnly } : undefined;
}

function decodeTmpfs(target: string, text: string): MountSpec {
  const options = text.split(',');
  const option = (key: string) => options.find((one) => one.startsWith(`${key}=`))?.slice(key.length + 1);
  const size = bytesOf(option('size'));
  const mode = option('mode');
  return {
    type: 'tmpfs',
    target: clean(target),
    readOnly: options.includes('ro'),
    ...(size === undefined ? {} : { sizeBytes: size }),
    ...(mode === undefined ? {} : { mode }),
  };
}

/** tmpfs sizes as mount(8) takes them: "65536", "64k", "16m"; a percentage has no fixed size. */
function bytesOf(text: string | undefined): number | undefined {
  const match = /^(\d+)([bkmg]?)$/i.exec(text ?? '');
  if (match === null) return undefined;
  return Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase()] ?? 1);
}

function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
