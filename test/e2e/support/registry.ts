import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { staticBusybox, tarOf, tinyFiles } from '../../../build/tiny-image.mjs';
import type { ImageConfig } from './image.ts';

const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/** A registry on loopback (Docker Registry HTTP API V2), which engines speak to without TLS. */
export class TestRegistry {
  /** Requests for manifests and blobs, "GET /v2/...", since the start. */
  readonly requests: string[] = [];
  /** Ids of all images ever offered, as the engine names them. */
  readonly imageIds: string[] = [];
  /** true: blobs are not answered until it is false again. */
  hangs = false;
  /** Next answers for blobs of more than this many bytes break off in the middle, so often. */
  cuts = { overBytes: 0, times: 0 };
  readonly #server: Server;
  readonly #content = new Map<string, { type: string; body: Buffer }>();
  readonly #waiting: (() => void)[] = [];

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Offers a tiny image as "name:tag", with more layers (tar) on top; an earlier one of this name is replaced. Returns the
   *  whole reference. */
  offer(name: string, tag: string, config: ImageConfig, more: readonly Buffer[] = []): string {
    const busybox = staticBusybox();
    if (busybox === undefined) throw new Error('a static busybox is missing (Debian package busybox-static)');
    // Shared by the images of this registry and by no others: what is loaded does not depend on who else is at work.
    const own = { path: 'registry', content: this.host };
    const layer = tarOf([...tinyFiles(busybox), own]);
    const architecture = { x64: 'amd64', arm64: 'arm64', arm: 'arm' }[process.arch as 'x64'] ?? process.arch;
    const layers = [layer, ...more];
    const rootfs = { type: 'layers', diff_ids: layers.map(digestOf) };
    // With an author that no other image has, each offer is an image of its own.
    const author = `${this.host}/${name}`;
    const description = Buffer.from(JSON.stringify({ architecture, os: 'linux', author, config, rootfs }));
    this.imageIds.push(digestOf(description));
    const blob = (type: string, body: Buffer) => {
      this.#content.set(`/v2/${name}/blobs/${digestOf(body)}`, { type: 'application/octet-stream', body });
      return { mediaType: `application/vnd.docker.${type}`, size: body.length, digest: digestOf(body) };
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: blob('container.image.v1+json', description),
      layers: layers.map((one) => blob('image.rootfs.diff.tar.gzip', one)),
    };
    const body = Buffer.from(JSON.stringify(manifest));
    for (const reference of [tag, digestOf(body)])
      this.#content.set(`/v2/${name}/manifests/${reference}`, { type: MANIFEST, body });
    return `${this.host}/${name}:${tag}`;
  }

  /** Answers everything that waits, and no longer lets anything wait. */
  release(): void {
    this.hangs = false;
    for (const answer of this.#waiting.splice(0)) answer();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    const { range } = request.headers;
    if (path !== '/v2/')
      this.requests.push(`${request.method} ${path}${range === undefined ? '' : ` ${range}`}`);
    const found =
      path === '/v2/' ? { type: 'application/json', body: Buffer.from('{}') } : this.#content.get(path);
    const send = () => {
      if (found === undefined) {
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
        return;
      }
      const digest = digestOf(found.body);
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const body = found.body.subarray(from);
      response.writeHead(from > 0 ? 206 : 200, {
        'content-type': found.type,
        'content-length': body.length,
        'accept-ranges': 'bytes',
        'docker-content-digest': digest,
        ...(from > 0
          ? { 'content-range': `bytes ${from}-${found.body.length - 1}/${found.body.length}` }
          : {}),
      });
      if (path.includes('/blobs/') && this.cuts.times > 0 && body.length > this.cuts.overBytes) {
        this.cuts.times -= 1;
        response.write(body.subarray(0, body.length / 2), () => response.destroy());
      } else response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (this.hangs && path.includes('/blobs/')) this.#waiting.push(send);
    else send();
  }
}

function digestOf(body: Buffer): string {
  return `sha256:${createHash('sha256').update(new Uint8Array(body)).digest('hex')}`;
}

/** A layer (tar) of about so many bytes, of its own for each text. */
export function ballast(bytes: number, text: string): Buffer {
  return tarOf([{ path: 'ballast', content: Buffer.alloc(bytes, text) }]);
}
