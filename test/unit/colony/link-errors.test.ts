import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ColonyError } from '../../../src/colony/errors.ts';
import { linkError, proxyError } from '../../../src/colony/link-errors.ts';

function codeOf(errno: string): string {
  return linkError(Object.assign(new Error('x'), { code: errno }), 'server:1').code;
}

test('every way a link fails has its code', () => {
  const expected: Record<string, string> = {
    ENOTFOUND: 'COLONY_DNS',
    EAI_AGAIN: 'COLONY_DNS',
    ECONNREFUSED: 'COLONY_REFUSED_CONNECTION',
    ENETUNREACH: 'COLONY_UNREACHABLE',
    EHOSTUNREACH: 'COLONY_UNREACHABLE',
    ETIMEDOUT: 'COLONY_TIMEOUT',
    ECONNRESET: 'COLONY_RESET',
    EPIPE: 'COLONY_RESET',
    UND_ERR_SOCKET: 'COLONY_RESET',
    HPE_INVALID_CONSTANT: 'COLONY_PROTOCOL',
    CERT_NOT_YET_VALID: 'COLONY_CLOCK',
    CERT_HAS_EXPIRED: 'COLONY_TLS',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'COLONY_TLS',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'COLONY_TLS',
    ERR_TLS_CERT_ALTNAME_INVALID: 'COLONY_TLS',
    ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'COLONY_TLS',
    UND_ERR_DESTROYED: 'CANCELLED',
  };
  for (const [errno, code] of Object.entries(expected)) assert.equal(codeOf(errno), code, errno);
});

test('what is no error object breaks the connection all the same, and known errors pass unchanged', () => {
  assert.equal(linkError('text', 'server:1').code, 'COLONY_RESET');
  const known = new ColonyError('COLONY_TIMEOUT', 'late');
  assert.equal(linkError(known, 'server:1'), known);
  assert.equal(proxyError(known, 'proxy:1'), known);
  assert.equal(proxyError(new Error('x'), 'proxy:1').code, 'COLONY_PROXY');
});
