import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { staticBusybox, tarOf, tinyFiles } from '../../../build/tiny-image.mjs';
import { eventually } from '../../fakes/engine-fixture.ts';
import type { ImageConfig } from './image.ts';

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const CERTS = '/etc/docker/certs.d';

/** Debian's `docker-registry` with TLS of a private authority and basic auth, and the engine's trust in it. */
export class PrivateRegistry {
  /** "address:port" */
  host = '';
  readonly #dir: string;
  readonly #address: string;
  #madeCerts: string | undefined;
  #child: ChildProcess | undefined;

  /** `address`: one of this machine's own, and none of 127.0.0.0/8: there engines do not insist on certificates. */
  constructor(dir: string, address: string) {
    this.#dir = dir;
    this.#address = address;
    mkdirSync(dir, { recursive: true });
  }

  /** Makes authority, certificate and port, starts the registry, and has the engine trust it. */
  async open(user: string, password: string): Promise<void> {
    const port = await freePort(this.#address);
    this.host = `${this.#address}:${port}`;
    this.#authority('ca');
    this.#authority('other');
    this.#certificate();
    this.setPassword(user, password);
    const at = (name: string) => JSON.stringify(join(this.#dir, name));
    writeFileSync(
      join(this.#dir, 'config.yml'),
      [
        'version: 0.1',
        'log: { level: error }',
        `storage: { filesystem: { rootdirectory: ${at('data')} } }`,
        `http: { addr: "${this.host}", tls: { certificate: ${at('server.crt')}, key: ${at('server.key')} } }`,
        `auth: { htpasswd: { realm: test, path: ${at('htpasswd')} } }`,
        '',
      ].join('\n'),
    );
    this.trust('ca');
    await this.start(user, password);
  }

  /** Starts it again, with all that it had. */
  async start(user: string, password: string): Promise<void> {
    this.#child = spawn('docker-registry', ['serve', join(this.#dir, 'config.yml')], { stdio: 'ignore' });
    const answers = () =>
      this.#call('GET', '/v2/', user, password).then(
        ({ status }) => status === 200,
        () => false,
      );
    await eventually('the registry answers', answers, 30_000);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(join(CERTS, this.host), { recursive: true, force: true });
    if (this.#madeCerts !== undefined) rmSync(this.#madeCerts, { recursive: true, force: true });
  }

  /** From now on it takes only this user and password. */
  setPassword(user: string, password: string): void {
    const line = execFileSync('htpasswd', ['-nbB', user, password], { encoding: 'utf8' });
    writeFileSync(join(this.#dir, 'htpasswd'), line);
  }

  /** Which of its two authorities the engine trusts for it; only "ca" has signed its certificate. */
  trust(authority: 'ca' | 'other'): void {
    if (!existsSync(CERTS)) this.#madeCerts = CERTS;
    const folder = join(CERTS, this.host);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'ca.crt'), readFileSync(join(this.#dir, `${authority}.crt`)));
  }

  /** Puts a tiny image into it, with more layers (tar) on top; returns the reference without a tag, and the digest. */
  async push(
    name: string,
    tag: string,
    config: ImageConfig,
    [user, password]: readonly [string, string],
    more: readonly Buffer[] = [],
  ): Promise<{ name: string; digest: string; id: string }> {
    const busybox = staticBusybox();
    if (busybox === undefined) throw new Error('a static busybox is missing (Debian package busybox-static)');
    const layer = tarOf(tinyFiles(busybox));
    const architecture = { x64: 'amd64', arm64: 'arm64', arm: 'arm' }[process.arch as 'x64'] ?? process.arch;
    const layers = [layer, ...more];
    const rootfs = { type: 'layers', diff_ids: layers.map(digestOf) };
    const author = `${this.host}/${name}:${tag}`;
    const description = Buffer.from(JSON.stringify({ architecture, os: 'linux', author, config, rootfs }));
    const upload = async (type: string, body: Buffer) => {
      const digest = digestOf(body);
      const begun = await this.#call('POST', `/v2/${name}/blobs/uploads/`, user, password);
      const target = new URL(begun.location, `https://${this.host}`);
      target.searchParams.set('digest', digest);
      await this.#call(
        'PUT',
        target.pathname + target.search,
        user,
        password,
        'application/octet-stream',
        body,
      );
      return { mediaType: `application/vnd.docker.${type}`, size: body.length, digest };
    };
    const uploaded: object[] = [];
    for (const one of layers) uploaded.push(await upload('image.rootfs.diff.tar.gzip', one));
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: await upload('container.image.v1+json', description),
        layers: uploaded,
      }),
    );
    const { status } = await this.#call(
      ...(['PUT', `/v2/${name}/manifests/${tag}`, user, password, MANIFEST, manifest] as const),
    );
    if (status !== 201) throw new Error(`the registry refuses a manifest with ${status}`);
    return { name: `${this.host}/${name}`, digest: digestOf(manifest), id: digestOf(description) };
  }

  /** Changes what is kept under a digest, as a bad disk or a bad person would. */
  damage(digest: string): void {
    const hex = digest.slice('sha256:'.length);
    const path = join(this.#dir, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    writeFileSync(path, `${readFileSync(path, 'utf8')} `);
  }

  #call(
    method: string,
    path: string,
    user: string,
    password: string,
    type?: string,
    body?: Buffer,
  ): Promise<{ status: number; location: string }> {
    const [hostname, port] = this.host.split(':');
    return new Promise((resolve, reject) => {
      const call = request(
        {
          ...{ hostname, port, method, path, agent: false, auth: `${user}:${password}` },
          ca: readFileSync(join(this.#dir, 'ca.crt')),
          headers: type === undefined ? {} : { 'content-type': type, 'content-length': body?.length ?? 0 },
        },
        (response) => {
          response.resume();
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '' }),
          );
        },
      );
      call.on('error', reject);
      call.end(body);
    });
  }

  #authority(name: string): void {
    this.#openssl(
      ...['req', '-x509', ...KEY_PAIR, '-keyout', `${name}.key`, '-out', `${name}.crt`],
      ...['-subj', `/CN=${name}`, '-days', '2'],
    );
  }

  #certificate(): void {
    writeFileSync(join(this.#dir, 'server.ext'), `subjectAltName=IP:${this.#address}\n`);
    this.#openssl('req', ...KEY_PAIR, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=registry');
    this.#openssl(
      ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-out', 'server.crt', '-days', '2', '-extfile', 'server.ext'],
    );
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#dir, stdio: 'pipe' });
  }
}

const KEY_PAIR = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(new Uint8Array(body)).digest('hex')}`;
}

function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, address, () => {
      const at = server.address();
      server.close(() => resolve(typeof at === 'object' && at !== null ? at.port : 0));
    });
  });
}
