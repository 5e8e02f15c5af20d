/** `transient`: worth trying again; `permanent`: the same call fails the same way; `cancelled`: we gave it up. */
export type RetryClass = 'transient' | 'permanent' | 'cancelled';

/** What an `EdgeError` is made of, besides its message. */
export interface EdgeErrorInit {
  code: string;
  retry: RetryClass;
  /** What the failure is about: a container name, an image reference, a path. */
  target?: string | undefined;
  cause?: unknown;
}

/** The one error class of the agent. Callers branch on `code` and `retry`, never on the text. */
export class EdgeError extends Error {
  readonly code: string;
  readonly retry: RetryClass;
  readonly target: string | undefined;

  constructor(message: string, init: EdgeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'EdgeError';
    this.code = init.code;
    this.retry = init.retry;
    this.target = init.target;
  }
}

/** The code of any thrown value: an `EdgeError`'s own, a system error's errno name, else `UNKNOWN`. */
export function errorCode(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return 'UNKNOWN';
}

/** The text of any thrown value, one line. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s+/g, ' ').trim();
}
