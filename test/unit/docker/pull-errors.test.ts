import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EdgeError } from '../../../src/base/errors.ts';
import { Secret } from '../../../src/base/secret.ts';
import { engineError, refusal } from '../../../src/docker/errors.ts';
import { explainPullFailure } from '../../../src/docker/pull-failure.ts';
import { reasonOf } from '../../../src/model/engine-codes.ts';
import type { Reason } from '../../../src/model/reason.ts';

// What engines say of registries: Docker 20.10 (seen), 23 to 28 with either image store and podman 4 and 5 (from their
// sources and issue lists), each with what the registry behind it meant.
const said: readonly [string, string, Reason][] = [
  // credentials are wanted, or wrong
  ['Get "https://r:5000/v2/": no basic auth credentials', 'REGISTRY_UNAUTHORIZED', 'RegistryUnauthorized'],
  [
    'Head "https://r:5000/v2/a/manifests/1": no basic auth credentials',
    'REGISTRY_UNAUTHORIZED',
    'RegistryUnauthorized',
  ],
  ['unauthorized: authentication required', 'REGISTRY_UNAUTHORIZED', 'RegistryUnauthorized'],
  [
    'Head "https://registry-1.docker.io/v2/a/b/manifests/1": unauthorized: incorrect username or password',
    'REGISTRY_UNAUTHORIZED',
    'RegistryUnauthorized',
  ],
  [
    'unauthorized: unauthorized to access repository: lab/a, action: pull: unauthorized to access repository',
    'REGISTRY_UNAUTHORIZED',
    'RegistryUnauthorized',
  ],
  [
    'failed to resolve reference "r/a:1": failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://r/token: 401 Unauthorized',
    'REGISTRY_UNAUTHORIZED',
    'RegistryUnauthorized',
  ],
  [
    'initializing source docker://r/a:1: unable to retrieve auth token: invalid username/password: unauthorized: authentication required',
    'REGISTRY_UNAUTHORIZED',
    'RegistryUnauthorized',
  ],
  [
    'pull access denied for a, repository does not exist or may require authorization: denied: Your authorization token has expired. Reauthenticate and try again.',
    'REGISTRY_UNAUTHORIZED',
    'RegistryUnauthorized',
  ],
  // credentials that may not
  [
    "pull access denied for a/b, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    'REGISTRY_FORBIDDEN',
    'RegistryForbidden',
  ],
  ['Head "https://r/v2/a/manifests/1": denied: denied', 'REGISTRY_FORBIDDEN', 'RegistryForbidden'],
  [
    'failed to resolve reference "r/a:1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
    'REGISTRY_FORBIDDEN',
    'RegistryForbidden',
  ],
  [
    'failed to resolve reference "r/a:1": unexpected status from HEAD request to https://r/v2/a/manifests/1: 403 Forbidden',
    'REGISTRY_FORBIDDEN',
    'RegistryForbidden',
  ],
  [
    'initializing source docker://r/a:1: reading manifest 1 in r/a: requested access to the resource is denied',
    'REGISTRY_FORBIDDEN',
    'RegistryForbidden',
  ],
  // not there
  ['manifest for r/a:9 not found: manifest unknown: manifest unknown', 'IMAGE_NOT_FOUND', 'ImageNotFound'],
  [
    'repository r/nope not found: name unknown: repository name not known to registry',
    'IMAGE_NOT_FOUND',
    'ImageNotFound',
  ],
  ['failed to resolve reference "r/a:9": r/a:9: not found', 'IMAGE_NOT_FOUND', 'ImageNotFound'],
  [
    'initializing source docker://r/a:9: reading manifest 9 in r/a: manifest unknown',
    'IMAGE_NOT_FOUND',
    'ImageNotFound',
  ],
  // no network
  ['Get "https://r/v2/": dial tcp: lookup r: no such host', 'REGISTRY_UNREACHABLE', 'ImageUnavailable'],
  [
    'Get "https://r:5000/v2/": dial tcp 10.0.0.1:5000: connect: connection refused',
    'REGISTRY_UNREACHABLE',
    'ImageUnavailable',
  ],
  [
    'Get "https://r/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)',
    'REGISTRY_UNREACHABLE',
    'ImageUnavailable',
  ],
  ['Get "https://r/v2/": net/http: TLS handshake timeout', 'REGISTRY_UNREACHABLE', 'ImageUnavailable'],
  [
    'failed to resolve reference "r/a:1": failed to do request: Head "https://r/v2/a/manifests/1": dial tcp 10.0.0.1:443: i/o timeout',
    'REGISTRY_UNREACHABLE',
    'ImageUnavailable',
  ],
  [
    'initializing source docker://r/a:1: pinging container registry r: Get "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: server misbehaving',
    'REGISTRY_UNREACHABLE',
    'ImageUnavailable',
  ],
  ['received unexpected HTTP status: 503 Service Unavailable', 'REGISTRY_UNREACHABLE', 'ImageUnavailable'],
  ['unexpected EOF', 'REGISTRY_UNREACHABLE', 'ImageUnavailable'],
  // not trusted
  [
    'Get "https://r:5000/v2/": x509: certificate signed by unknown authority',
    'REGISTRY_UNTRUSTED',
    'RegistryUntrusted',
  ],
  [
    'Get "https://r/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2001-01-01T00:00:00Z is before 2020-01-01T00:00:00Z',
    'REGISTRY_UNTRUSTED',
    'RegistryUntrusted',
  ],
  [
    'initializing source docker://r/a:1: pinging container registry r: Get "https://r/v2/": tls: failed to verify certificate: x509: certificate is valid for q, not r',
    'REGISTRY_UNTRUSTED',
    'RegistryUntrusted',
  ],
  ['Get "https://r/v2/": remote error: tls: bad certificate', 'REGISTRY_UNTRUSTED', 'RegistryUntrusted'],
  [
    'Get "https://r:5000/v2/": http: server gave HTTP response to HTTPS client',
    'REGISTRY_UNTRUSTED',
    'RegistryUntrusted',
  ],
  // too often
  [
    'toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit',
    'REGISTRY_RATE_LIMITED',
    'RegistryRateLimited',
  ],
  [
    'failed to copy: httpReadSeeker: failed open: unexpected status code https://r/v2/a/blobs/sha256:1: 429 Too Many Requests',
    'REGISTRY_RATE_LIMITED',
    'RegistryRateLimited',
  ],
  // not what was asked for
  ['image verification failed for digest sha256:00', 'DIGEST_MISMATCH', 'DigestMismatch'],
  ['filesystem layer verification failed for digest sha256:00', 'DIGEST_MISMATCH', 'DigestMismatch'],
  [
    'failed commit on ref "layer-sha256:00": unexpected commit digest sha256:01, expected sha256:00: failed precondition',
    'DIGEST_MISMATCH',
    'DigestMismatch',
  ],
  [
    'initializing source docker://r/a@sha256:00: reading manifest: Manifest does not match provided manifest digest sha256:00',
    'DIGEST_MISMATCH',
    'DigestMismatch',
  ],
  // no room
  ['failed to register layer: write /bin/x: no space left on device', 'DISK_FULL', 'DiskFull'],
];

