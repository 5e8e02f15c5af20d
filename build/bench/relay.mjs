// Stands between agent and engine on a unix socket and counts HTTP requests; bytes pass through unchanged.
import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';

/** Counts requests in one direction of one connection, skipping their bodies. */
export class RequestCounter {
  /** @param {(method: string, path: string) => void} onRequest */
  constructor(onRequest) {
    this.onRequest = onRequest;
    this.head = '';
    /** Bytes of a body still to come. */
    this.bodyBytes = 0;
    /** "size": a chunk's size line comes; "data": its bytes and line end; "trailer": lines up to an empty one. */
    this.chunked = /** @type {'' | 'size' | 'trailer'} */ ('');
  }

  /** @param {Buffer} bytes */
  take(bytes) {
    // Latin-1 keeps one character for one byte.
    let text = bytes.toString('latin1');
    while (text !== '') {
      if (this.bodyBytes > 0) {
        const skip = Math.min(this.bodyBytes, text.length);
        this.bodyBytes -= skip;
        text = text.slice(skip);
        continue;
      }
      this.head += text;
      text = '';
      const end = this.chunked === '' ? '\r\n\r\n' : '\r\n';
      const at = this.head.indexOf(end);
      if (at < 0) return;
      const part = this.head.slice(0, at);
      text = this.head.slice(at + end.length);
      this.head = '';
      if (this.chunked === '') this.#request(part);
      else this.#chunk(part);
    }
  }

  /** @param {string} head */
  #request(head) {
    const [method, path] = head.split('\r\n', 1)[0]?.split(' ') ?? [];
    this.onRequest(method ?? '', path ?? '');
    this.bodyBytes = Number(head.match(/^content-length: *(\d+)/im)?.[1] ?? 0);
    if (/^transfer-encoding: *chunked/im.test(head)) this.chunked = 'size';
  }

  /** @param {string} line */
  #chunk(line) {
    if (this.chunked === 'trailer') {
      if (line === '') this.chunked = '';
      return;
    }
    const size = Number.parseInt(line, 16);
    if (size === 0) this.chunked = 'trailer';
    else this.bodyBytes = size + 2;
  }
}

/** "GET /containers/{id}/json" of "/v1.41/containers/4f…/json?all=1". @param {string} method @param {string} path @returns {string} */
export function callName(method, path) {
  const plain = path.replace(/\?.*$/, '').replace(/^\/v\d+\.\d+(?=\/)/, '');
  const named = plain.replace(
    /^\/(containers|networks|volumes|images)\/(.+?)(\/json|\/\w+)?$/,
    (all, kind, id, tail) => (['json', 'create', 'prune'].includes(id) ? all : `/${kind}/{id}${tail ?? ''}`),
  );
  return `${method} ${named}`;
}

/** A listening relay. */
export class Relay {
  /** @param {string} path of its own socket @param {string} enginePath */
  constructor(path, enginePath) {
    this.path = path;
    /** Requests by name since the last `reset`. @type {Map<string, number>} */
    this.calls = new Map();
    /** @type {Set<import('node:net').Socket>} */
    this.sockets = new Set();
    this.server = createServer((inward) => {
      const outward = connect(enginePath);
      const counter = new RequestCounter((method, url) => {
        const name = callName(method, url);
        this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
      });
      inward.on('data', (chunk) => counter.take(chunk));
      inward.pipe(outward);
      outward.pipe(inward);
      for (const socket of [inward, outward]) {
        this.sockets.add(socket);
        socket.on('error', () => {
          inward.destroy();
          outward.destroy();
        });
        socket.on('close', () => this.sockets.delete(socket));
      }
    });
  }

  /** @returns {Promise<this>} */
  listen() {
    rmSync(this.path, { force: true });
    return new Promise((done, fail) => {
      this.server.on('error', fail);
      this.server.listen(this.path, () => done(this));
    });
  }

  reset() {
    this.calls.clear();
  }

  /** All requests, and those that change something, since the last reset. */
  counts() {
    let total = 0;
    let mutating = 0;
    for (const [name, count] of this.calls) {
      total += count;
      if (!/^(GET|HEAD) /.test(name)) mutating += count;
    }
    return { total, mutating };
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}
