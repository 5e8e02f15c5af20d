import { EdgeError, type RetryClass } from '../base/errors.ts';

/** What a call to a ColonyOS server can fail with, and whether the same call may succeed later. */
const RETRY = {
  /** The key may not do this: not a member, not approved, not the owner (403). A state of the registration, no crash. */
  COLONY_FORBIDDEN: 'permanent',
  /** The process is not held by this executor, or not running any more (403 of close, output, log, attribute). */
  COLONY_NOT_OURS: 'permanent',
  /** The process was closed or cancelled before (400 of the close calls). */
  COLONY_CLOSED: 'permanent',
  /** Nothing to assign (404 of assign). */
  COLONY_NO_PROCESS: 'transient',
  /** The thing asked for does not exist. */
  COLONY_NOT_FOUND: 'permanent',
  /** A name that is taken, or a thing still in use. */
  COLONY_CONFLICT: 'permanent',
  /** The colony hands out no processes for now (408 or 503 of assign). */
  COLONY_PAUSED: 'transient',
  /** The server takes the message for wrong (400). */
  COLONY_REFUSED: 'permanent',
  /** The server does not know this kind of message. */
  COLONY_UNSUPPORTED: 'permanent',
  /** The server failed inside (500). */
  COLONY_FAILED: 'transient',
  /** Something in front of the server answered that it cannot reach it, or that it wants fewer requests. */
  COLONY_GATEWAY: 'transient',
  /** The answer is not what this protocol says. */
  COLONY_PROTOCOL: 'transient',
  /** A web page answered in place of the server. */
  COLONY_CAPTIVE_PORTAL: 'transient',
  /** No route to the server. */
  COLONY_UNREACHABLE: 'transient',
  /** Nobody listens there. */
  COLONY_REFUSED_CONNECTION: 'transient',
  /** The connection broke while in use. */
  COLONY_RESET: 'transient',
  /** The server's name has no address. */
  COLONY_DNS: 'transient',
  /** No answer in time. */
  COLONY_TIMEOUT: 'transient',
  /** The certificate is not trusted, or TLS failed in another way. */
  COLONY_TLS: 'transient',
  /** The certificate's dates do not fit this machine's clock, which looks wrong. */
  COLONY_CLOCK: 'transient',
  /** The HTTP proxy refuses or fails. */
  COLONY_PROXY: 'transient',
  /** The caller gave up. */
  CANCELLED: 'cancelled',
} as const satisfies Record<string, RetryClass>;

export type ColonyCode = keyof typeof RETRY;

/** What more there is to tell of a failed call. */
export interface ColonyErrorDetail {
  target?: string | undefined;
  cause?: unknown;
  /** The status inside the envelope, or the HTTP status where there is no envelope. */
  status?: number | undefined;
  /** How long the answerer asks to be left alone (`Retry-After`), in milliseconds. */
  retryAfterMs?: number | undefined;
}

/** An `EdgeError` of this room; its retry class follows from its code. */
export class ColonyError extends EdgeError {
  declare readonly code: ColonyCode;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ColonyCode, message: string, detail: ColonyErrorDetail = {}) {
    super(message, { code, retry: RETRY[code], target: detail.target, cause: detail.cause });
    this.name = 'ColonyError';
    this.status = detail.status;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** One way in which a call's refusal differs from the usual meaning of its status. */
export interface RefusalRule {
  status: number;
  /** Only for these texts; absent: for all. */
  pattern?: RegExp;
  code: ColonyCode;
}

const COMMON: readonly RefusalRule[] = [
  { status: 403, pattern: /^invalid rpcMsg\.PayloadType/, code: 'COLONY_UNSUPPORTED' },
  // "Unknown" is 500 for many calls; the words differ, "is nil" is in all of them.
  { status: 500, pattern: /\bis nil$/, code: 'COLONY_NOT_FOUND' },
];

const BY_STATUS: Readonly<Record<number, ColonyCode>> = {
  400: 'COLONY_REFUSED',
  403: 'COLONY_FORBIDDEN',
  404: 'COLONY_NOT_FOUND',
  409: 'COLONY_CONFLICT',
};

/** The code of a refusal: the call's own rules first, then what the status means in general (PROTOCOL.md 2.4). */
export function refusalCode(status: number, message: string, rules: readonly RefusalRule[]): ColonyCode {
  const rule = [...rules, ...COMMON].find(
    (one) => one.status === status && (one.pattern === undefined || one.pattern.test(message)),
  );
  return rule?.code ?? BY_STATUS[status] ?? 'COLONY_FAILED';
}

/** A date against a clock that is wrong, here or there, must not silence the agent for years. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Milliseconds of a `Retry-After` header, in seconds or as a date (RFC 9110 10.2.3), at most one hour; undefined when absent or unreadable. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\s*\d{1,9}\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}
