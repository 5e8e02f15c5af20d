import assert from 'node:assert/strict';
import { deployment, executor } from '../support/blueprints.ts';
import { type FieldCase, type Found, warningsOf } from '../support/fields.ts';

const MIB = 1024 ** 2;

/** Names under which a container is known on its network, without the id. */
function aliasesOf(found: Found, network: string): string[] {
  const aliases: string[] = found.box.NetworkSettings.Networks[network].Aliases;
  return aliases.filter((alias) => !found.box.Id.startsWith(alias)).sort();
}

/** FIELDS.md 4.4: networks. */
export const NETWORKS: FieldCase[] = [
  {
    title: 'FIELDS 4.4 DOCKER_NETWORK: containers join the default network, which is made with our labels',
    check: async ({ box, agent, engine }) => {
      assert.deepEqual(Object.keys(box.NetworkSettings.Networks), [agent.network]);
      const network = await engine.call('GET', `/networks/${agent.network}`);
      assert.deepEqual([network.Driver, network.Labels['colonies.managed']], ['bridge', 'true']);
      assert.equal(network.Labels['colonies.node'], agent.node);
    },
  },
  {
    title: 'FIELDS 4.4 aliases: blueprint, container and instance name lead to the container',
    document: ({ name, image }) =>
      deployment(
        name,
        [
          { name: `${name}-db`, image },
          { name, image },
        ],
        { replicas: 1 },
      ),
    check: async (found) => {
      for (const alias of [found.name, `${found.name}-db`])
        assert.match(await found.inside('nslookup', alias), /Address.*\d+\.\d+\.\d+\.\d+/s);
      assert.deepEqual(aliasesOf(found, found.agent.network), [found.name]);
    },
  },
  {
    title: 'FIELDS 4.4 aliases: the instance name leads to all replicas',
    document: ({ name, image }) => deployment(name, [{ name: `${name}-db`, image }], { replicas: 2 }),
    check: async ({ engine, name }) => {
      const { output } = await engine.exec(`${name}-db-0`, 'nslookup', `${name}-db`);
      assert.equal([...output.matchAll(/^Address.*: 1\d+\.\d+\.\d+\.\d+$/gm)].length, 2, output);
    },
  },
  {
    title: 'FIELDS 4.4 spec.network.name: is joined instead of the default one, and made with our labels',
    spec: ({ name }) => ({ network: { name: `${name}-n` } }),
    rich: true,
    check: async (found) => {
      const { box, engine, name } = found;
      assert.deepEqual(Object.keys(box.NetworkSettings.Networks), [`${name}-n`]);
      assert.equal((await engine.call('GET', `/networks/${name}-n`)).Labels['colonies.managed'], 'true');
      assert.deepEqual(aliasesOf(found, `${name}-n`), [name]);
    },
  },
  {
    title: 'FIELDS 4.4 spec.network.create: false joins what exists, and does not make it ours',
    spec: ({ ground }) => ({ network: { name: `${ground.prefix}-theirs`, create: false } }),
    check: async ({ box, engine, ground }) => {
      assert.deepEqual(Object.keys(box.NetworkSettings.Networks), [`${ground.prefix}-theirs`]);
      assert.deepEqual((await engine.call('GET', `/networks/${ground.prefix}-theirs`)).Labels, {});
    },
  },
  {
    title: 'FIELDS 4.4 spec.network.driver: a network is made with it',
    spec: ({ name }) => ({ network: { name: `${name}-n`, driver: 'bridge' } }),
    check: async ({ engine, name }) =>
      assert.equal((await engine.call('GET', `/networks/${name}-n`)).Driver, 'bridge'),
  },
  {
    title: "FIELDS 4.4 networkMode: bridge is the engine's own bridge",
    instance: { networkMode: 'bridge' },
    rich: true,
    check: ({ box }) => assert.deepEqual(Object.keys(box.NetworkSettings.Networks), ['bridge']),
  },
  {
    title: 'FIELDS 4.4 networkMode: host is the network of the machine',
    instance: { networkMode: 'host', ports: [{ container: 59_999, protocol: 'udp' }] },
    rich: true,
    check: ({ box, report }) => {
      assert.equal(box.HostConfig.NetworkMode, 'host');
      assert.match(warningsOf(report).join(), /has no effect with networkMode "host"/);
    },
  },
  {
    title: 'FIELDS 4.4 networkMode: none has no network but loopback',
    instance: { networkMode: 'none' },
    rich: true,
    check: async ({ box, inside }) => {
      assert.equal(box.HostConfig.NetworkMode, 'none');
      assert.deepEqual(
        (await inside('ls', '/sys/class/net')).split(/\s+/).filter((one) => one.startsWith('eth')),
        [],
      );
    },
  },
  {
    title: 'FIELDS 4.4 networkMode: container:<name> shares the network of that container',
    document: ({ name, image }) =>
      deployment(name, [
        { name: `${name}-owner`, image },
        { name, image, networkMode: `container:${name}-owner` },
      ]),
    check: async ({ box, engine, name, inside }) => {
      const owner = await engine.container(`${name}-owner`);
      // Some engines keep the name, others the id.
      const modes = [`container:${name}-owner`, `container:${owner.Id}`];
      assert.ok(modes.includes(box.HostConfig.NetworkMode), box.HostConfig.NetworkMode);
      const [network] = Object.values<{ IPAddress: string }>(owner.NetworkSettings.Networks);
      assert.match(await inside('ip', 'addr'), new RegExp(`inet ${network?.IPAddress}/`));
    },
  },
  {
    title: 'FIELDS 4.4 networkMode: the name of a network joins it, with the aliases',
    instance: ({ ground }) => ({ networkMode: `${ground.prefix}-theirs` }),
    check: (found) => assert.deepEqual(aliasesOf(found, `${found.ground.prefix}-theirs`), [found.name]),
  },
];

