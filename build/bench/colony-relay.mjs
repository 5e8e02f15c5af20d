// Stands between agent and server on loopback: counts what is on the wire, and takes the way away.
import { connect, createServer } from 'node:net';
import { reset } from '../lib/reset.mjs';

/** A listening relay to a port of loopback. */
export class ColonyRelay {
  /** @param {number} target */
  constructor(target) {
    this.target = target;
    this.port = 0;
    /** Bytes of both directions, heads included, TCP's own not. */
    this.bytes = 0;
    /** Epoch milliseconds of the first connection since the way was open again. @type {number | undefined} */
    this.firstAt = undefined;
    this.isOpen = true;
    /** @type {Set<import('node:net').Socket>} */
    this.sockets = new Set();
    this.server = createServer((inward) => this.#accept(inward));
  }

  /** @param {import('node:net').Socket} inward */
  #accept(inward) {
    if (!this.isOpen) {
      inward.on('error', () => {});
      reset(inward);
      return;
    }
    this.firstAt ??= Date.now();
    const outward = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    inward.setNoDelay(true);
    for (const [from, to] of /** @type {const} */ ([
      [inward, outward],
      [outward, inward],
    ])) {
      this.sockets.add(from);
      from.on('data', (chunk) => {
        this.bytes += chunk.length;
      });
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** @returns {Promise<this>} */
  listen() {
    return new Promise((done, fail) => {
      this.server.on('error', fail);
      this.server.listen(0, '127.0.0.1', () => {
        const address = this.server.address();
        if (address !== null && typeof address === 'object') this.port = address.port;
        done(this);
      });
    });
  }

  /** The way breaks: connections are reset, new ones too. */
  cut() {
    this.isOpen = false;
    for (const socket of this.sockets) reset(socket);
  }

  /** The way is open again. @returns {number} since when, epoch milliseconds */
  restore() {
    this.firstAt = undefined;
    this.isOpen = true;
    return Date.now();
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
