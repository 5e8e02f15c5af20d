// What tests leave behind: containers, networks, volumes, images, processes and temporary folders.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorText, pause } from './project.mjs';

/** @typedef {import('./engine.mjs').EngineClient} EngineClient */

// Not of the agent's own prefix: it refuses variables of it that it does not know.
const MARK = 'EDGE_TEST_RUN';

/** Remembers how the machine was, and says later what is new. Things that others make meanwhile count as new as well. */
export class Leftovers {
  constructor() {
    /** Every test gets its temporary folders in here. Short: a unix socket's path has at most 107 bytes. */
    this.folder = mkdtempSync(join(tmpdir(), 'cet-'));
    // As open as /tmp itself: some tests act as another user.
    chmodSync(this.folder, 0o1777);
    /** @type {EngineClient | undefined} */
    this.client = undefined;
    /** @type {Map<string, string>} */
    this.before = new Map();
  }

  /** Variables for the tests: processes are recognised by them later. @returns {Record<string, string>} */
  environment() {
    return { TMPDIR: this.folder, [MARK]: this.folder };
  }

  /** @param {EngineClient} client of an engine that answers */
  async remember(client) {
    this.client = client;
    this.before = await things(client);
  }

  /** @returns {Promise<import('./parts.mjs').PartResult>} */
  async check() {
    /** @type {string[]} */
    let found = [];
    // The engine removes some things a moment after it said so.
    for (let attempt = 0; attempt < 10; attempt++) {
      found = [...(await this.#engineLeftovers()), ...this.#processes(), ...readdirSync(this.folder)];
      if (found.length === 0) break;
      await pause(500);
    }
    if (this.client === undefined) found.push('(no engine answered at the start: nothing could be compared)');
    const output = `left behind by the tests (or by somebody else, meanwhile):\n${found.join('\n')}`;
    return { passed: found.length === 0 ? 1 : 0, failed: found.length === 0 ? 0 : 1, skipped: 0, output };
  }

  async #engineLeftovers() {
    if (this.client === undefined) return [];
    const now = await things(this.client);
    return [...now].filter(([id]) => !this.before.has(id)).map(([, name]) => name);
  }

  #processes() {
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
      .flatMap((pid) => {
        try {
          if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${MARK}=${this.folder}`)) return [];
          return [`process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`];
        } catch {
          return [];
        }
      });
  }

  /** As far as it can be removed: after an interruption an engine of a test's own may still have mounts in it. */
  removeFolder() {
    try {
      rmSync(this.folder, { recursive: true, force: true });
    } catch (error) {
      console.error(`${this.folder} cannot be removed: ${errorText(error)}`);
    }
  }
}

/** Everything an engine holds: id to a name for people. @param {EngineClient} client */
async function things(client) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const one of await client.containers()) found.set(one.Id, `container ${one.Names[0]} (${one.State})`);
  for (const one of await client.call('GET', '/networks')) found.set(one.Id, `network ${one.Name}`);
  for (const one of (await client.call('GET', '/volumes')).Volumes ?? [])
    found.set(`volume:${one.Name}`, `volume ${one.Name}`);
  for (const one of await client.call('GET', '/images/json'))
    found.set(one.Id, `image ${one.RepoTags?.[0] ?? one.Id}`);
  return found;
}
