import { recoverId } from '../../../src/colony/crypto.ts';
import { NoWords, Refusal } from './reply.ts';

/** An opened request. */
export interface Request {
  type: string;
  /** Empty for the two types that need no signature. */
  callerId: string;
  /** Members by lower-case name; `undefined` where the payload is no JSON. */
  message: Record<string, unknown> | undefined;
}

const UNSIGNED = ['versionmsg', 'getserverinfomsg'];
const ORDER = BigInt(`0x${'f'.repeat(31)}ebaaedce6af48a03bbfd25e8cd0364141`);
const HALF_ORDER = ORDER >> 1n;

/** Remembers whose signatures were seen: agents send the same heartbeat over and over, and recovery is slow. */
export class Opener {
  readonly #callers = new Map<string, string>();

  /**
   * Opens the envelope and recovers who sent it (PROTOCOL.md 2.1, 2.5, 3), unless somebody vouches for that. Throws a
   * `Refusal` or `NoWords`.
   */
  open(body: string, isKnown: (type: string) => boolean, vouchedId?: string): Request {
    const envelope = lowerCased(parseEnvelope(body));
    const type = textOf(envelope.payloadtype);
    const payload = textOf(envelope.payload);
    const callerId = UNSIGNED.includes(type)
      ? ''
      : (vouchedId ?? this.#caller(payload, textOf(envelope.signature)));
    if (!isKnown(type)) throw new Refusal(403, `invalid rpcMsg.PayloadType: ${type === '' ? EMPTY : type}`);
    return { type, callerId, message: messageOf(payload) };
  }

  #caller(payload: string, signature: string): string {
    const key = `${payload}.${signature}`;
    const known = this.#callers.get(key);
    if (known !== undefined) return known;
    const problem = signatureProblem(signature);
    if (problem !== undefined) throw new Refusal(403, problem);
    const id = recovered(payload, signature);
    if (this.#callers.size > 20_000) this.#callers.clear();
    this.#callers.set(key, id);
    return id;
  }
}

const EMPTY =
  'empty (this usually means the client is misconfigured - check that COLONIES_PRVKEY and other environment variables are set correctly)';

function parseEnvelope(body: string): object {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refusal(400, jsonProblem(body));
  }
  if (value === null) throw new NoWords(500);
  if (typeof value !== 'object' || Array.isArray(value))
    throw new Refusal(400, `json: cannot unmarshal ${goKind(value)} into Go value of type rpc.RPCMsg`);
  return value;
}

function jsonProblem(body: string): string {
  const start = body.trimStart();
  if (start === '' || start.startsWith('{') || start.startsWith('[')) return 'unexpected end of JSON input';
  return `invalid character '${start[0]}' looking for beginning of value`;
}

function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Names are matched whatever their case. */
function lowerCased(value: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toLowerCase(), member]));
}

/** Line breaks are tolerated; what follows a wrong character is lost, and shows up as broken JSON. */
function messageOf(payload: string): Record<string, unknown> | undefined {
  const good = /^[A-Za-z0-9+/]*={0,2}/.exec(payload.replace(/[\r\n]/g, ''))?.[0] ?? '';
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(good, 'base64').toString('utf8'));
  } catch {
    return undefined;
  }
  if (value === null) return { '\0null': true };
  return typeof value === 'object' && !Array.isArray(value) ? lowerCased(value) : undefined;
}

/** The payload was the literal `null`, on which every handler crashes. */
export function isNull(message: Record<string, unknown>): boolean {
  return '\0null' in message;
}

/** What the server's parser says of a signature it cannot use, in its order of looking. */
function signatureProblem(signature: string): string | undefined {
  for (const one of signature)
    if (!/[0-9a-fA-F]/.test(one))
      return `encoding/hex: invalid byte: U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')} '${one}'`;
  if (signature.length % 2 === 1) return 'encoding/hex: odd length hex string';
  if (signature.length !== 130) return 'Invalid signature length';
  const r = BigInt(`0x${signature.slice(0, 64)}`);
  const s = BigInt(`0x${signature.slice(64, 128)}`);
  const v = Number.parseInt(signature.slice(128), 16);
  const unusable = rangeProblem(r, s, v);
  if (unusable !== undefined) return `Failed to recover public key: invalid signature: ${unusable}`;
  return s > HALF_ORDER ? 'Failed verify signature: Signature s value is over half the order' : undefined;
}

function rangeProblem(r: bigint, s: bigint, v: number): string | undefined {
  // The recovery code goes to the parser with 27 added, in one byte.
  const code = (v + 27) & 0xff;
  if (code < 27 || code > 34) return `public key recovery code ${code} is not in the valid range [27, 34]`;
  if (r === 0n) return 'R is 0';
  if (r >= ORDER) return 'R >= group order';
  if (s === 0n) return 'S is 0';
  if (s >= ORDER) return 'S >= group order';
  return undefined;
}

function recovered(payload: string, signature: string): string {
  try {
    return recoverId(payload, signature);
  } catch {
    const why =
      Number.parseInt(signature.slice(128), 16) & 2 ? 'signature R + N >= P' : 'invalid square root';
    throw new Refusal(403, `Failed to recover public key: invalid signature: ${why}`);
  }
}
