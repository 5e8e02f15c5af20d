// Makes a tiny image on the spot, without a registry: Debian's static busybox and a handful of links to it.
// Usage: node build/tiny-image.mjs NAME[:TAG] ['CMD ["sleep","infinity"]' ...]
import { readFileSync } from 'node:fs';
import { engineCall, engineSocket } from './lib/engine.mjs';
import { isMain } from './lib/project.mjs';
import { findCommand } from './lib/run.mjs';

/**
 * @typedef {object} TarEntry
 * @property {string} path relative, no leading slash
 * @property {'file' | 'directory' | 'link'} [type] default `file`
 * @property {string | Buffer} [content] of a file
 * @property {string} [target] of a symbolic link
 * @property {number} [mode] default 0755 for folders, 0644 for files
 * @property {number} [uid] owner and group, default 0
 */

const APPLETS =
  '[ awk basename cat chmod chown cp cut date dd df dirname echo env expr false find free grep gzip head hostname httpd id ip ' +
  'kill ln ls md5sum mkdir mkfifo mount mv nc nslookup od ping printf ps pwd readlink rm sed seq sh sha256sum sleep sort stat ' +
  'stty sync tail tar tee test timeout top touch tr true tty uname uniq wc wget which whoami xargs yes';

/**
 * A tar archive (POSIX ustar) with times at zero, so that equal input gives equal bytes.
 * @param {readonly TarEntry[]} entries @returns {Buffer}
 */
export function tarOf(entries) {
  /** @type {Uint8Array[]} */
  const blocks = [];
  for (const entry of entries) {
    const type = entry.type ?? 'file';
    const content = new Uint8Array(bytesOf(type === 'file' ? (entry.content ?? '') : ''));
    blocks.push(new Uint8Array(tarHeader(entry, type, content.length)), content);
    const rest = content.length % 512;
    if (rest > 0) blocks.push(new Uint8Array(512 - rest));
  }
  blocks.push(new Uint8Array(1024));
  return Buffer.concat(blocks);
}

/** @param {string | Buffer} content @returns {Buffer} */
function bytesOf(content) {
  return typeof content === 'string' ? Buffer.from(content) : content;
}

/** @param {TarEntry} entry @param {'file' | 'directory' | 'link'} type @param {number} size @returns {Buffer} */
function tarHeader(entry, type, size) {
  const header = Buffer.alloc(512);
  const octal = (/** @type {number} */ value, /** @type {number} */ offset, /** @type {number} */ length) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset);
  const path = type === 'directory' ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(path) > 100) throw new Error(`path is longer than 100 bytes: ${path}`);
  header.write(path, 0);
  octal(entry.mode ?? (type === 'file' ? 0o644 : 0o755), 100, 8);
  octal(entry.uid ?? 0, 108, 8);
  octal(entry.uid ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write({ file: '0', directory: '5', link: '2' }[type], 156);
  header.write(entry.target ?? '', 157);
  header.write('ustar\x0000', 257);
  header.fill(' ', 148, 156);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return header;
}

/** Absolute path of a busybox that needs no libraries, or undefined. @returns {string | undefined} */
export function staticBusybox() {
  const path = findCommand('busybox');
  return path !== undefined && isStatic(readFileSync(path)) ? path : undefined;
}

/** Whether an ELF executable asks for no dynamic loader (no PT_INTERP program header). @param {Buffer} elf */
function isStatic(elf) {
  if (elf.readUInt32BE(0) !== 0x7f454c46) return false;
  const wide = elf[4] === 2;
  const start = wide ? Number(elf.readBigUInt64LE(32)) : elf.readUInt32LE(28);
  const size = elf.readUInt16LE(wide ? 54 : 42);
  const count = elf.readUInt16LE(wide ? 56 : 44);
  for (let i = 0; i < count; i++) if (elf.readUInt32LE(start + i * size) === 3) return false;
  return true;
}

/** The file system of a tiny image. @param {string} busybox path of a static busybox @returns {TarEntry[]} */
export function tinyFiles(busybox) {
  const folders = ['bin', 'etc', 'root', 'srv', 'home', 'proc', 'sys', 'dev', 'run', 'var', 'mnt'];
  return [
    ...folders.map((path) => ({ path, type: /** @type {const} */ ('directory') })),
    { path: 'tmp', type: 'directory', mode: 0o1777 },
    { path: 'bin/busybox', mode: 0o755, content: readFileSync(busybox) },
    ...APPLETS.split(' ').map((name) => ({
      path: `bin/${name}`,
      type: /** @type {const} */ ('link'),
      target: 'busybox',
    })),
    {
      path: 'etc/passwd',
      content:
        'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n',
    },
    { path: 'etc/group', content: 'root:x:0:\napp:x:1000:\nnogroup:x:65534:\n' },
  ];
}

/**
 * Imports a tiny image (Docker Engine API `POST /images/create?fromSrc=-`) and returns its id, "sha256:...".
 * @param {object} options @param {string} options.name "name" or "name:tag" @param {string} [options.socket]
 * @param {readonly string[]} [options.changes] Dockerfile lines such as `CMD ["sleep","infinity"]`, `ENV A=b`, `LABEL`,
 * `VOLUME`, `EXPOSE`, `USER`, `ENTRYPOINT`, `WORKDIR`, `HEALTHCHECK`
 * @param {readonly TarEntry[]} [options.files] put on top of it @returns {Promise<string>}
 */
export async function makeTinyImage({ name, socket = engineSocket(), changes = [], files = [] }) {
  const busybox = staticBusybox();
  if (busybox === undefined) throw new Error('a static busybox is missing (Debian package busybox-static)');
  const colon = name.lastIndexOf(':');
  const tagged = colon > name.lastIndexOf('/');
  const query = new URLSearchParams({
    fromSrc: '-',
    repo: tagged ? name.slice(0, colon) : name,
    tag: tagged ? name.slice(colon + 1) : 'latest',
  });
  for (const change of changes) query.append('changes', change);
  const raw = tarOf([...tinyFiles(busybox), ...files]);
  const answer = await engineCall(socket, 'POST', `/images/create?${query}`, { raw, timeoutMs: 120_000 });
  const text = answer.body.toString();
  const id = text.match(/sha256:[0-9a-f]{64}/)?.[0];
  if (answer.status !== 200 || id === undefined || text.includes('"errorDetail"'))
    throw new Error(`the engine did not take image ${name}: ${answer.status} ${text.trim()}`);
  return id;
}

if (isMain('tiny-image.mjs')) {
  const [name, ...changes] = process.argv.slice(2);
  if (name === undefined) {
    console.error('usage: node build/tiny-image.mjs NAME[:TAG] [CHANGE ...]');
    process.exit(2);
  }
  console.log(await makeTinyImage({ name, changes }));
}
