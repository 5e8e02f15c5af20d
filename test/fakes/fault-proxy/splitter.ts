/** A run of bytes of one HTTP message, or of something that is no HTTP. */
export interface Part {
  raw: Buffer;
  /** Status or request line and header lines, on the message's first part. */
  head?: string;
  /** What of the body is in here, without chunk sizes. */
  body: Buffer;
  /** The message is complete. */
  isEnd: boolean;
  /** No HTTP, and none from here on. */
  isOpaque: boolean;
}

const MAX_HEAD_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** Finds where HTTP/1.1 messages begin and end (RFC 9112 section 6), without changing a byte of them. */
export class HttpSplitter {
  readonly #kind: 'request' | 'answer';
  #state: 'head' | 'length' | 'chunks' | 'untilClose' | 'opaque' = 'head';
  #held: Buffer = NOTHING;
  #leftBytes = 0;

  constructor(kind: 'request' | 'answer') {
    this.#kind = kind;
  }

  /** Parts in order; bytes of a head, or of a chunk's size, are held until it is whole. */
  take(chunk: Buffer): Part[] {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const parts: Part[] = [];
    for (let part = this.#next(); part !== undefined; part = this.#next()) parts.push(part);
    return parts;
  }

  /** What was held when the stream ended; a message that lasts until then is complete. */
  flush(): Part[] {
    const isEnd = this.#state === 'untilClose';
    if (this.#held.length === 0 && !isEnd) return [];
    const raw = this.#take(this.#held.length);
    return [{ raw, body: raw, isEnd, isOpaque: !isEnd }];
  }

  #next(): Part | undefined {
    if (this.#held.length === 0) return undefined;
    if (this.#state === 'head') return this.#head();
    if (this.#state === 'length') return this.#counted();
    if (this.#state === 'chunks') return this.#chunk();
    const raw = this.#take(this.#held.length);
    return { raw, body: raw, isEnd: false, isOpaque: this.#state === 'opaque' };
  }

  #head(): Part | undefined {
    const start = this.#held.subarray(0, 8).toString('latin1');
    const isHttp =
      this.#kind === 'request' ? /^[A-Z]+(?: |$)|^[A-Z]{8}/.test(start) : 'HTTP/1.1'.startsWith(start);
    const end = this.#held.indexOf('\r\n\r\n');
    if (!isHttp || (end < 0 && this.#held.length > MAX_HEAD_BYTES)) {
      this.#state = 'opaque';
      return this.#next();
    }
    if (end < 0) return undefined;
    const raw = this.#take(end + 4);
    const head = raw.subarray(0, end).toString('latin1');
    this.#state = this.#bodyOf(head);
    return { raw, head, body: NOTHING, isEnd: this.#state === 'head', isOpaque: false };
  }

  /** How the body is told from the next message. */
  #bodyOf(head: string): 'head' | 'length' | 'chunks' | 'untilClose' | 'opaque' {
    if (/^HTTP\/1\.1 101 /.test(head)) return 'opaque';
    if (/^HTTP\/1\.1 (?:1..|204|304) /.test(head)) return 'head';
    if (/^transfer-encoding:.*\bchunked\s*$/im.test(head)) return 'chunks';
    const length = head.match(/^content-length:\s*(\d+)\s*$/im)?.[1];
    if (length === undefined) return this.#kind === 'request' ? 'head' : 'untilClose';
    this.#leftBytes = Number(length);
    return this.#leftBytes === 0 ? 'head' : 'length';
  }

  #counted(): Part {
    const raw = this.#take(Math.min(this.#leftBytes, this.#held.length));
    this.#leftBytes -= raw.length;
    if (this.#leftBytes === 0) this.#state = 'head';
    return { raw, body: raw, isEnd: this.#leftBytes === 0, isOpaque: false };
  }

  /** One whole chunk with its size and line ends. */
  #chunk(): Part | undefined {
    const line = this.#held.indexOf('\r\n');
    if (line < 0) return undefined;
    const size = Number.parseInt(this.#held.subarray(0, line).toString('latin1'), 16);
    if (Number.isNaN(size)) {
      this.#state = 'opaque';
      return this.#next();
    }
    // Trailers are not expected; with none, the last chunk is followed by an empty line like every other.
    if (this.#held.length < line + 2 + size + 2) return undefined;
    const raw = this.#take(line + 2 + size + 2);
    if (size === 0) this.#state = 'head';
    return { raw, body: raw.subarray(line + 2, line + 2 + size), isEnd: size === 0, isOpaque: false };
  }

  #take(bytes: number): Buffer {
    const taken = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(bytes);
    return taken;
  }
}
