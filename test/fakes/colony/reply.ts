import { EdgeError } from '../../../src/base/errors.ts';

/** A whole HTTP answer; names of headers in lower case. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What the server says no with: the status inside the envelope and its text. */
export class Refusal extends Error {
  readonly status: number;
  /** The database refused the text: a second envelope with this status follows the first. */
  readonly secondStatus: number | undefined;

  constructor(status: number, message: string, secondStatus?: number) {
    super(message);
    this.status = status;
    this.secondStatus = secondStatus;
  }
}

/** The handler crashed on its input, or forgot to answer: no body at all. */
export class NoWords extends Error {
  readonly status: number;

  constructor(status: 200 | 500) {
    super('no answer');
    this.status = status;
  }
}

/** What a client sees when its connection breaks, or when nobody listens. */
export function linkBroken(code: 'ECONNRESET' | 'ECONNREFUSED'): EdgeError {
  return new EdgeError(`fake colony: ${code}`, { code, retry: 'transient' });
}

/** JSON as Go writes it: `< > &` and the two line separators are escaped. */
export function goJson(value: unknown, indent = false): string {
  return JSON.stringify(value, null, indent ? 2 : undefined).replace(
    /[<>&\u2028\u2029]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The body of a good answer. */
export function goodBody(type: string, payload: unknown, indent: boolean): string {
  return envelope(type, goJson(payload, indent), false);
}

/** The body of a refusal; two envelopes back to back where the server writes them. */
export function refusalBody(refusal: Refusal): string {
  const one = (status: number) => envelope('error', goJson({ status, message: refusal.message }), true);
  return one(refusal.status) + (refusal.secondStatus === undefined ? '' : one(refusal.secondStatus));
}

function envelope(payloadtype: string, text: string, error: boolean): string {
  return JSON.stringify({ payloadtype, payload: Buffer.from(text).toString('base64'), error });
}

/** Members in the order of their names at every depth, as the server gives maps back. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => [key, sorted(member)]),
  );
}

/** RFC 3339 in UTC without closing zeros; 0 is the server's unset time. */
export function goTime(epochMs: number): string {
  if (epochMs === 0) return '0001-01-01T00:00:00Z';
  return new Date(epochMs).toISOString().replace(/\.?0*Z$/, 'Z');
}
