import assert from 'node:assert/strict';
import { IMAGE_DEFAULTS, refused } from './engine-bench.ts';
import type { EngineCase } from './engine-cases.ts';

/** What a look shows: images, networks, volumes, ports, and details in our own words. */
export const LOOK_CASES: readonly EngineCase[] = [
  {
    title:
      'a wanted image is found under any of its names, a missing one is null, others are not in the answer',
    run: async (bench) => {
      const { defaults } = bench.host.images;
      const missing = 'colonies-edge-none/such:1';
      const { images } = await bench.snapshot([defaults, `docker.io/library/${defaults}`, missing]);
      assert.equal(images.size, 3);
      assert.equal(images.get(missing), null);
      const found = images.get(defaults);
      assert.ok(found);
      assert.equal(images.get(`docker.io/library/${defaults}`)?.id, found.id);
      assert.match(found.id, /^sha256:[0-9a-f]{64}$/);
      const { PATH: _path, ...env } = found.env;
      assert.deepEqual(env, IMAGE_DEFAULTS.env);
      assert.deepEqual(found.labels, IMAGE_DEFAULTS.labels);
      assert.deepEqual(found.command, IMAGE_DEFAULTS.command);
      assert.deepEqual(found.entrypoint, []);
      assert.equal(found.workingDir, IMAGE_DEFAULTS.workingDir);
      assert.equal(found.user, IMAGE_DEFAULTS.user);
      assert.deepEqual(found.exposedPorts, IMAGE_DEFAULTS.exposedPorts);
      assert.deepEqual(found.volumes, IMAGE_DEFAULTS.volumes);
      assert.equal(found.os, 'linux');
    },
  },
  {
    title:
      'the detail has the image defaults mixed in, the own values win, and anonymous volumes do not show',
    run: async (bench) => {
      const { defaults } = bench.host.images;
      const id = await bench.create(bench.name('mixed'), {
        image: defaults,
        env: { SHARED: 'blueprint', OWN: '1' },
        labels: { own: 'label' },
      });
      const seen = await bench.see(id);
      const { spec } = seen.detail;
      const { PATH: _path, ...env } = spec.env;
      assert.deepEqual(env, { FROM_IMAGE: 'yes', SHARED: 'blueprint', OWN: '1' });
      assert.equal(spec.labels['image.vendor'], 'somebody');
      assert.equal(spec.labels.own, 'label');
      assert.equal(spec.labels['colonies.managed'], 'true');
      assert.deepEqual(seen.labels, spec.labels);
      assert.deepEqual(spec.command, IMAGE_DEFAULTS.command);
      assert.deepEqual(spec.entrypoint, []);
      assert.equal(spec.workingDir, IMAGE_DEFAULTS.workingDir);
      assert.equal(spec.user, IMAGE_DEFAULTS.user);
      assert.deepEqual(spec.mounts, []);
      assert.deepEqual(
        spec.ports.filter((port) => port.publish),
        [],
      );
      assert.equal(spec.image, defaults);
      assert.equal(spec.hostname, undefined);
    },
  },
  {
    title: 'an own entrypoint voids the command of the image',
    run: async (bench) => {
      const id = await bench.create(bench.name('entry'), {
        image: bench.host.images.defaults,
        entrypoint: ['/bin/sleep', '5000'],
      });
      const { spec } = (await bench.see(id)).detail;
      assert.deepEqual(spec.entrypoint, ['/bin/sleep', '5000']);
      assert.deepEqual(spec.command, []);
    },
  },
  {
    title: 'everything that was asked for reads back as it was written',
    run: async (bench) => {
      const source = await bench.host.makeDirectory();
      const network = bench.name('net');
      const volume = bench.name('vol');
      await bench.createNetwork(network);
      const hostPort = await bench.host.freePort();
      const asked = bench.spec({
        command: ['sleep', '777'],
        workingDir: '/tmp',
        user: 'nobody',
        hostname: 'host-a',
        ports: [
          { containerPort: 80, protocol: 'tcp', publish: true, hostPort, hostIp: '127.0.0.1' },
          { containerPort: 81, protocol: 'udp', publish: true, hostIp: '' },
        ],
        mounts: [
          { type: 'bind', source, target: '/a', readOnly: true },
          { type: 'volume', source: volume, target: '/b', readOnly: false },
          { type: 'tmpfs', target: '/c', readOnly: false, sizeBytes: 2 ** 20 },
        ],
        network: { mode: 'network', name: network, aliases: ['alias-a'], create: true, driver: 'bridge' },
        init: true,
        healthcheck: {
          test: ['CMD-SHELL', 'true'],
          intervalMs: 30_000,
          timeoutMs: 5_000,
          retries: 3,
          startPeriodMs: 0,
        },
        log: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
        stopTimeoutS: 3,
        stopSignal: 'SIGINT',
        restart: { name: 'unless-stopped', maxRetries: 0 },
        limits: { memoryBytes: 64 * 2 ** 20, nanoCpus: 250_000_000 },
      });
      const id = await bench.create(bench.name('all'), asked);
      await bench.start(id);
      const seen = await bench.see(id);
      const { spec, networks } = seen.detail;
      for (const field of ['command', 'workingDir', 'user', 'hostname', 'mounts', 'init', 'log'] as const)
        assert.deepEqual(spec[field], asked[field], field);
      for (const field of ['stopSignal', 'restart', 'privileged', 'healthcheck'] as const)
        assert.deepEqual(spec[field], asked[field], field);
      assert.equal(spec.limits.memoryBytes, asked.limits.memoryBytes);
      assert.equal(spec.limits.nanoCpus, asked.limits.nanoCpus);
      assert.deepEqual(
        spec.ports.filter((port) => port.publish).map((port) => `${port.hostPort}:${port.containerPort}`),
        [`${hostPort}:80`, 'undefined:81'],
      );
      assert.equal(spec.network.mode, 'network');
      assert.ok(spec.network.mode === 'network' && spec.network.name === network);
      assert.deepEqual(Object.keys(networks), [network]);
      assert.deepEqual(networks[network]?.aliases, ['alias-a', 'host-a'], 'the host name is an alias too');
      assert.notEqual(networks[network]?.networkId, '');
      assert.match(networks[network]?.ip ?? '', /^\d+\./);
      const fixed = seen.ports.filter((port) => port.containerPort === 80);
      assert.deepEqual(fixed, [{ containerPort: 80, protocol: 'tcp', hostPort, hostIp: '127.0.0.1' }]);
      const chosen = seen.ports.find((port) => port.containerPort === 81);
      assert.ok(chosen !== undefined && chosen.hostPort > 0);
      assert.equal(seen.health, 'starting');
      await bench.remove(id, true);
    },
  },
  {
    title: 'networks are made once, joined and left, and go when nobody is attached; twice is fine each time',
    run: async (bench) => {
      await bench.listen();
      const name = bench.name('net');
      const networkId = await bench.createNetwork(name);
      await bench.createNetwork(name);
      const present = (await bench.snapshot()).networks.filter((network) => network.name === name);
      assert.equal(present.length, 1);
      assert.equal(present[0]?.driver, 'bridge');
      assert.equal(present[0]?.labels['colonies.managed'], 'true');
      const id = await bench.create(bench.name('member'));
      await bench.start(id);
      await bench.connect(id, name, ['a', 'b']);
      await bench.connect(id, name, ['a', 'b']);
      const { networks } = (await bench.see(id)).detail;
      assert.deepEqual([...(networks[name]?.aliases ?? [])].sort(), ['a', 'b']);
      assert.equal(networks[name]?.networkId, networkId);
      await refused(
        bench.removeNetwork(networkId, name),
        'ENGINE_CONFLICT',
        'ENGINE_DENIED',
        'ENGINE_REFUSED',
      );
      await bench.disconnect(id, name);
      await bench.disconnect(id, name);
      assert.equal((await bench.see(id)).detail.networks[name], undefined);
      await bench.removeNetwork(networkId, name);
      await bench.removeNetwork(networkId, name);
      assert.ok(!(await bench.snapshot()).networks.some((network) => network.name === name));
    },
  },
  {
    title: 'a container that is not managed is listed without detail',
    run: async (bench) => {
      const { id } = await bench.perform({
        kind: 'createContainer',
        lane: 'test',
        blueprint: '',
        cause: 'test',
        specHash: '',
        name: bench.name('foreign'),
        spec: bench.spec(),
        labels: {},
        replaces: false,
      });
      const seen = (await bench.snapshot()).containers.find((container) => container.id === id);
      assert.equal(seen?.state, 'created');
      assert.equal(seen?.detail, undefined);
    },
  },
  {
    title: 'a call that is aborted ends at once and says so',
    run: async (bench) => {
      const abort = new AbortController();
      abort.abort(new Error('given up'));
      await assert.rejects(
        bench.host.drive(bench.host.engine.snapshot({ images: [], volumes: [] }, abort.signal)),
      );
    },
  },
];
