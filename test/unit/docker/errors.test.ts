import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf, portOf, refusal, type Subject } from '../../../src/docker/errors.ts';
import { isEngineOutage, isPermanentCode, reasonOf } from '../../../src/model/engine-codes.ts';

// The words of real engines: Docker 20.10 (seen), 23 to 29 and podman 4 and 5 (from their sources and issue lists).
const said: readonly [Subject, number, string, string, string?][] = [
  ['create', 404, 'No such image: x/y:1', 'IMAGE_NOT_FOUND'],
  ['create', 404, 'localhost/x: image not known', 'IMAGE_NOT_FOUND'],
  ['image', 404, 'no such image: x: No such image: x:latest', 'IMAGE_NOT_FOUND'],
  [
    'image',
    409,
    'conflict: unable to delete d1a364dc548d (cannot be forced) - image is being used by running container 0e2f',
    'IMAGE_IN_USE',
  ],
  [
    'image',
    409,
    'conflict: unable to remove repository reference "app:1" (must force) - container 0e2f is using its referenced image d1a3',
    'IMAGE_IN_USE',
  ],
  ['image', 409, 'image used by 0e2f: image is in use by a container: consider force', 'IMAGE_IN_USE'],
  ['image', 404, 'No such image: sha256:d1a3', 'IMAGE_NOT_FOUND'],
  ['pull', 404, 'manifest for a/b:9 not found: manifest unknown: manifest unknown', 'IMAGE_NOT_FOUND'],
  ['pull', 500, 'Error response from daemon: manifest unknown', 'IMAGE_NOT_FOUND'],
  [
    'create',
    404,
    'image with reference x:1 was found but does not match the specified platform: wanted linux/arm/v7, actual: linux/amd64',
    'PLATFORM_MISMATCH',
  ],
  [
    'pull',
    404,
    'no matching manifest for linux/arm/v7 in the manifest list entries: no match for platform in manifest: not found',
    'PLATFORM_MISMATCH',
  ],
  ['container', 400, 'exec /bin/app: exec format error', 'PLATFORM_MISMATCH'],
  ['create', 400, 'invalid reference format: repository name must be lowercase', 'BAD_REFERENCE'],
  [
    'create',
    400,
    'invalid mount config for type "bind": bind source path does not exist: /etc/app/x.conf',
    'BIND_SOURCE_MISSING',
    '/etc/app/x.conf',
  ],
  [
    'container',
    400,
    'failed to create task for container: error during container init: error mounting "/srv/run.sh" to rootfs at "/run.sh": mount /srv/run.sh:/run.sh (via /proc/self/fd/6), flags: 0x5000: not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)?',
    'BIND_SOURCE_MISSING',
    '/srv/run.sh',
  ],
  [
    'create',
    500,
    "error while creating mount source path '/ro/x': mkdir /ro: read-only file system",
    'BIND_SOURCE_MISSING',
    '/ro/x',
  ],
  ['container', 500, 'statfs /srv/none: no such file or directory', 'BIND_SOURCE_MISSING', '/srv/none'],
  [
    'container',
    500,
    'driver failed programming external connectivity on endpoint web (6f): Bind for 0.0.0.0:8080 failed: port is already allocated',
    'PORT_CONFLICT',
  ],
  [
    'container',
    500,
    'driver failed programming external connectivity on endpoint web (6f): Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use',
    'PORT_CONFLICT',
  ],
  [
    'container',
    500,
    'failed to set up container networking: driver failed programming external connectivity on endpoint web: failed to bind host port 0.0.0.0:8080/tcp: address already in use',
    'PORT_CONFLICT',
  ],
  ['container', 500, 'rootlessport listen tcp 0.0.0.0:8080: bind: address already in use', 'PORT_CONFLICT'],
  [
    'container',
    500,
    'cannot listen on the TCP port: listen tcp4 :8080: bind: address already in use',
    'PORT_CONFLICT',
  ],
  [
    'create',
    409,
    'Conflict. The container name "/web" is already in use by container "ab". You have to remove (or rename) that container to be able to reuse that name.',
    'NAME_TAKEN',
  ],
  [
    'create',
    500,
    'creating container storage: the container name "web" is already in use by ab. You have to remove that container to be able to reuse that name: that name is already in use',
    'NAME_TAKEN',
  ],
  ['container', 404, 'network colonies_default not found', 'NETWORK_NOT_FOUND'],
  ['network', 404, 'network 0c1f not found', 'NETWORK_NOT_FOUND'],
  ['create', 500, 'unable to find network with name or ID x: network not found', 'NETWORK_NOT_FOUND'],
  [
    'container',
    400,
    'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown',
    'COMMAND_NOT_FOUND',
  ],
  [
    'container',
    400,
    'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory: unknown',
    'COMMAND_NOT_FOUND',
  ],
  [
    'container',
    400,
    'unable to start container process: exec: "/x": permission denied: unknown',
    'COMMAND_NOT_FOUND',
  ],
  [
    'container',
    500,
    'crun: executable file `nope` not found in $PATH: No such file or directory',
    'COMMAND_NOT_FOUND',
  ],
  ['create', 400, 'No command specified', 'COMMAND_NOT_FOUND'],
  ['volume', 409, 'remove v: volume is in use - [abc]', 'VOLUME_IN_USE'],
  [
    'volume',
    500,
    'volume v is being used by the following container(s): abc: volume is being used',
    'VOLUME_IN_USE',
  ],
  [
    'pull',
    500,
    'failed to register layer: Error processing tar file: write /x: no space left on device',
    'DISK_FULL',
  ],
  ['create', 500, 'mkdir /var/lib/docker/overlay2/x: no space left on device', 'DISK_FULL'],
  [
    'pull',
    404,
    "pull access denied for a/b, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    'REGISTRY_FORBIDDEN',
  ],
  [
    'pull',
    500,
    'Head "https://r/v2/a/manifests/1": unauthorized: authentication required',
    'REGISTRY_UNAUTHORIZED',
  ],
  [
    'pull',
    500,
    'Get "https://r.invalid/v2/": dial tcp: lookup r.invalid on 10.0.0.1:53: no such host',
    'REGISTRY_UNREACHABLE',
  ],
  [
    'pull',
    500,
    'Get "http://localhost:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
    'REGISTRY_UNREACHABLE',
  ],
  ['pull', 500, 'Get "https://r/v2/": net/http: TLS handshake timeout', 'REGISTRY_UNREACHABLE'],
  ['container', 404, 'No such container: ab', 'ENGINE_NOT_FOUND'],
  ['container', 404, 'page not found', 'ENGINE_REFUSED'],
  ['network', 403, 'error while removing network: network x id 1 has active endpoints', 'ENGINE_CONFLICT'],
  ['create', 400, 'Minimum memory limit allowed is 6MB', 'ENGINE_REFUSED'],
  ['container', 500, 'something broke', 'ENGINE_FAILED'],
  [
    'container',
    500,
    'adding interface veth1 to bridge docker0 failed: could not find bridge docker0: route ip+net: no such network interface',
    'ENGINE_FAILED',
  ],
  ['engine', 400, 'client version 1.99 is too new. Maximum supported API version is 1.41', 'ENGINE_PROTOCOL'],
  ['engine', 503, 'upstream away', 'ENGINE_PROTOCOL'],
];

