import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ContainerSpec } from '../../src/model/container.ts';
import { ManualClock } from '../fakes/clock.ts';
import { FakeEngine } from '../fakes/engine.ts';
import { type FakeImage, image, type Program } from '../fakes/engine-types.ts';
import { EngineBench, type EngineHost, IMAGE_DEFAULTS } from './engine-bench.ts';
import { ENGINE_CASES } from './engine-cases.ts';

const PATIENCE_MS = 15_000;

for (const { title, run } of ENGINE_CASES)
  test(`the engine in memory: ${title}`, async () => {
    const bench = new EngineBench(fakeHost());
    try {
      await run(bench);
    } finally {
      bench.close();
    }
  });

function fakeHost(): EngineHost {
  const clock = new ManualClock();
  const engine = new FakeEngine(clock);
  const { world } = engine;
  const images = { sleeper: 'case/sleeper:1', graceful: 'case/graceful:1', defaults: 'case/defaults:1' };
  world.tag(images.sleeper, tiny('sleeper', {}));
  world.tag(images.graceful, tiny('graceful', { program: () => ({ stopCode: 0 }) }));
  world.tag(images.defaults, tiny('defaults', defaults()));
  let serial = 0;
  const until: EngineHost['until'] = async (condition, what) => {
    const deadlineMs = clock.monoMs() + PATIENCE_MS;
    while (!(await condition())) {
      assert.ok(clock.monoMs() < deadlineMs, `in time: ${what}`);
      await clock.advance(50);
    }
  };
  return {
    engine,
    prefix: 'case-',
    images,
    until,
    drive: async (promise) => {
      let settled = false;
      const watched = promise.finally(() => {
        settled = true;
      });
      watched.catch(() => {});
      await clock.runUntil(() => settled, 600_000);
      assert.ok(settled, 'the call ends');
      return watched;
    },
    kill: async (id) => world.kill(world.need(id)),
    pause: async (id) => world.pause(world.need(id)),
    makeDirectory: async () => {
      serial += 1;
      world.hostPaths.add(`/host/made-${serial}`);
      return `/host/made-${serial}`;
    },
    missingPath: () => {
      serial += 1;
      return `/host/missing-${serial}`;
    },
    removePath: async (path) => {
      world.hostPaths.delete(path);
    },
    pathExists: (path) => world.hostPaths.has(path),
    freePort: async () => {
      serial += 1;
      return 20_000 + serial;
    },
    occupyPort: async (port) => {
      world.foreignPorts.add(`${port}/tcp`);
    },
  };
}

function tiny(word: string, change: Partial<FakeImage>): FakeImage {
  const id = createHash('sha256').update(word).digest('hex');
  return image(id, { program: busybox, ...change });
}

function defaults(): Partial<FakeImage> {
  const { env, labels, command, workingDir, user, exposedPorts, volumes } = IMAGE_DEFAULTS;
  return { env: { PATH: '/bin', ...env }, labels, command, workingDir, user, exposedPorts, volumes };
}

/** What the commands of the cases do on a real engine. */
function busybox(spec: ContainerSpec): Program {
  if (spec.command?.[0] === '/no/such/program') return { startFails: 'COMMAND_NOT_FOUND' };
  if (spec.command?.[0] === 'sh') return { exitsAfterMs: 300, exitCode: 3 };
  return { stopMs: Number.POSITIVE_INFINITY };
}
