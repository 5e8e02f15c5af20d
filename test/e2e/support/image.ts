import { createHash } from 'node:crypto';
import { engineCall } from '../../../build/lib/engine.mjs';
import { staticBusybox, tarOf, tinyFiles } from '../../../build/tiny-image.mjs';

/** The `config` member of an image file (OCI image spec; `Healthcheck` is Docker's addition, times in nanoseconds). */
export interface ImageConfig {
  Env?: readonly string[];
  Labels?: Readonly<Record<string, string>>;
  Volumes?: Readonly<Record<string, object>>;
  ExposedPorts?: Readonly<Record<string, object>>;
  User?: string;
  WorkingDir?: string;
  StopSignal?: string;
  Entrypoint?: readonly string[];
  Cmd?: readonly string[];
  Healthcheck?: object;
}

/** Default: this engine's. */
export interface Platform {
  architecture?: string;
  variant?: string;
}

/**
 * Loads a tiny image with exactly this config (Docker Engine API `POST /images/load`), as an import knows no platform.
 * Returns its id, which no image of another name has.
 */
export async function loadImage(
  socket: string,
  name: string,
  config: ImageConfig,
  platform: Platform,
): Promise<string> {
  const busybox = staticBusybox();
  if (busybox === undefined) throw new Error('a static busybox is missing (Debian package busybox-static)');
  const layer = tarOf(tinyFiles(busybox));
  const version = JSON.parse((await engineCall(socket, 'GET', '/version')).body.toString());
  const description = JSON.stringify({
    architecture: platform.architecture ?? version.Arch,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    os: 'linux',
    author: name,
    created: '2020-01-01T00:00:00Z',
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    history: [{ created: '2020-01-01T00:00:00Z' }],
  });
  const file = `${sha256(description)}.json`;
  const manifest = [{ Config: file, RepoTags: [name], Layers: ['layer.tar'] }];
  const raw = tarOf([
    { path: file, content: description },
    { path: 'layer.tar', content: layer },
    { path: 'manifest.json', content: JSON.stringify(manifest) },
  ]);
  const answer = await engineCall(socket, 'POST', '/images/load?quiet=1', { raw, timeoutMs: 60_000 });
  const text = answer.body.toString();
  if (answer.status !== 200 || text.includes('"errorDetail"'))
    throw new Error(`the engine did not load image ${name}: ${answer.status} ${text.trim()}`);
  return `sha256:${sha256(description)}`;
}

function sha256(content: string | Buffer): string {
  return createHash('sha256')
    .update(new Uint8Array(Buffer.from(content)))
    .digest('hex');
}