/** FIELDS.md 4.5: resources. */
export const RESOURCES: FieldCase[] = [
  limits({ cpus: '0.5' }, { NanoCpus: 5e8 }),
  limits({ cpus: 1 }, { NanoCpus: 1e9 }),
  limits({ cpus: '250m' }, { NanoCpus: 2.5e8 }),
  limits({ memory: '64m' }, { Memory: 64 * MIB, MemorySwap: 128 * MIB }),
  limits({ memory: '64Mi' }, { Memory: 64 * MIB }),
  limits({ memory: '0.25GiB' }, { Memory: 256 * MIB }),
  limits({ memory: '65536kb' }, { Memory: 64 * MIB }),
  limits({ memory: '96' }, { Memory: 96 * MIB }, /memory is a bare number and taken as 96 MiB/),
  limits({ memory: 67_108_864 }, { Memory: 64 * MIB }, /memory is a bare number and taken as 64 MiB/),
  limits({ memory: '64Mi', memorySwap: '64Mi' }, { Memory: 64 * MIB, MemorySwap: 64 * MIB }),
  limits({ memory: '64Mi', memorySwap: -1 }, { Memory: 64 * MIB, MemorySwap: -1 }),
  limits({ pidsLimit: 50 }, { PidsLimit: 50 }),
  {
    title: 'FIELDS 4.5 executor cpu and memory: are limits by the same rules',
    document: ({ name, image }) =>
      executor(name, { image, executorType: 'test', cpu: '500m', memory: '512Mi' }),
    check: ({ box }) => assert.deepEqual([box.HostConfig.NanoCpus, box.HostConfig.Memory], [5e8, 512 * MIB]),
  },
];

function limits(resources: object, sent: Readonly<Record<string, number>>, warning?: RegExp): FieldCase {
  return {
    title: `FIELDS 4.5 resources: ${JSON.stringify(resources)} is ${JSON.stringify(sent)}`,
    instance: { resources },
    check: ({ box, report }: Found) => {
      for (const [key, value] of Object.entries(sent)) assert.equal(box.HostConfig[key], value);
      if (warning === undefined) assert.deepEqual(report.warnings, []);
      else assert.match(warningsOf(report).join(), warning);
    },
  };
}
