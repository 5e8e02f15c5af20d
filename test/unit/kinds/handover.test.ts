import assert from 'node:assert/strict';
import { test } from 'node:test';
import { strategyOf } from '../../../src/reconcile/plan-strategy.ts';
import { docker, errors, executor, matchAll, service, slot } from './support.ts';

const relay = {
  command: ['/usr/bin/node', '/opt/edge.cjs'],
  env: { MALLOC_ARENA_MAX: '1' },
  mounts: ['/opt/edge.cjs', '/usr'],
  folder: '/var/lib/colonies-edge/relays',
};
const port = { container: 80, host: 8080, protocol: 'tcp', handover: true };
const web = (ports: object[], instance: object = {}) => docker({ ports: ports as never, ...instance });

test('handover: the relay publishes the port, and the container only opens it', () => {
  const own = service(web([port]), { relay });
  assert.deepEqual(own.container.ports, [{ containerPort: 80, protocol: 'tcp', publish: false, hostIp: '' }]);
  assert.deepEqual(own.handover, { relay: 'shop/web.relay/0', drainMs: 30_000 });
  const made = service(web([port]), { relay }, 1);
  assert.deepEqual([made.key, made.containerName], ['shop/web.relay/0', 'web.relay']);
  assert.deepEqual(made.container.ports, [
    { containerPort: 10_000, protocol: 'tcp', publish: true, hostPort: 8080, hostIp: '0.0.0.0' },
  ]);
  const { folder = '' } = made.relay ?? {};
  assert.deepEqual(made.relay, { to: own.key, folder });
  assert.deepEqual(made.container.entrypoint, [...relay.command, 'relay', '/relay', '10000:80']);
  assert.deepEqual(made.container.mounts, [
    { type: 'bind', source: `${relay.folder}/${folder}`, target: '/relay', readOnly: false },
    { type: 'bind', source: '/opt/edge.cjs', target: '/opt/edge.cjs', readOnly: true },
    { type: 'bind', source: '/usr', target: '/usr', readOnly: true },
  ]);
});

test('handover: two can exist, unless something else cannot', () => {
  assert.equal(strategyOf(service(web([port]), { relay })).strategy, 'start-first');
  assert.equal(strategyOf(service(web([port]), { relay }, 1)).strategy, 'stop-first');
  const both = web([port, { container: 81, host: 8081, protocol: 'tcp' }]);
  assert.equal(strategyOf(service(both, { relay })).strategy, 'stop-first');
});

test('handover: a version of the service does not change its relay', () => {
  const hash = (image: string) => service(web([port], { image }), { relay }, 1).specHash;
  assert.equal(hash('nginx:1.27'), hash('nginx:1.28'));
});

test('handover: ranges, several ports and a port that is published beside', () => {
  const range = { ...port, containerEnd: 81, handover: { drain: '5s' } };
  const beside = { container: 80, protocol: 'tcp' };
  const own = service(web([range, beside]), { relay });
  assert.deepEqual(
    own.container.ports.map(({ containerPort, publish }) => [containerPort, publish]),
    [
      [80, true],
      [81, false],
    ],
  );
  assert.equal(own.handover?.drainMs, 5_000);
  const made = service(web([range, beside]), { relay }, 1);
  assert.deepEqual(
    made.container.ports.map(({ containerPort, hostPort }) => [containerPort, hostPort]),
    [
      [10_000, 8080],
      [10_001, 8081],
    ],
  );
});

test('handover: false is as if it were not there', () => {
  assert.deepEqual(
    service(web([{ ...port, handover: false }]), { relay }),
    service(web([{ ...port, handover: undefined }]), { relay }),
  );
});

test('handover: in an ExecutorDeployment', () => {
  const from = executor({ ports: [{ name: 'http', port: 8080, protocol: 'TCP', handover: true }] });
  const slots = [slot(0)];
  assert.equal(service(from, { relay, slots }).handover?.relay, 'shop/shop.relay/0');
  assert.equal(service(from, { relay, slots }, 1).containerName, 'shop-1a2b0.relay');
});

for (const [title, ports, instance, expected] of [
  [
    'no fixed host port',
    [{ ...port, host: undefined }],
    {},
    /ports\[0\]\.handover must be left out without a fixed/,
  ],
  ['udp', [{ ...port, protocol: 'udp' }], {}, /ports\[0\]\.handover must be left out with protocol "udp"/],
  ['a word', [{ ...port, handover: 'yes' }], {}, /ports\[0\]\.handover must be true, false or an object/],
  ['a wrong time', [{ ...port, handover: { drain: 'soon' } }], {}, /handover\.drain must be a duration/],
  [
    'networkMode bridge',
    [port],
    { networkMode: 'bridge' },
    /handover must be left out with networkMode "bridge"/,
  ],
  [
    'a probe of the published port',
    [port],
    { probe: { tcp: { port: 80 }, published: true } },
    /probe\.published must be left out: ports has no published tcp port for 80/,
  ],
  ['a port that is taken', [port, { ...port, container: 81 }], {}, /must not use host port 8080\/tcp/],
] as const)
  test(`handover: ${title} is refused at its field`, () => {
    matchAll(errors(web(ports as never, instance), { relay }), [expected]);
  });

test('handover: refused where the program is not made of files, and with several replicas', () => {
  matchAll(errors(web([port])), [/ports\[0\]\.handover must be left out here/]);
  matchAll(errors(docker({ ports: [port] }, { replicas: 2 }), { relay }), [
    /must not fix host port 8080 with 2/,
  ]);
});
