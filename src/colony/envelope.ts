import type { JsonObject } from '../model/blueprint.ts';
import type { Call } from './call.ts';
import { signText } from './crypto.ts';
import { ColonyError, refusalCode, retryAfterMs } from './errors.ts';

/** A whole HTTP answer, read to its end. */
export interface HttpReply {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

/**
 * The body of a request (PROTOCOL.md 2.1): the message with `msgtype` in base64, signed over the base64 text. NUL
 * characters are left out of every text, because the server's database breaks on them. Without a key the signature is
 * empty. Throws `KEY_INVALID`.
 */
export function encodeRequest(
  type: string,
  message: JsonObject,
  prvHex?: string,
  sign: typeof signText = signText,
): string {
  const json = JSON.stringify({ ...asObject(withoutNul(message)), msgtype: type });
  const payload = Buffer.from(json, 'utf8').toString('base64');
  return JSON.stringify({
    payloadtype: type,
    payload,
    signature: prvHex === undefined ? '' : sign(payload, prvHex),
  });
}

function withoutNul(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\u0000', '');
  if (Array.isArray(value)) return value.map(withoutNul);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key.replaceAll('\u0000', ''), withoutNul(member)]),
  );
}

/**
 * Reads an answer (PROTOCOL.md 2.3) and returns what the call's decoder makes of the payload. The envelope decides, not
 * the HTTP status: a cluster's follower says 200 to everything. Throws a `ColonyError`; `now` is wall time in
 * milliseconds, for `Retry-After`.
 */
export function decodeReply<T>(call: Call<T>, reply: HttpReply, now: number): T {
  const body = reply.body.trim();
  if (body === '') throw emptyError(call, reply, now);
  const { first, isDouble } = envelopesOf(body);
  if (first === undefined) throw foreignError(call, reply, now);
  if (first.error) throw refusal(call, reply, first.payload, now);
  if (isDouble)
    throw new ColonyError('COLONY_PROTOCOL', `${call.type}: more follows after the answer`, of(call));
  if (reply.status >= 400)
    throw new ColonyError(
      'COLONY_PROTOCOL',
      `${call.type}: HTTP status ${reply.status} around a good answer`,
      of(call),
    );
  return call.decode(payloadOf(call, first.payload));
}

interface Envelope {
  payload: string;
  error: boolean;
}

/** The first envelope, and whether there is more after it; `first` is undefined where the text is no envelope. */
function envelopesOf(body: string): { first: Envelope | undefined; isDouble: boolean } {
  const whole = parse(body);
  if (whole !== undefined) return { first: envelopeOf(whole), isDouble: false };
  // The server writes two objects back to back when it fails twice. No brace can stand inside base64, and payload
  // types have none either, so the first object ends where the second begins.
  const seam = body.indexOf('}{');
  const first = seam < 0 ? undefined : parse(body.slice(0, seam + 1));
  return { first: first === undefined ? undefined : envelopeOf(first), isDouble: true };
}

function envelopeOf(value: unknown): Envelope | undefined {
  const { payload, error, payloadtype } = asObject(value);
  if (typeof payload !== 'string' || typeof payloadtype !== 'string') return undefined;
  return { payload, error: error === true || payloadtype === 'error' };
}

function payloadOf(call: Call<unknown>, payload: string): unknown {
  const json = parse(Buffer.from(payload, 'base64').toString('utf8'));
  if (json === undefined)
    throw new ColonyError('COLONY_PROTOCOL', `${call.type}: the payload of the answer is not JSON`, of(call));
  return json;
}

function refusal(call: Call<unknown>, reply: HttpReply, payload: string, now: number): ColonyError {
  const inner = asObject(parse(Buffer.from(payload, 'base64').toString('utf8')));
  const status = typeof inner.status === 'number' ? inner.status : reply.status;
  const message = typeof inner.message === 'string' ? inner.message.trim() : '';
  const code = refusalCode(status, message, call.refusals ?? []);
  return new ColonyError(code, `${call.type}: ${message === '' ? `status ${status}` : message}`, {
    ...of(call),
    status,
    retryAfterMs: retryAfterMs(headerOf(reply, 'retry-after'), now),
  });
}

function emptyError(call: Call<unknown>, reply: HttpReply, now: number): ColonyError {
  if (reply.status === 200)
    return new ColonyError(call.onEmpty ?? 'COLONY_PROTOCOL', `${call.type}: the answer is empty`, of(call));
  // The server's handler crashes with an empty 500; anything in between has its own statuses.
  if (reply.status === 500)
    return new ColonyError('COLONY_FAILED', `${call.type}: the server failed without a word`, {
      ...of(call),
      status: 500,
    });
  return foreignError(call, reply, now);
}

/** What nginx and Go say of a missing client certificate and of plain HTTP on a TLS port. */
const WRONG_TLS = /SSL certificate|HTTP request (?:was sent )?to (?:an )?HTTPS/i;

/** Plain words out of a page, at most 100 characters. */
function titleOf(page: string): string {
  const plain = page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
  return plain.trim().slice(0, 100);
}

/** Somebody else answered in place of the server. */
function foreignError(call: Call<unknown>, reply: HttpReply, now: number): ColonyError {
  const { status } = reply;
  const detail = { ...of(call), status, retryAfterMs: retryAfterMs(headerOf(reply, 'retry-after'), now) };
  if (status === 407)
    return new ColonyError('COLONY_PROXY', 'the proxy wants other credentials (407)', detail);
  if (status === 511 || (status >= 300 && status < 400))
    return new ColonyError('COLONY_CAPTIVE_PORTAL', `the network wants a log-in first (${status})`, detail);
  if (status === 429 || (status >= 502 && status <= 504))
    return new ColonyError('COLONY_GATEWAY', `the gateway in front of the server says ${status}`, detail);
  const type = headerOf(reply, 'content-type') ?? '';
  if (status === 400 && WRONG_TLS.test(reply.body))
    return new ColonyError(
      'COLONY_TLS',
      `the gateway in front of the server wants other TLS: ${titleOf(reply.body)}`,
      detail,
    );
  const isPage = /\bhtml\b/i.test(type) || /^\s*(?:<!doctype html|<html)/i.test(reply.body);
  if (isPage && status < 300)
    return new ColonyError(
      'COLONY_CAPTIVE_PORTAL',
      'a web page answers in place of the server: the network may want a log-in first',
      detail,
    );
  if (status >= 500) return new ColonyError('COLONY_FAILED', `${call.type}: HTTP status ${status}`, detail);
  const hint = status === 404 ? '; is the address that of a ColonyOS server?' : '';
  return new ColonyError(
    'COLONY_PROTOCOL',
    `${call.type}: the answer is no envelope (HTTP status ${status})${hint}`,
    detail,
  );
}

function headerOf(reply: HttpReply, key: string): string | undefined {
  const value = reply.headers[key];
  return Array.isArray(value) ? value[0] : value;
}

function of(call: Call<unknown>): { target: string | undefined } {
  return { target: call.target };
}

function asObject(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The JSON value; undefined when the text is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
