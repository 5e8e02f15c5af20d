import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { type ColonyCode, ColonyError } from './errors.ts';

const BY_ERRNO: Readonly<Record<string, ColonyCode>> = {
  ENOTFOUND: 'COLONY_DNS',
  EAI_AGAIN: 'COLONY_DNS',
  EAI_FAIL: 'COLONY_DNS',
  EAI_NODATA: 'COLONY_DNS',
  ECONNREFUSED: 'COLONY_REFUSED_CONNECTION',
  EHOSTUNREACH: 'COLONY_UNREACHABLE',
  ENETUNREACH: 'COLONY_UNREACHABLE',
  ENETDOWN: 'COLONY_UNREACHABLE',
  EHOSTDOWN: 'COLONY_UNREACHABLE',
  EADDRNOTAVAIL: 'COLONY_UNREACHABLE',
  ETIMEDOUT: 'COLONY_TIMEOUT',
  // A certificate of the future: what a machine without a battery for its clock sees after a power cut.
  CERT_NOT_YET_VALID: 'COLONY_CLOCK',
  EPROTO: 'COLONY_TLS',
  UND_ERR_HEADERS_OVERFLOW: 'COLONY_PROTOCOL',
  UND_ERR_DESTROYED: 'CANCELLED',
  UND_ERR_CLOSED: 'CANCELLED',
};

/** Codes of OpenSSL's verdicts on a certificate, and of failed handshakes. */
const TLS_CODES =
  /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_|PATH_LENGTH)/;

/** What is known of a connection that failed or broke; `ColonyError`s pass unchanged. */
export function linkError(cause: unknown, endpoint: string): EdgeError {
  if (cause instanceof EdgeError) return cause;
  const code = linkCode(errorCode(cause));
  return new ColonyError(
    code,
    `${endpoint}: ${WORDS[code] ?? 'the connection broke'} (${errorText(cause)})`,
    {
      target: endpoint,
      cause,
    },
  );
}

/** As `linkError`, for the way to the proxy: whatever fails there says nothing of the server. */
export function proxyError(cause: unknown, proxy: string): EdgeError {
  if (cause instanceof EdgeError) return cause;
  return new ColonyError('COLONY_PROXY', `the proxy at ${proxy} does not serve: ${errorText(cause)}`, {
    target: proxy,
    cause,
  });
}

function linkCode(errno: string): ColonyCode {
  const known = BY_ERRNO[errno];
  if (known !== undefined) return known;
  if (TLS_CODES.test(errno)) return 'COLONY_TLS';
  return errno.startsWith('HPE_') ? 'COLONY_PROTOCOL' : 'COLONY_RESET';
}

const WORDS: Partial<Record<ColonyCode, string>> = {
  COLONY_DNS: 'the name has no address',
  COLONY_REFUSED_CONNECTION: 'nobody listens',
  COLONY_UNREACHABLE: 'there is no way to it',
  COLONY_TIMEOUT: 'it does not answer',
  COLONY_TLS: 'TLS failed',
  COLONY_CLOCK: "its certificate is not valid yet; is this machine's clock right?",
  COLONY_PROTOCOL: 'the answer is not HTTP',
  CANCELLED: 'the client is closed',
};
