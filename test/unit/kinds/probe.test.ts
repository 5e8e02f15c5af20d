import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { docker, errors, matchAll, service, warnings } from './support.ts';

describe('probe', () => {
  const port = { container: 80, host: 8080, protocol: 'tcp' };

  test('it acts, so nothing warns of it', () => {
    matchAll(warnings(docker({ probe: { tcp: { port: 80 } } })), []);
  });

  test('published is kept when the port is published over tcp', () => {
    const probe = { http: { port: 80 }, published: true };
    assert.equal(service(docker({ ports: [port], probe })).probe?.published, true);
    assert.equal(
      service(docker({ ports: [port], probe: { tcp: { port: 80 } } })).probe?.published,
      undefined,
    );
  });

  test('published without such a port is refused, also when it is udp, only exposed or on the host network', () => {
    const probe = { tcp: { port: 80 }, published: true };
    const refusal = [/probe\.published must be left out: ports has no published tcp port for 80/];
    matchAll(errors(docker({ probe })), refusal);
    matchAll(errors(docker({ ports: [{ ...port, protocol: 'udp' }], probe })), refusal);
    matchAll(errors(docker({ ports: [{ container: 80, protocol: 'tcp', publish: false }], probe })), refusal);
    matchAll(
      errors(docker({ ports: [{ container: 80, protocol: 'tcp' }], networkMode: 'host', probe })),
      refusal,
    );
  });

  test('an interval below a second, and a path with a blank, are refused', () => {
    matchAll(errors(docker({ probe: { tcp: { port: 80 }, interval: '500ms' } })), [
      /probe\.interval must be at least 1s/,
    ]);
    matchAll(errors(docker({ probe: { http: { port: 80, path: '/a b' } } })), [
      /http\.path must be a path that starts with "\/", without blanks/,
    ]);
  });

  test('a container without a network of its own cannot be probed', () => {
    for (const [networkMode, shown] of [
      ['none', 'none'],
      ['container:db', 'container:'],
    ] as const)
      matchAll(errors(docker({ networkMode, probe: { tcp: { port: 80 } } })), [
        new RegExp(`probe must be left out with networkMode "${shown}"`),
      ]);
    matchAll(errors(docker({ networkMode: 'host', probe: { tcp: { port: 80 } } })), []);
  });
});
