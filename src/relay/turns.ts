/** As much of a response's head as is looked at, bytes. A longer one leaves its end unknown. */
const MOST_HEAD_BYTES = 16_384;
/** The end of a chunked body; bytes kept to see it over the borders of packets. */
const LAST_CHUNK = '\r\n0\r\n\r\n';

/** Methods are upper case and short; without the end of the line in sight the method has to do. */
const REQUEST = /^[A-Z]{3,16} [^\r\n]*(?: HTTP\/1\.[01]\r?\n|$)/;

/** true for bytes with which an HTTP/1 request begins. */
export function beginsRequest(chunk: Buffer): boolean {
  return REQUEST.test(chunk.subarray(0, 2048).toString('latin1'));
}

/**
 * Watches one connection for the moments between an HTTP/1 response and the next request, in which it may be moved to
 * another server and nobody notices. Whatever is not plainly HTTP/1 has no such moment.
 */
export class Turns {
  #kind: 'virgin' | 'http' | 'opaque' = 'virgin';
  #isServers = false;
  #isHead = false;
  #received = 0;
  /** Bytes of the whole response; absent: only its end tells. */
  #expected: number | 'chunked' | undefined;
  #tail = '';

  /** true: nothing has passed in either direction. */
  get isVirgin(): boolean {
    return this.#kind === 'virgin';
  }

  /** true: nothing is under way, and what comes next begins anew. */
  get isIdle(): boolean {
    return this.#kind === 'virgin' || (this.#kind === 'http' && this.#isServers && this.#isComplete());
  }

  /** Bytes that go to the server. */
  fromClient(chunk: Buffer): void {
    if (this.#kind === 'opaque') return;
    const isNew = this.#kind === 'virgin' || (this.#isServers && this.#isComplete());
    if (isNew) this.#kind = beginsRequest(chunk) ? 'http' : 'opaque';
    if (isNew) this.#isHead = chunk.subarray(0, 5).toString('latin1') === 'HEAD ';
    this.#isServers = false;
  }

  /** Bytes that go to the client. */
  fromServer(chunk: Buffer): void {
    // A server that speaks first speaks something else.
    if (this.#kind === 'virgin') this.#kind = 'opaque';
    if (this.#kind === 'opaque') return;
    if (!this.#isServers) this.#begin(chunk);
    this.#isServers = true;
    this.#received += chunk.length;
    if (this.#expected === 'chunked')
      this.#tail = (this.#tail + chunk.subarray(-LAST_CHUNK.length).toString('latin1')).slice(
        -LAST_CHUNK.length,
      );
    // More than one response: requests were sent before the answers had come.
    else if (this.#expected !== undefined && this.#received > this.#expected) this.#kind = 'opaque';
  }

  #begin(chunk: Buffer): void {
    this.#received = 0;
    this.#tail = '';
    const text = chunk.subarray(0, MOST_HEAD_BYTES).toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const head = text.slice(0, Math.max(0, end) + 2);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (status === 101) this.#kind = 'opaque';
    const isClosing = /\r\nconnection:[^\r]*\bclose\b/i.test(head);
    this.#expected =
      end < 0 || !(status >= 200) || isClosing ? undefined : this.#lengthOf(head, status, end + 4);
  }

  #lengthOf(head: string, status: number, headBytes: number): number | 'chunked' | undefined {
    if (this.#isHead || status === 204 || status === 304) return headBytes;
    if (/\r\ntransfer-encoding:[^\r]*\bchunked *\r/i.test(head)) return 'chunked';
    const length = /\r\ncontent-length: *(\d+) *\r/i.exec(head)?.[1];
    return length === undefined ? undefined : headBytes + Number(length);
  }

  #isComplete(): boolean {
    return this.#expected === 'chunked' ? this.#tail === LAST_CHUNK : this.#received === this.#expected;
  }
}