for (const [subject, status, text, code, target] of said)
  test(`"${text.slice(0, 70)}" about ${subject} is ${code}`, () => {
    const error = refusal(status, text, { subject, target: 'asked', call: 'POST /x' });
    assert.equal(error.code, code);
    assert.equal(error.target, target ?? 'asked');
    assert.ok(error.message.includes(text));
    assert.equal(error.retry, isPermanentCode(code) ? 'permanent' : 'transient');
    if (code === 'PORT_CONFLICT') assert.match(error.message, /host port 8080 /);
  });

test('a port is found in whatever way it is written, and not made up', () => {
  assert.equal(portOf('Bind for :::443 failed: port is already allocated'), 443);
  assert.equal(
    portOf('Ports are not available: exposing port TCP 0.0.0.0:3306 -> 0.0.0.0:0: listen tcp'),
    3306,
  );
  assert.equal(
    portOf('failed to bind host port for 0.0.0.0:80:172.17.0.2:80/tcp: address already in use'),
    80,
  );
  assert.equal(portOf('address already in use'), undefined);
});

test('the words of an error body are found in JSON, plain text and pages', () => {
  assert.equal(messageOf('{"message":"no"}'), 'no');
  assert.equal(messageOf('{"cause":"c","message":"whole","response":500}'), 'whole');
  assert.equal(messageOf('<html><body>Bad <b>gateway</b></body></html>'), 'Bad gateway');
  assert.equal(messageOf(''), '');
});

test('outages, permanent failures and reasons follow from the code', () => {
  assert.equal(isEngineOutage('ENGINE_TIMEOUT'), true);
  assert.equal(isEngineOutage('ENGINE_FAILED'), false);
  assert.equal(reasonOf('ENGINE_RESET'), 'EngineUnavailable');
  assert.equal(reasonOf('PORT_CONFLICT', 'startContainer'), 'PortConflict');
  assert.equal(reasonOf('ENGINE_FAILED', 'createContainer'), 'CreateFailed');
  assert.equal(reasonOf('SOMETHING_NEW', 'pullImage'), 'ImageUnavailable');
});