const attempt = {
  reference: 'r:5000/a:1',
  registry: 'r:5000',
  credentials: { from: '/etc/r.json', username: 'u', password: new Secret('hidden') },
  problems: [],
};

for (const [text, code, reason] of said)
  test(`"${text.slice(-80)}" of a pull is ${code}, ${reason}, and says what to do`, () => {
    for (const status of [500, 404]) {
      const error = refusal(status, text, { subject: 'pull', target: 'r:5000/a:1', call: 'POST /x' });
      assert.equal(error.code, code);
      assert.equal(error.retry, 'transient');
      assert.equal(reasonOf(error.code, 'pullImage'), reason);
      const told = explainPullFailure(error, attempt);
      assert.ok(told instanceof EdgeError && told.code === code && told.target === 'r:5000/a:1');
      assert.match(told.message, /:.*(check|renew|get them|push|add|wait|free|put|give)/);
      assert.ok(told.message.endsWith(`(${text})`), told.message);
      assert.ok(!told.message.includes('hidden'));
    }
  });

test('what is denied without credentials wants some, and the message names what stands in their way', () => {
  const denied = engineError('REGISTRY_FORBIDDEN', 'denied: requested access to the resource is denied');
  const problems = ['/etc/r.json: password: is missing; or give passwordFile'];
  const told = explainPullFailure(denied, { ...attempt, credentials: undefined, problems });
  assert.ok(told instanceof EdgeError);
  assert.equal(told.code, 'REGISTRY_UNAUTHORIZED');
  assert.match(
    told.message,
    /there are no credentials .*docker login r:5000".*\/etc\/r\.json: password: is missing/,
  );
});

test('a bare status of the engine is told apart as well', () => {
  const about = { subject: 'pull', call: 'POST /x' } as const;
  assert.equal(refusal(401, '', about).code, 'REGISTRY_UNAUTHORIZED');
  assert.equal(refusal(403, '', about).code, 'REGISTRY_FORBIDDEN');
  assert.equal(refusal(404, '', about).code, 'IMAGE_NOT_FOUND');
});

test("a failure that is no registry's is left as it is", () => {
  const error = engineError('ENGINE_RESET', 'the connection broke');
  assert.equal(explainPullFailure(error, attempt), error);
});
