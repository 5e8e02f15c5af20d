import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { createEngineDisk } from '../../../src/docker/engine-disk.ts';
import type { RegistryAuth } from '../../../src/docker/registry-auth.ts';
import type { FullInfo } from '../../../src/docker/version.ts';
import type { EngineDisk } from '../../../src/model/ports.ts';
import { httpServer, tlsServer } from './colony-server.ts';

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const TAR_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';

export const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

/** A manifest of layers with these sizes; each is unpacked to a layer called after its place and size. */
export function manifestOf(sizes: readonly number[]) {
  const config = JSON.stringify({ rootfs: { diff_ids: sizes.map((size, at) => digestOf(`${at} ${size}`)) } });
  const layers = sizes.map((size, at) => ({
    mediaType: TAR_GZIP,
    size,
    digest: digestOf(`gz ${at} ${size}`),
  }));
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      size: config.length,
      digest: digestOf(config),
    },
    layers,
  });
  return { text, config, digest: digestOf(text), configDigest: digestOf(config) };
}

export type Answer = (request: IncomingMessage, response: ServerResponse, path: string) => void;

export interface RegistryDouble {
  /** "127.0.0.1:5000" */
  host: string;
  /** "GET /v2/app/manifests/1", with "+auth" when credentials came along. */
  requests: string[];
}

/** A registry that answers as told; TLS when there is a certificate. */
export async function registryDouble(
  t: TestContext,
  answer: Answer,
  pair?: { cert: string; key: string },
  name = '127.0.0.1',
): Promise<RegistryDouble> {
  const requests: string[] = [];
  const handler = (request: IncomingMessage, response: ServerResponse) => {
    const isKnown = request.headers.authorization !== undefined;
    requests.push(`${request.method} ${request.url}${isKnown ? ' +auth' : ''}`);
    answer(request, response, request.url ?? '');
  };
  const port = pair === undefined ? await httpServer(t, handler) : await tlsServer(t, pair, handler);
  return { host: `${name}:${port}`, requests };
}

/** Answers documents by path, 404 otherwise. */
export function documents(of: Readonly<Record<string, string>>): Answer {
  return (_request, response, path) => {
    const text = of[path];
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': OCI_MANIFEST }).end(text ?? '{}');
  };
}

export interface DiskInput {
  /** `GET /info` of the engine. */
  info?: object;
  /** Layers of each image the engine has, from the bottom up. */
  images?: readonly (readonly string[])[];
  auth?: RegistryAuth;
  certsDir?: string;
  platform?: Partial<FullInfo>;
}

/** The engine's disk as the agent uses it, with an engine that only tells of itself. */
export function diskOf(input: DiskInput = {}): EngineDisk {
  const images = input.images ?? [];
  const info = { os: 'linux', arch: 'amd64', variant: '', rootDir: '', ...input.platform } as FullInfo;
  return createEngineDisk({
    clock: systemClock,
    info: async () => info,
    auth: input.auth,
    certsDir: input.certsDir ?? '/nowhere',
    async get(path) {
      if (path === '/info') return input.info ?? {};
      if (path === '/images/json') return images.map((_, at) => ({ Id: `image-${at}`, Created: at }));
      return { RootFS: { Layers: images[Number(/image-(\d+)/.exec(path)?.[1])] ?? [] } };
    },
  });
}
