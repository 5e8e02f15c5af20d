import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerSpec, PortSpec } from '../../../src/model/container.ts';
import type { Service } from '../../../src/model/desired.ts';
import { strategyOf, strategyText, updateOf } from '../../../src/reconcile/plan-strategy.ts';
import { strategyWarnings } from '../../../src/reconcile/report-update.ts';
import { blueprintOf, specOf } from '../../fakes/planning.ts';

function serviceWith(spec: Partial<ContainerSpec>, change: Partial<Service> = {}): Service {
  const [service] = blueprintOf('web', { spec, service: change }).services;
  assert.ok(service);
  return service;
}

const port = (change: Partial<PortSpec>): PortSpec => ({
  containerPort: 80,
  protocol: 'tcp',
  publish: true,
  hostIp: '',
  ...change,
});

const update = updateOf(serviceWith({}));

const cases: [name: string, service: Service, expected: string][] = [
  ['nothing in the way', serviceWith({}), 'start-first'],
  ['a port that the engine chooses', serviceWith({ ports: [port({})] }), 'start-first'],
  ['an exposed port', serviceWith({ ports: [port({ publish: false, hostPort: 80 })] }), 'start-first'],
  [
    'a shared volume and a writable bind',
    serviceWith({ mounts: [{ type: 'volume', source: 'data', target: '/d', readOnly: false }] }),
    'start-first',
  ],
  [
    'a fixed host port',
    serviceWith({ ports: [port({ hostPort: 8080 })] }),
    'stop-first: host port 8080/tcp can be held only once',
  ],
  [
    'a fixed udp port',
    serviceWith({ ports: [port({ hostPort: 53, protocol: 'udp' })] }),
    'stop-first: host port 53/udp can be held only once',
  ],
  [
    'the network of the host',
    serviceWith({ network: { mode: 'host' } }),
    'stop-first: the network of the host exists only once',
  ],
  [
    'the network of another container',
    serviceWith({ network: { mode: 'container', container: 'vpn' } }),
    'stop-first: the network of vpn exists only once',
  ],
  [
    'a device',
    serviceWith({ devices: [{ hostPath: '/dev/ttyUSB0', containerPath: '/dev/tty0', permissions: 'rw' }] }),
    'stop-first: device /dev/ttyUSB0 can be held only once',
  ],
  [
    'an exclusive volume',
    serviceWith({}, { exclusive: ['volume data'] }),
    'stop-first: volume data can be held only once',
  ],
  [
    'an executor',
    serviceWith({}, { executorName: 'worker-0' }),
    'stop-first: executor worker-0 can work only once',
  ],
  ['asked for stop-first', serviceWith({}, { update: { ...update, strategy: 'stop-first' } }), 'stop-first'],
  ['asked for recreate', serviceWith({}, { update: { ...update, strategy: 'recreate' } }), 'recreate'],
];

for (const [name, service, expected] of cases)
  test(`strategy: ${name}`, () => assert.equal(strategyText(strategyOf(service)), expected));

test('strategy: start-first that is not possible falls back, and is a warning', () => {
  const asked = { ...update, strategy: 'start-first' as const };
  const impossible = serviceWith({ ports: [port({ hostPort: 80 })] }, { update: asked });
  assert.deepEqual(strategyOf(impossible), {
    strategy: 'stop-first',
    because: 'host port 80/tcp can be held only once',
    isFallback: true,
  });
  const [warning, ...more] = strategyWarnings({ services: [impossible, { ...impossible, replica: 1 }] });
  assert.match(warning?.message ?? '', /^start-first is not possible for web, stop-first is used: host port/);
  assert.deepEqual(more, []);
  assert.deepEqual(strategyWarnings({ services: [serviceWith({}, { update: asked })] }), []);
});

test('strategy: what the service says is all it depends on', () => {
  assert.deepEqual(strategyOf({ ...serviceWith({}), container: specOf() }), strategyOf(serviceWith({})));
});
