import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seed, service, slot, warnings } from './support.ts';

/**
 * Spec hashes of the eight seed blueprints. They stand in the labels of running containers: a change here restarts every
 * container in the field when the agent is updated. If one of these fails, the change to the agent is wrong, not the
 * table, unless that restart is meant and the changelog says so.
 */
const GOLDEN: Readonly<Record<string, string>> = {
  'arrowhead-c1-authorization': '965d3bc1440dfbdf',
  'arrowhead-c1-database': '10cf44c5b891a6fa',
  'arrowhead-c1-eventhandler': 'b47fd75ccb097d09',
  'arrowhead-c1-gatekeeper': '66077054dbc67ed9',
  'arrowhead-c1-gateway': '69d7bc690e6b7467',
  'arrowhead-c1-orchestrator': '4a6042a6843523d3',
  'arrowhead-c1-serviceregistry': '00489b4bde382b8c',
  'local-docker-executor-deployment': 'd2bd1fc362a5a3ca',
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
