import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seed, service, slot, warnings } from './support.ts';

/**
 * Spec hashes of the eight seed blueprints. They stand in the labels of running containers: a change here restarts every
 * container in the field when the agent is updated. If one of these fails, the change to the agent is wrong, not the
 * table, unless that restart is meant and the changelog says so.
 */
const GOLDEN: Readonly<Record<string, string>> = {
  'arrowhead-c1-authorization': '3f44ec61a1ecc125',
  'arrowhead-c1-database': '7e803bcbe673f991',
  'arrowhead-c1-eventhandler': '39026ae1e96f683c',
  'arrowhead-c1-gatekeeper': 'de98e135d1290f45',
  'arrowhead-c1-gateway': '6634949f43dfe32b',
  'arrowhead-c1-orchestrator': '8dfe4702c4ea3ded',
  'arrowhead-c1-serviceregistry': '3dfb585de5f4e0fe',
  'local-docker-executor-deployment': '76fd261bcd99f66d',
};

describe('the seed blueprints, unchanged', () => {
  const over = { slots: [slot(0, { blueprint: 'docker-executor' })] };
  for (const [name, hash] of Object.entries(GOLDEN))
    test(`${name}: is ours and has the hash it always had`, () => {
      const found = service(seed(name), over);
      assert.equal(found.specHash, hash);
      assert.equal(found.hold, undefined);
    });

  test('the Arrowhead blueprints have nothing to warn about', () => {
    for (const name of Object.keys(GOLDEN).filter((item) => item.startsWith('arrowhead')))
      assert.deepEqual(warnings(seed(name), over), []);
  });

  test('the database: container, port, volume and names as its author meant them', () => {
    const { container, containerName } = service(seed('arrowhead-c1-database'));
    assert.equal(containerName, 'c1-database');
    assert.deepEqual(container, {
      image: 'aitiaiiot/arrowhead-database:4.6.1',
      env: {
        TZ: 'Europe/Amsterdam',
        COLONIES_DEPLOYMENT: 'c1-database',
        COLONIES_CONTAINER_NAME: 'c1-database',
      },
      labels: {},
      ports: [{ containerPort: 3306, protocol: 'tcp', publish: true, hostPort: 3306, hostIp: '0.0.0.0' }],
      mounts: [{ type: 'volume', source: 'c1-database', target: '/var/lib/mysql', readOnly: false }],
      network: {
        mode: 'network',
        name: 'colonies_default',
        aliases: ['c1-database'],
        create: true,
        driver: 'bridge',
      },
      privileged: false,
      log: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
      restart: { name: 'unless-stopped', maxRetries: 0 },
      limits: {},
    });
  });

  test("a system's four read-only binds follow the path map", () => {
    const bindPrefixMap = [
      ['/home/johan/dev/github/eislab-cps/arrowhead-core-docker', '/opt/arrowhead'],
    ] as const;
    const { container } = service(seed('arrowhead-c1-gateway'), { bindPrefixMap });
    assert.deepEqual(
      container.mounts.map((mount) => mount.type === 'bind' && mount.readOnly && mount.source),
      [
        '/opt/arrowhead/c1-props/gateway/application.properties',
        '/opt/arrowhead/c1/gateway/certificates',
        '/opt/arrowhead/config/gateway/log4j2.xml',
        '/opt/arrowhead/config/gateway/run.sh',
      ],
    );
  });

  test('the container executor waits without a slot', () => {
    assert.equal(service(seed('local-docker-executor-deployment')).hold?.reason, 'WaitingForRegistration');
  });
});
