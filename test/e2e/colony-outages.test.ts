import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { eventually } from '../fakes/engine-fixture.ts';
import { drive } from '../fakes/outages/drive.ts';
import type { ProfileName } from '../fakes/outages/profiles.ts';
import type { LinkChange } from '../fakes/outages/schedule.ts';
import { type Healing, median, Track } from './support/colony-track.ts';
import { pressed } from './support/outage-plan.ts';

/** Longest wait after the last reconnect, milliseconds: a dead long poll and a backoff are in it. */
const SETTLED_WITHIN_MS = 90_000;
/** Growth of what is kept in memory that is still noise, MiB: code that is compiled late, caches that fill. */
const NOISE_MIB = 4;
/** How much slower a healing may be while offline on a busy machine: part, and milliseconds. */
const NOISE = { part: 1.5, ms: 300 };

const PROFILES: readonly ProfileName[] = ['train', 'mine', 'satellite', 'belt'];
/** Opened one after the other: making images and networks is what the engine is slow at. */
let opening: Promise<unknown> = Promise.resolve();

/** A track of its own for a test, removed after it. */
async function onTrack(room: string, work: (track: Track) => Promise<void>): Promise<void> {
  const opened = opening.then(() => Track.open(`co-${room}`));
  opening = opened.catch(() => undefined);
  const track = await opened;
  await work(track).finally(() => track.close());
}

const healings: Healing[] = [];

/** Runs the work while containers are killed; returns what was measured. */
async function hurtWhile(track: Track, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const hurting = track.hurtThem(stop.signal);
  try {
    await Promise.race([work(), hurting]);
  } finally {
    stop.abort();
  }
  await hurting;
}

// All at the same time: they mostly wait.
describe('over links that come and go', { concurrency: true }, () => {
  for (const name of PROFILES)
    test(`${name}: heals all the while, restarts nothing, and the server knows it all in the end`, (t) =>
      onTrack(name.slice(0, 3), async (track) => {
        const changes = pressed(name);
        const before = await track.memoryMiB();
        let untouched = await track.untouched();
        let outages = 0;
        const onChange = async ({ state, powerLoss }: LinkChange) => {
          if (state === 'off') {
            outages += 1;
            await track.change();
            if (powerLoss === true) await track.losePower();
          } else if (!track.agent.alive) {
            // After a night without power: the containers are started from the checkpoint, and their new lives count.
            track.agent.launch();
            untouched = await track.untouched();
          }
        };
        const { signal } = new AbortController();
        await hurtWhile(track, () => drive(track.proxy, changes, { clock: systemClock, signal, onChange }));
        const began = performance.now();
        await track.settled(SETTLED_WITHIN_MS);
        t.diagnostic(
          `${outages} outages; settled ${Math.round(performance.now() - began)} ms after the last reconnect`,
        );
        assert.deepEqual(await track.untouched(), untouched);
        healings.push(...track.healings);
        const growth = (await track.memoryMiB()) - before;
        t.diagnostic(`the heap grew by ${growth.toFixed(1)} MiB from ${before.toFixed(1)} MiB`);
        assert.ok(growth < NOISE_MIB, `memory grew by ${growth.toFixed(1)} MiB`);
      }));

  test('1,000 disconnects in quick succession restart nothing', (t) =>
    onTrack('cut', async (track) => {
      const untouched = await track.untouched();
      let before = 0;
      await hurtWhile(track, async () => {
        for (let cuts = 0; cuts < 1_000; cuts += 1) {
          // What the first ones leave is code and caches.
          if (cuts === 300) before = await track.memoryMiB();
          const { connections } = track.proxy.counters();
          track.proxy.cut({ tell: true });
          const isBack = () => {
            // A hang-up signal has the agent try now what it would try later.
            track.agent.signal('SIGHUP');
            return track.proxy.counters().connections > connections;
          };
          // An answer that was lost with its connection is waited for until its deadline.
          await eventually('the agent connects again', isBack, 30_000).catch(async (error) => {
            const { server } = JSON.parse(await track.agent.ask('/v1/status'));
            throw new Error(`after ${cuts} cuts, ${track.proxy.open} open: ${JSON.stringify(server)}`, {
              cause: error,
            });
          });
        }
      });
      track.agent.signal('SIGHUP');
      const began = performance.now();
      await track.settled(SETTLED_WITHIN_MS);
      const growth = (await track.memoryMiB()) - before;
      t.diagnostic(
        `settled ${Math.round(performance.now() - began)} ms after the last cut; memory grew by ${growth.toFixed(1)} MiB`,
      );
      assert.deepEqual(await track.untouched(), untouched);
      assert.ok(growth < NOISE_MIB, `memory grew by ${growth.toFixed(1)} MiB`);
    }));
});

test('over all profiles containers are healed as fast offline as online', (t) => {
  const took = (online: boolean) =>
    healings.filter((one) => one.online === online).map(({ tookMs }) => tookMs);
  const [on, off] = [took(true), took(false)];
  t.diagnostic(
    `healed within ${median(on)} ms online (${on.length}), ${median(off)} ms offline (${off.length})`,
  );
  assert.ok(on.length >= 10 && off.length >= 10, `too few: ${on.length} online, ${off.length} offline`);
  assert.ok(median(off) <= median(on) * NOISE.part + NOISE.ms, 'offline it is slower');
});
