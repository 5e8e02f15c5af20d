// The little of the Docker Engine API that build scripts need, over node:http: no CLI and no packages are required.
import { request } from 'node:http';

/** @typedef {{ status: number, body: Buffer }} Answer */
/** @typedef {{ Id: string, Names: string[], Image: string, State: string, Labels: Record<string, string> }} Listed */

/** Path of the engine's unix socket; throws when `DOCKER_HOST` is no unix socket. @returns {string} */
export function engineSocket() {
  const host = process.env.DOCKER_HOST;
  if (host === undefined || host === '') return '/var/run/docker.sock';
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new Error(`DOCKER_HOST=${host}: only unix:// sockets can be used here`);
}

/**
 * One call; the answer's body is read to its end (at most 64 MiB of it matter here).
 * @param {string} socketPath @param {string} method @param {string} path without an API version
 * @param {{ json?: unknown, raw?: Buffer, timeoutMs?: number }} [options] @returns {Promise<Answer>}
 */
export function engineCall(socketPath, method, path, options = {}) {
  const body = options.json === undefined ? options.raw : Buffer.from(JSON.stringify(options.json));
  const type = options.json === undefined ? 'application/x-tar' : 'application/json';
  const timeoutMs = options.timeoutMs ?? 30_000;
  return new Promise((done, fail) => {
    const call = request({ socketPath, method, path, agent: false, signal: AbortSignal.timeout(timeoutMs) });
    if (body !== undefined) {
      call.setHeader('content-type', type);
      call.setHeader('content-length', body.length);
    }
    call.on('error', fail);
    call.on('response', (response) => {
      /** @type {Uint8Array[]} */
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    call.end(body);
  });
}

/** A few typed calls on one engine. Each throws on an unexpected status, with the engine's own words. */
export class EngineClient {
  /** @param {string} [socketPath] */
  constructor(socketPath = engineSocket()) {
    this.socketPath = socketPath;
  }

  /**
   * @param {string} method @param {string} path @param {unknown} [json] @param {readonly number[]} [accept] statuses
   * beside 2xx that are fine @returns {Promise<any>} decoded JSON, or undefined when there is none
   */
  async call(method, path, json, accept = []) {
    const answer = await engineCall(this.socketPath, method, path, json === undefined ? {} : { json });
    const text = answer.body.toString();
    const ok = (answer.status >= 200 && answer.status < 300) || accept.includes(answer.status);
    if (!ok) throw new Error(`${method} ${path}: the engine answered ${answer.status} ${text.trim()}`);
    return text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined;
  }

  /** Whether it answers within two seconds. @returns {Promise<boolean>} */
  async answers() {
    try {
      return (await engineCall(this.socketPath, 'GET', '/_ping', { timeoutMs: 2000 })).status === 200;
    } catch {
      return false;
    }
  }

  /** All containers, running or not. @param {Record<string, string[]>} [filters] @returns {Promise<Listed[]>} */
  containers(filters = {}) {
    return this.call('GET', `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`);
  }

  /** The container with exactly this name. @param {string} name @returns {Promise<Listed | undefined>} */
  async byName(name) {
    const found = await this.containers({ name: [`^/?${name}$`] });
    return found.find((one) => one.Names.some((given) => given.replace(/^\//, '') === name));
  }

  /** @param {string} id @returns {Promise<any>} the inspection, or undefined when there is no such container */
  async inspect(id) {
    const answer = await engineCall(this.socketPath, 'GET', `/containers/${id}/json`);
    return answer.status === 200 ? JSON.parse(answer.body.toString()) : undefined;
  }

  /** Kills the process; not running (any more) is fine too. @param {string} id */
  async kill(id) {
    await this.call('POST', `/containers/${id}/kill`, undefined, [404, 409]);
  }

  /** Removes a container by force, with its anonymous volumes. @param {string} id */
  async remove(id) {
    await this.call('DELETE', `/containers/${id}?force=1&v=1`, undefined, [404, 409]);
  }

  /** @param {string} name */
  async removeNetwork(name) {
    await this.call('DELETE', `/networks/${name}`, undefined, [404]);
  }

  /** @param {string} reference */
  async removeImage(reference) {
    await this.call('DELETE', `/images/${encodeURIComponent(reference)}?force=1`, undefined, [404]);
  }

  /** @param {string} name */
  async removeVolume(name) {
    await this.call('DELETE', `/volumes/${name}`, undefined, [404]);
  }
}
