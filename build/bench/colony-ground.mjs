// What the bench of the link stands on: a fake colony in a process of its own, a relay before it, an agent behind that.
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, until } from '../lib/project.mjs';
import { ColonyRelay } from './colony-relay.mjs';
import { COMMAND, IMAGE } from './ground.mjs';

/** @typedef {import('./ground.mjs').Ground} Ground */
/** @typedef {import('../lib/agent.mjs').Agent} Agent */

export const LOCATION = 'bench';
const EXECUTOR = 'bench-gateway';

/** Bundles a file of the tests so that it runs as it is. @param {string} source @param {string} folder @returns {Promise<string>} */
export async function bundled(source, folder) {
  const { build } = await import('esbuild');
  const outfile = join(folder, `${source.replace(/\W+/g, '-')}.mjs`);
  await build({
    entryPoints: [source],
    absWorkingDir: root,
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return outfile;
}

/** A colony, and an agent of it that is started by `start`. */
export class ColonyBench {
  /** @param {Ground} ground */
  constructor(ground) {
    this.ground = ground;
    mkdirSync(join(root, '.build'), { recursive: true });
    // Below the project, where the bundles find its packages.
    this.folder = mkdtempSync(join(root, '.build', 'bench-'));
    /** @type {Map<number, { done: (value: any) => void, fail: (error: Error) => void }>} */
    this.waiting = new Map();
    this.count = 0;
    /** Path of the bundled simulation. @type {string | undefined} */
    this.simulation = undefined;
  }

  async open() {
    const child = fork(await bundled('test/fakes/colony/serve.ts', this.folder), { stdio: 'inherit' });
    this.child = child;
    /** @type {Promise<void>} */
    const ready = new Promise((done, fail) => {
      child.on('exit', () => fail(new Error('the fake colony has ended')));
      child.on('message', (message) => (message === 'ready' ? done() : this.#answered(message)));
    });
    await ready;
    const { port, colony, ownerKey } = await this.call('place');
    this.relay = await new ColonyRelay(port).listen();
    const keys = { executor: await this.call('register', EXECUTOR, LOCATION), owner: ownerKey };
    for (const [name, key] of Object.entries(keys))
      writeFileSync(join(this.folder, `${name}.key`), `${key}\n`, { mode: 0o600 });
    const extra = ['--server', `http://127.0.0.1:${this.relay.port}`, '--colony', colony];
    extra.push('--executor-name', EXECUTOR, '--location', LOCATION);
    extra.push('--key-file', join(this.folder, 'executor.key'));
    extra.push('--owner-key-file', join(this.folder, 'owner.key'));
    this.agent = this.ground.agent({ extra });
    return this;
  }

  /** @param {any} message */
  #answered({ id, value, error }) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.done(value);
    else waiting?.fail(new Error(error));
  }

  /** One command to the fake colony. @param {string} call @param {...unknown} args @returns {Promise<any>} */
  call(call, ...args) {
    const id = this.count++;
    return new Promise((done, fail) => {
      this.waiting.set(id, { done, fail });
      this.child?.send({ id, call, args });
    });
  }

  /** The eight blueprints that the idle hours are measured with, on the engine's own image. @returns {Promise<string[]>} the deployments' names */
  async addIdle() {
    const { idleBlueprints } = await this.hours();
    const folder = join(this.ground.folder, 'mounted');
    mkdirSync(folder, { recursive: true });
    for (const name of ['application.properties', 'certificates', 'log4j2.xml', 'run.sh'])
      writeFileSync(join(folder, name), '');
    const documents = idleBlueprints({ location: LOCATION, image: IMAGE, command: COMMAND, folder });
    for (const document of documents) await this.call('add', document);
    return documents.slice(0, 7).map((/** @type {any} */ { metadata }) => metadata.name);
  }

  /** @returns {Promise<any>} test/sim/link-hours.ts */
  async hours() {
    this.simulation ??= await bundled('test/sim/link-hours.ts', this.folder);
    return import(pathToFileURL(this.simulation).href);
  }

  /** When a container of this name, or its next version, was started. @param {string} name @param {number} sinceMs epoch milliseconds @param {number} withinMs @returns {Promise<number>} */
  async started(name, sinceMs, withinMs) {
    const find = () =>
      this.ground.events.events.find(
        (one) =>
          one.action === 'start' &&
          one.atMs >= sinceMs &&
          (one.name === name || one.name.startsWith(`${name}.next-`)),
      );
    return (await until(`${name} to be started`, find, { withinMs, everyMs: 5 })).atMs;
  }

  /** Waits until the link is so. @param {string} state @param {number} [withinMs] */
  async link(state, withinMs = 60_000) {
    const ask = async () => ((await this.agent?.status())?.server?.state === state ? true : undefined);
    await until(`the link to be ${state}`, ask, { withinMs, everyMs: 100 });
  }

  /** Waits until all is as asked, closed and told. */
  async caughtUp() {
    await this.agent?.converged(120_000);
    const ask = async () => {
      const { server } = (await this.agent?.status()) ?? {};
      const isTold = server?.unsentStatuses === 0 && server.openProcesses === 0;
      return isTold && (await this.call('openWork')) === 0 ? true : undefined;
    };
    await until('everything to be closed and told', ask, { withinMs: 60_000, everyMs: 200 });
  }

  /** Ends the server; the agent is the caller's. */
  close() {
    this.relay?.close();
    this.child?.removeAllListeners('exit');
    this.child?.disconnect();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
