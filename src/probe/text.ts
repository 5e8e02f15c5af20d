import { errorCode, errorText } from '../base/errors.ts';

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no answer',
};

/** Why an address did not answer, as a clause without the address: that is said beside it. */
export function refusalText(error: unknown): string {
  return WORDS[errorCode(error)] ?? errorText(error);
}
