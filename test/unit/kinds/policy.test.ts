import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type KindContext, loadPolicy, mapBindPath, resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import { container, context, docker, errors, executor, matchAll, seed } from './support.ts';

const under = (policy: unknown, instance: JsonObject, over: Partial<KindContext> = {}) =>
  errors(docker(instance), { policy: loadPolicy(policy), ...over });
const bind = (hostPath: string, readOnly = false) => ({
  volumes: [{ type: 'bind', hostPath, mountPath: '/x', readOnly }],
});

describe('the policy file', () => {
  test('absent, null and {} are the default: everything the seed needs is allowed', () => {
    assert.deepEqual(loadPolicy(undefined), loadPolicy({}));
    assert.deepEqual(loadPolicy(null), loadPolicy({}));
    assert.equal(loadPolicy({}).allowPrivileged, true);
  });
  test('every problem is in one error, unknown keys with a suggestion', () => {
    assert.throws(
      () =>
        loadPolicy({
          allowPriviledged: false,
          allowedImages: 'x',
          requireDigest: 1,
          allowedBindPrefixes: ['srv'],
        }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'POLICY_INVALID');
        assert.match(error.message, /allowPriviledged is not a known field; did you mean allowPrivileged\?/);
        assert.match(error.message, /allowedImages must be a list of strings, got "x"/);
        assert.match(error.message, /requireDigest must be true or false, got 1/);
        assert.match(error.message, /allowedBindPrefixes\[0\] must be an absolute path .*, got "srv"/);
        return true;
      },
    );
    for (const value of [[], 'x', 5]) assert.throws(() => loadPolicy(value), { code: 'POLICY_INVALID' });
  });
});

