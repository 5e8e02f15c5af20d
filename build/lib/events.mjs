// The engine's event stream, for exact times: each event carries the engine's own clock.
import { request } from 'node:http';
import { until } from './project.mjs';

/** @typedef {{ action: string, id: string, name: string, atMs: number }} ContainerEvent */

/** Container events of one engine from the moment `open` resolves; keeps them all, oldest first. */
export class EventLog {
  /** @param {string} socketPath */
  constructor(socketPath) {
    this.socketPath = socketPath;
    /** @type {ContainerEvent[]} */
    this.events = [];
    this.rest = '';
  }

  /** @returns {Promise<this>} */
  open() {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container'] }));
    return new Promise((done, fail) => {
      const call = request({ socketPath: this.socketPath, path: `/events?filters=${filters}`, agent: false });
      this.call = call;
      call.on('error', fail);
      call.on('response', (response) => {
        response.on('data', (chunk) => this.#take(chunk.toString()));
        response.on('error', () => {});
        done(this);
      });
      call.end();
    });
  }

  /** @param {string} text */
  #take(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines.filter((one) => one.trim() !== '')) {
      const event = JSON.parse(line);
      const { name, ...rest } = event.Actor?.Attributes ?? {};
      const atMs = event.timeNano / 1e6;
      this.events.push({
        action: event.Action,
        id: event.Actor?.ID ?? '',
        name: name ?? rest.name ?? '',
        atMs,
      });
    }
  }

  /**
   * The first event of that kind at or after a time; waits for it.
   * @param {string} action @param {string} name of the container @param {number} sinceMs epoch milliseconds
   * @param {number} [withinMs] @returns {Promise<ContainerEvent>}
   */
  wait(action, name, sinceMs, withinMs = 30_000) {
    const find = () =>
      this.events.find((one) => one.action === action && one.name === name && one.atMs >= sinceMs);
    return until(`event ${action} of ${name}`, find, { withinMs, everyMs: 5 });
  }

  /** Drops what was kept. */
  clear() {
    this.events = [];
  }

  close() {
    this.call?.destroy();
  }
}
