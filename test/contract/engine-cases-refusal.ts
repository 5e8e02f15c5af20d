import assert from 'node:assert/strict';
import { EdgeError } from '../../src/base/errors.ts';
import { refused } from './engine-bench.ts';
import type { EngineCase } from './engine-cases.ts';

const NO_SUCH_ID = 'f'.repeat(64);

/** Every way in which a healthy engine says no, by its code. */
export const REFUSAL_CASES: readonly EngineCase[] = [
  {
    title: 'start, rename and update of a container that is gone are ENGINE_NOT_FOUND',
    run: async (bench) => {
      await refused(bench.start(NO_SUCH_ID), 'ENGINE_NOT_FOUND');
      await refused(bench.rename(NO_SUCH_ID, 'a', bench.name('b')), 'ENGINE_NOT_FOUND');
    },
  },
  {
    title: 'creating under a name that is taken is NAME_TAKEN, and so is renaming to it',
    run: async (bench) => {
      const [first, second] = [bench.name('first'), bench.name('second')];
      await bench.create(first);
      await refused(bench.create(first), 'NAME_TAKEN');
      const id = await bench.create(second);
      await refused(bench.rename(id, second, first), 'NAME_TAKEN');
      assert.equal((await bench.see(id)).name, second);
    },
  },
  {
    title: 'creating from an image that is not there is IMAGE_NOT_FOUND',
    run: async (bench) => {
      const name = bench.name('noimage');
      await refused(bench.create(name, { image: 'colonies-edge-none/such:1' }), 'IMAGE_NOT_FOUND');
      assert.ok(!(await bench.snapshot()).containers.some((container) => container.name === name));
    },
  },
  {
    title:
      'a read-only bind of a path that does not exist is BIND_SOURCE_MISSING, permanent, and names the path',
    run: async (bench) => {
      const source = bench.host.missingPath();
      const error = await refused(
        bench.create(bench.name('nobind'), {
          mounts: [{ type: 'bind', source, target: '/config', readOnly: true }],
        }),
        'BIND_SOURCE_MISSING',
      );
      assert.ok(error instanceof EdgeError);
      assert.equal(error.retry, 'permanent');
      assert.equal(error.target, source);
      assert.ok(!bench.host.pathExists(source), 'no directory was made');
    },
  },
  {
    title: 'a container whose read-only bind source went away cannot be started again',
    run: async (bench) => {
      const source = await bench.host.makeDirectory();
      const id = await bench.create(bench.name('unbound'), {
        mounts: [{ type: 'bind', source, target: '/config', readOnly: true }],
      });
      await bench.start(id);
      await bench.stop(id, 1);
      await bench.host.removePath(source);
      await refused(bench.start(id), 'BIND_SOURCE_MISSING');
      assert.equal((await bench.see(id)).state, 'exited');
    },
  },
  {
    title: 'the source of a writable bind is made',
    run: async (bench) => {
      const source = bench.host.missingPath();
      const id = await bench.create(bench.name('scratch'), {
        mounts: [{ type: 'bind', source, target: '/scratch', readOnly: false }],
      });
      await bench.start(id);
      assert.ok(bench.host.pathExists(source));
      await bench.remove(id, true);
      await bench.host.removePath(source);
    },
  },
  {
    title:
      'a port that another container holds is PORT_CONFLICT at start and leaves it created with exit code 128',
    run: async (bench) => {
      const hostPort = await bench.host.freePort();
      const ports = [
        { containerPort: 80, protocol: 'tcp', publish: true, hostPort, hostIp: '0.0.0.0' },
      ] as const;
      const holder = await bench.create(bench.name('holder'), { ports });
      await bench.start(holder);
      const id = await bench.create(bench.name('late'), { ports });
      const error = await refused(bench.start(id), 'PORT_CONFLICT');
      assert.match(String(error), new RegExp(String(hostPort)));
      const seen = await bench.see(id);
      assert.equal(seen.state, 'created');
      assert.equal(seen.detail.exitCode, 128);
      assert.notEqual(seen.detail.error, '');
      await bench.stop(holder, 1);
      await bench.start(id);
      assert.equal((await bench.see(id)).state, 'running');
    },
  },
  {
    title: 'a port that a process outside of the engine holds is PORT_CONFLICT too',
    run: async (bench) => {
      const hostPort = await bench.host.freePort();
      await bench.host.occupyPort(hostPort);
      const id = await bench.create(bench.name('outside'), {
        ports: [{ containerPort: 80, protocol: 'tcp', publish: true, hostPort, hostIp: '0.0.0.0' }],
      });
      await refused(bench.start(id), 'PORT_CONFLICT');
      assert.equal((await bench.see(id)).state, 'created');
    },
  },
  {
    title: 'a network that is missing is NETWORK_NOT_FOUND at start and leaves it created',
    run: async (bench) => {
      const name = bench.name('nowhere');
      const id = await bench.create(bench.name('lost'), {
        network: { mode: 'network', name, aliases: ['lost'], create: true, driver: 'bridge' },
      });
      await refused(bench.start(id), 'NETWORK_NOT_FOUND');
      const seen = await bench.see(id);
      assert.equal(seen.state, 'created');
      assert.equal(seen.detail.exitCode, 128);
    },
  },
  {
    title:
      'connecting to a network that is missing is NETWORK_NOT_FOUND, for a container that does not run only at its start',
    run: async (bench) => {
      const nowhere = bench.name('nowhere');
      const running = await bench.create(bench.name('alone'));
      await bench.start(running);
      await refused(bench.connect(running, nowhere), 'NETWORK_NOT_FOUND');
      const idle = await bench.create(bench.name('idle'));
      await bench.connect(idle, nowhere);
      await refused(bench.start(idle), 'NETWORK_NOT_FOUND');
    },
  },
  {
    title:
      'a command that the image does not have is COMMAND_NOT_FOUND and leaves it created with exit code 127',
    run: async (bench) => {
      const id = await bench.create(bench.name('nocmd'), { command: ['/no/such/program'] });
      await refused(bench.start(id), 'COMMAND_NOT_FOUND');
      const seen = await bench.see(id);
      assert.equal(seen.state, 'created');
      assert.equal(seen.detail.exitCode, 127);
    },
  },
  {
    title: 'a volume in use is not removed, one that is free is, and removing again is fine',
    run: async (bench) => {
      const volume = bench.name('vol');
      const id = await bench.create(bench.name('keeper'), {
        mounts: [{ type: 'volume', source: volume, target: '/keep', readOnly: false }],
      });
      assert.ok((await bench.snapshot([], [volume])).volumes.has(volume));
      await refused(bench.removeVolume(volume), 'VOLUME_IN_USE');
      await bench.remove(id);
      assert.ok((await bench.snapshot([], [volume])).volumes.has(volume), 'it outlives its container');
      await bench.removeVolume(volume);
      await bench.removeVolume(volume);
      assert.ok(!(await bench.snapshot([], [volume])).volumes.has(volume));
    },
  },
  {
    title: 'an image that a container was made of is IMAGE_IN_USE and stays, also while that is stopped',
    run: async (bench) => {
      const { sleeper } = bench.host.images;
      await bench.create(bench.name('user'));
      const { images, stock } = await bench.snapshot([sleeper]);
      const id = images.get(sleeper)?.id ?? '';
      assert.ok(
        stock?.some((one) => one.id === id && one.tags.some((tag) => tag.endsWith(sleeper))),
        'it is listed',
      );
      await refused(bench.removeImage(id), 'IMAGE_IN_USE');
      assert.ok((await bench.snapshot([sleeper])).images.get(sleeper) !== null, 'it is still there');
    },
  },
  {
    title: 'removing an image that is gone is fine',
    run: async (bench) => {
      await bench.removeImage(`sha256:${'0'.repeat(64)}`);
    },
  },
  {
    title: 'pulling an image that exists nowhere fails and nothing hangs',
    run: async (bench) => {
      await refused(
        bench.host.drive(
          bench.host.engine.pull('127.0.0.1:1/none/such:1', {
            signal: new AbortController().signal,
            onProgress: () => {},
          }),
        ),
        'IMAGE_NOT_FOUND',
        'REGISTRY_UNREACHABLE',
        'REGISTRY_UNAUTHORIZED',
      );
    },
  },
];