describe('what the policy refuses', () => {
  test('allowPrivileged: false', () => {
    matchAll(under({ allowPrivileged: false }, { privileged: true }), [
      /\.privileged is not allowed by the policy \(allowPrivileged: false\)/,
    ]);
    matchAll(under({ allowPrivileged: false }, {}), []);
    matchAll(errors(executor({ privileged: true }), { policy: loadPolicy({ allowPrivileged: false }) }), [
      /^spec\.privileged/,
    ]);
    const refused = resolveBlueprint(
      docker({ privileged: true }),
      context({ policy: loadPolicy({ allowPrivileged: false }) }),
    );
    assert.equal(refused.result === 'refused' && refused.problems[0]?.reason, 'PolicyRefused');
  });
  test('allowHostNetwork: false', () => {
    matchAll(under({ allowHostNetwork: false }, { networkMode: 'host' }), [
      /\.networkMode is not allowed by the policy/,
    ]);
  });
  test('allowedBindPrefixes: whole path segments, after ".." and the path map', () => {
    const policy = { allowedBindPrefixes: ['/srv/data/'] };
    matchAll(under(policy, bind('/srv/data')), []);
    matchAll(under(policy, bind('/srv/data/a')), []);
    matchAll(under(policy, bind('/srv/database')), [
      /\.hostPath is outside of what the policy allows \(allowedBindPrefixes: \/srv\/data\)/,
    ]);
    matchAll(under(policy, bind('/srv/data/../etc')), [/is outside .*, got "\/srv\/etc"/]);
    matchAll(under(policy, bind('/home/a'), { bindPrefixMap: [['/home', '/srv/data']] }), []);
    matchAll(under({ allowedBindPrefixes: [] }, bind('/srv')), [/allowedBindPrefixes: none/]);
    matchAll(under({ allowedBindPrefixes: ['/'] }, bind('/srv')), []);
    matchAll(under(policy, { envFile: '/etc/shadow' }), [/\.envFile is outside of what the policy allows/]);
    matchAll(under({ allowedBindPrefixes: ['/run'] }, bind('/var/run/docker.sock')), []);
  });
  test("the agent's own state: never, by whatever way it is written", () => {
    for (const path of [
      '/var/lib/colonies-edge',
      '/var/lib/colonies-edge/',
      '/var/lib//colonies-edge/slots',
      '/srv/../var/lib/colonies-edge/./x',
      '/var/run/colonies-edge/agent.sock',
    ])
      for (const policy of [{}, { allowStateParents: true }, { allowedBindPrefixes: ['/'] }])
        matchAll(under(policy, bind(path, true)), [/\.hostPath belongs to the agent itself/]);
    matchAll(under({}, bind('/x'), { bindPrefixMap: [['/x', '/var/lib/colonies-edge']] }), [
      /belongs to the agent itself/,
    ]);
    matchAll(errors(executor({ volumes: [{ host: '/var/lib/colonies-edge', container: '/x' }] })), [
      /^spec\.volumes\[0\]\.host belongs to the agent/,
    ]);
  });
  test('folders that contain it: not unless the policy says so, read-only neither', () => {
    for (const path of ['/', '/var', '/var/lib/', '/run', '/var/run', '/run/colonies-edge'])
      for (const readOnly of [true, false]) {
        matchAll(under({}, bind(path, readOnly)), [/\.hostPath contains the agent's own/]);
        matchAll(under({ allowStateParents: true }, bind(path, readOnly)), []);
      }
    matchAll(under({}, bind('/var/lib/colonies-edge-data')), []);
  });
  test("the seed's docker.sock and scratch directory pass", () => {
    matchAll(errors(seed('local-docker-executor-deployment')), []);
  });
  test('allowedImages: short and full names, one level per star, any tag unless one is given', () => {
    const allowed = (pattern: string, image: string) =>
      under({ allowedImages: [pattern] }, { image }).length === 0;
    assert.ok(allowed('aitiaiiot/*', 'aitiaiiot/arrowhead-system:4.6.1'));
    assert.ok(allowed('docker.io/aitiaiiot/*', 'aitiaiiot/arrowhead-system:4.6.1'));
    assert.ok(!allowed('aitiaiiot/*', 'evil.example/aitiaiiot/arrowhead-system:4.6.1'));
    assert.ok(!allowed('aitiaiiot/*', 'aitiaiiot/deep/er'));
    assert.ok(allowed('registry.example/**', 'registry.example/a/b/c'));
    assert.ok(allowed('nginx', 'nginx:1.27') && allowed('nginx', 'docker.io/library/nginx'));
    assert.ok(!allowed('nginx', 'nginx2') && !allowed('nginx', 'x/nginx'));
    assert.ok(allowed('nginx:1.*', 'nginx:1.27') && !allowed('nginx:1.*', 'nginx:2'));
    assert.ok(allowed('nginx:latest', 'nginx'));
    assert.ok(!allowed('nginx:1.*', `nginx:1.2@sha256:${'a'.repeat(64)}`));
    assert.ok(allowed('nginx@sha256:*', `nginx:1.2@sha256:${'a'.repeat(64)}`));
    assert.ok(allowed('*', `sha256:${'a'.repeat(64)}`) && !allowed('nginx', `sha256:${'a'.repeat(64)}`));
    matchAll(under({ allowedImages: [] }, {}), [
      /\.image is not among the images the policy allows \(allowedImages: none\)/,
    ]);
  });
  test('requireDigest', () => {
    matchAll(under({ requireDigest: true }, {}), [/\.image must name its image by digest/]);
    matchAll(under({ requireDigest: true }, { image: `nginx@sha256:${'0'.repeat(64)}` }), []);
  });
  test('allowedDevices and allowedCapabilities', () => {
    matchAll(under({ allowedDevices: ['/dev/ttyUSB*'] }, { devices: ['/dev/ttyUSB0', '/dev/mem'] }), [
      /devices\[1\] is not among the devices/,
    ]);
    matchAll(under({ allowedDevices: ['/dev/ttyUSB*'] }, { devices: ['/dev/ttyUSB/../mem'] }), [
      /devices\[0\] is not among/,
    ]);
    matchAll(under({ allowedCapabilities: ['CAP_net_admin'] }, { capAdd: ['NET_ADMIN', 'ALL'] }), [
      /capAdd\[1\] is not among the capabilities/,
    ]);
  });
});

describe('bindPrefixMap (FIELDS 13)', () => {
  const map = [
    ['/home/a', '/srv/one'],
    ['/home/a/b/', '/srv/two/'],
  ] as const;
  const cases: readonly [string, string][] = [
    ['/home/a/x', '/srv/one/x'],
    ['/home/a', '/srv/one'],
    ['/home/a/b/c', '/srv/two/c'],
    ['/home/a/bc', '/srv/one/bc'],
    ['/home/ab', '/home/ab'],
    ['/home/a/../a/x/', '/srv/one/x'],
  ];
  for (const [from, to] of cases)
    test(`${from} becomes ${to}`, () => assert.equal(mapBindPath(from, map), to));
  test('the root can be mapped', () => assert.equal(mapBindPath('/etc/x', [['/', '/host']]), '/host/etc/x'));
  test('the order of the map does not matter', () => {
    assert.equal(mapBindPath('/home/a/b/c', [...map].reverse()), '/srv/two/c');
  });
  test('bind sources of both kinds are mapped before they are hashed', () => {
    const bindPrefixMap = [['/old', '/new']] as const;
    const [mount] = container(docker(bind('/old/x')), { bindPrefixMap }).mounts;
    assert.equal(mount?.type === 'bind' && mount.source, '/new/x');
    const [other] = container(executor({ volumes: [{ host: '/old', container: '/x' }] }), {
      bindPrefixMap,
    }).mounts;
    assert.equal(other?.type === 'bind' && other.source, '/new');
  });
});
