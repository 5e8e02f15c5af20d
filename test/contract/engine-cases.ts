import assert from 'node:assert/strict';
import type { EngineBench } from './engine-bench.ts';
import { refused } from './engine-bench.ts';
import { LOOK_CASES } from './engine-cases-look.ts';
import { REFUSAL_CASES } from './engine-cases-refusal.ts';

/** One sentence that holds for every implementation of the `Engine` port. */
export interface EngineCase {
  title: string;
  run(bench: EngineBench): Promise<void>;
}

const LIFECYCLE_CASES: readonly EngineCase[] = [
  {
    title: 'a created container is listed as created, and creating announces itself',
    run: async (bench) => {
      await bench.listen();
      const name = bench.name('fresh');
      const id = await bench.create(name);
      const seen = await bench.see(id);
      assert.equal(seen.name, name);
      assert.equal(seen.state, 'created');
      assert.equal(seen.exitCode, undefined);
      assert.equal(seen.detail.exitCode, 0);
      assert.match(seen.detail.startedAt, /^0001-01-01T/);
      await bench.saw('create', id);
    },
  },
  {
    title: 'start makes it run, and starting again is fine',
    run: async (bench) => {
      await bench.listen();
      const id = await bench.create(bench.name('run'));
      await bench.start(id);
      await bench.start(id);
      const seen = await bench.see(id);
      assert.equal(seen.state, 'running');
      assert.doesNotMatch(seen.detail.startedAt, /^0001-01-01T/);
      await bench.saw('start', id);
    },
  },
  {
    title: 'stop ends a process that listens to SIGTERM with its own exit code, and stopping again is fine',
    run: async (bench) => {
      await bench.listen();
      const id = await bench.create(bench.name('polite'), { image: bench.host.images.graceful });
      await bench.start(id);
      await bench.stop(id, 10);
      await bench.stop(id, 10);
      const seen = await bench.see(id);
      assert.equal(seen.state, 'exited');
      assert.equal(seen.exitCode, 0);
      await bench.saw('die', id);
      await bench.saw('stop', id);
    },
  },
  {
    title:
      'restart ends the process as gracefully as stop, starts the same container again, and starts a stopped one',
    run: async (bench) => {
      await bench.listen();
      const id = await bench.create(bench.name('again'), { image: bench.host.images.graceful });
      await bench.start(id);
      const { startedAt } = (await bench.see(id)).detail;
      await bench.restart(id, 10);
      const seen = await bench.see(id);
      assert.equal(seen.state, 'running');
      assert.notEqual(seen.detail.startedAt, startedAt);
      assert.ok(Date.parse(seen.detail.finishedAt) >= Date.parse(startedAt));
      for (const action of ['die', 'start', 'restart']) await bench.saw(action, id);
      await bench.stop(id, 10);
      await bench.restart(id, 10);
      assert.equal((await bench.see(id)).state, 'running');
    },
  },
  {
    title: 'stop kills a process that does not listen, and the exit code is 137',
    run: async (bench) => {
      const id = await bench.create(bench.name('deaf'));
      await bench.start(id);
      await bench.stop(id, 1);
      const seen = await bench.see(id);
      assert.equal(seen.state, 'exited');
      assert.equal(seen.exitCode, 137);
      assert.equal(seen.detail.exitCode, 137);
    },
  },
  {
    title: 'stop works on a container that was never started, and on one that is paused',
    run: async (bench) => {
      const never = await bench.create(bench.name('never'));
      await bench.stop(never);
      assert.equal((await bench.see(never)).state, 'created');
      const paused = await bench.create(bench.name('frozen'));
      await bench.start(paused);
      await bench.host.pause(paused);
      await bench.stop(paused, 1);
      assert.equal((await bench.see(paused)).state, 'exited');
    },
  },
  {
    title: 'a container stopped by stop stays down in spite of its restart policy',
    run: async (bench) => {
      const restart = { name: 'always', maxRetries: 0 } as const;
      const id = await bench.create(bench.name('stay'), { restart });
      await bench.start(id);
      await bench.stop(id, 1);
      assert.equal((await bench.see(id)).state, 'exited');
    },
  },
  {
    title: 'a container killed by hand stays exited with 137 in spite of its restart policy',
    run: async (bench) => {
      await bench.listen();
      const restart = { name: 'unless-stopped', maxRetries: 0 } as const;
      const id = await bench.create(bench.name('killed'), { restart });
      await bench.start(id);
      await bench.host.kill(id);
      await bench.saw('die', id);
      const seen = await bench.see(id);
      assert.equal(seen.state, 'exited');
      assert.equal(seen.exitCode, 137);
    },
  },
  {
    title: 'an exited container can be started again, and its exit code is gone then',
    run: async (bench) => {
      const id = await bench.create(bench.name('again'));
      await bench.start(id);
      await bench.host.kill(id);
      await bench.host.until(async () => (await bench.see(id)).state === 'exited', 'exited');
      await bench.start(id);
      const seen = await bench.see(id);
      assert.equal(seen.state, 'running');
      assert.equal(seen.exitCode, undefined);
      assert.equal(seen.detail.exitCode, 0);
    },
  },
  {
    title: 'a paused container is listed as paused, and unpause is fine twice',
    run: async (bench) => {
      await bench.listen();
      const id = await bench.create(bench.name('pause'));
      await bench.start(id);
      await bench.host.pause(id);
      await bench.saw('pause', id);
      assert.equal((await bench.see(id)).state, 'paused');
      await bench.unpause(id);
      await bench.unpause(id);
      assert.equal((await bench.see(id)).state, 'running');
      await bench.saw('unpause', id);
    },
  },
  {
    title: 'starting a paused container is refused',
    run: async (bench) => {
      const id = await bench.create(bench.name('iced'));
      await bench.start(id);
      await bench.host.pause(id);
      await refused(bench.start(id), 'ENGINE_CONFLICT');
    },
  },
  {
    title: 'remove takes a stopped container away, and removing again is fine',
    run: async (bench) => {
      await bench.listen();
      const id = await bench.create(bench.name('gone'));
      await bench.remove(id);
      await bench.remove(id);
      assert.equal(await bench.look(id), undefined);
      await bench.saw('destroy', id);
    },
  },
  {
    title: 'a running container is removed only by force',
    run: async (bench) => {
      const id = await bench.create(bench.name('busy'));
      await bench.start(id);
      await refused(bench.remove(id), 'ENGINE_CONFLICT');
      assert.equal((await bench.see(id)).state, 'running');
      await bench.remove(id, true);
      assert.equal(await bench.look(id), undefined);
    },
  },
  {
    title: 'a running container can be renamed, and its old name is free then',
    run: async (bench) => {
      await bench.listen();
      const [before, after] = [bench.name('before'), bench.name('after')];
      const id = await bench.create(before);
      await bench.start(id);
      await bench.rename(id, before, after);
      assert.equal((await bench.see(id)).name, after);
      assert.equal((await bench.see(id)).state, 'running');
      await bench.saw('rename', id);
      await bench.create(before);
    },
  },
  {
    title: 'limits and restart policy change in place, without a restart',
    run: async (bench) => {
      await bench.listen();
      const id = await bench.create(bench.name('limits'));
      await bench.start(id);
      const { startedAt } = (await bench.see(id)).detail;
      await bench.perform({
        kind: 'updateContainer',
        lane: 'test',
        blueprint: 'test',
        cause: 'test',
        id,
        name: 'x',
        specHash: 'aaaa',
        restart: { name: 'on-failure', maxRetries: 4 },
        limits: { nanoCpus: 500_000_000, memoryBytes: 64 * 2 ** 20, memorySwapBytes: 128 * 2 ** 20 },
        liveHash: 'bbbb',
      });
      await bench.saw('update', id);
      const { detail } = await bench.see(id);
      assert.deepEqual(detail.spec.restart, { name: 'on-failure', maxRetries: 4 });
      assert.equal(detail.spec.limits.nanoCpus, 500_000_000);
      assert.equal(detail.spec.limits.memoryBytes, 64 * 2 ** 20);
      assert.equal(detail.startedAt, startedAt);
    },
  },
  {
    title: 'the engine restarts a process that fails as its policy says, and counts',
    run: async (bench) => {
      const restart = { name: 'on-failure', maxRetries: 1 } as const;
      const id = await bench.create(bench.name('fails'), {
        command: ['sh', '-c', 'sleep 0.3; exit 3'],
        restart,
      });
      await bench.start(id);
      await bench.host.until(async () => {
        const seen = await bench.see(id);
        return seen.state === 'exited' && seen.detail.restartCount === 1;
      }, 'given up by the engine after one restart');
      assert.equal((await bench.see(id)).exitCode, 3);
    },
  },
];

export const ENGINE_CASES: readonly EngineCase[] = [...LIFECYCLE_CASES, ...REFUSAL_CASES, ...LOOK_CASES];
