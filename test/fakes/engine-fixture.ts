import { randomBytes } from 'node:crypto';
import { EngineClient, engineSocket } from '../../build/lib/engine.mjs';
import { makeTinyImage } from '../../build/tiny-image.mjs';
import type { ContainerSpec } from '../../src/model/container.ts';

/** What a tiny image does when nothing else is said: it waits, and ends at once on SIGTERM. */
const WAIT = 'CMD ["sh","-c","trap \'exit 0\' TERM; while :; do sleep 1000 & wait $!; done"]';

/** A name no other test run uses: for containers, networks, volumes and images. */
export function uniquePrefix(room: string): string {
  return `ce-${room}-${randomBytes(3).toString('hex')}`;
}

/** The engine of this machine, spoken to without the code under test. */
export function docker(socket: string = engineSocket()): EngineClient {
  return new EngineClient(socket);
}

/** Makes the image "name:tag" from static busybox when it is not there yet; returns its id, "sha256:...". `changes` are
 *  Dockerfile lines; without a CMD among them the container waits for SIGTERM. */
export async function ensureTinyImage(
  tag: string,
  changes: readonly string[] = [],
  socket: string = engineSocket(),
): Promise<string> {
  const present = await docker(socket).call('GET', `/images/${tag}/json`, undefined, [404]);
  if (typeof present?.Id === 'string') return present.Id;
  const all = changes.some((line) => line.startsWith('CMD')) ? changes : [WAIT, ...changes];
  return makeTinyImage({ name: tag, changes: all, socket });
}

/** A container as plain as can be, with what a test is about put on top. */
export function specOf(image: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    image,
    env: {},
    labels: {},
    ports: [],
    mounts: [],
    network: { mode: 'bridge' },
    privileged: false,
    restart: { name: 'no', maxRetries: 0 },
    limits: {},
    ...more,
  };
}

/** Removes every container, network, volume and image whose name starts with the prefix. */
export async function sweep(prefix: string, socket: string = engineSocket()): Promise<void> {
  const engine = docker(socket);
  for (const container of await engine.containers())
    if (container.Names.some((name) => name.replace(/^\//, '').startsWith(prefix)))
      await engine.remove(container.Id);
  for (const network of await engine.call('GET', '/networks'))
    if (String(network.Name).startsWith(prefix)) await engine.removeNetwork(network.Name);
  const volumes = await engine.call('GET', '/volumes');
  for (const volume of volumes?.Volumes ?? [])
    if (String(volume.Name).startsWith(prefix)) await engine.removeVolume(volume.Name);
  for (const image of await engine.call('GET', '/images/json'))
    for (const tag of image.RepoTags ?? [])
      if (
        String(tag)
          .replace(/^localhost\//, '')
          .startsWith(prefix)
      )
        await engine.removeImage(tag);
}

/** Resolves with the first value that is not undefined (or false), looking every 20 ms; throws after the deadline. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 10_000,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
