import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock, turn } from '../../fakes/clock.ts';
import { drive } from '../../fakes/outages/drive.ts';
import {
  DAY,
  HOUR,
  MINUTE,
  PROFILES,
  type ProfileName,
  type Range,
  SECOND,
} from '../../fakes/outages/profiles.ts';
import { type LinkChange, schedule, timeScaled } from '../../fakes/outages/schedule.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const names = fc.constantFrom<ProfileName>('train', 'mine', 'satellite', 'belt');

interface Outage extends LinkChange {
  onBeforeMs: number;
  lastsMs: number;
  back: LinkChange;
}

function outagesOf(changes: readonly LinkChange[]): Outage[] {
  return changes.flatMap((change, index) => {
    const before = changes[index - 1];
    const back = changes[index + 1];
    if (change.state === 'on' || before === undefined || back === undefined) return [];
    return [{ ...change, onBeforeMs: change.atMs - before.atMs, lastsMs: back.atMs - change.atMs, back }];
  });
}

function isWithin(value: number, { min, max }: Range): boolean {
  return value >= min && value <= max;
}

function outages(name: ProfileName, seed: number, hours: number): Outage[] {
  return outagesOf(schedule(PROFILES[name], { seed, hours }));
}

test('the profiles are those of the table', () => {
  const rows = Object.values(PROFILES).map((one) => [
    ...[one.name, one.on.min / SECOND, one.on.max / SECOND, one.off.min / SECOND, one.off.max / SECOND],
    ...[one.latencyMs.min, one.latencyMs.max, one.lossPercent.min, one.lossPercent.max],
    ...[one.rateDown / 1e6, one.rateUp / 1e6],
  ]);
  assert.deepEqual(rows, [
    ['train', 300, 1200, 30, 480, 60, 150, 1, 3, 6, 0.7],
    ['mine', 600, 1200, 1, 30, 20, 50, 0.5, 5, 10, 5],
    ['satellite', 7200, 43_200, 300, 1800, 600, 600, 1, 2, 2, 0.25],
    ['belt', 300, 300, 1, 5, 40, 40, 0.5, 0.5, 20, 5],
  ]);
  assert.equal(PROFILES.satellite.bytesPerMonth, 100e6);
});

test('every schedule begins and ends with a link, alternates, and keeps to the durations of its profile', () => {
  fc.assert(
    fc.property(names, seeds, fc.integer({ min: 2, max: 240 }), (name, seed, hours) => {
      const profile = PROFILES[name];
      const changes = schedule(profile, { seed, hours });
      assert.equal(changes[0]?.atMs, 0);
      assert.ok((changes.at(-1)?.atMs ?? 0) < hours * HOUR);
      changes.forEach((change, index) => {
        assert.equal(change.state, index % 2 === 0 ? 'on' : 'off');
        assert.equal(change.how === 'pass', change.state === 'on');
        assert.ok(isWithin(change.latencyMs, profile.latencyMs));
        assert.ok(isWithin(change.lossPercent, profile.lossPercent));
        assert.deepEqual([change.rateDown, change.rateUp], [profile.rateDown, profile.rateUp]);
      });
      assert.equal(changes.at(-1)?.state, 'on');
      for (const { onBeforeMs, lastsMs } of outagesOf(changes)) {
        assert.ok(isWithin(onBeforeMs, profile.on), `on for ${onBeforeMs} ms`);
        const ranges = [profile.off, ...profile.big.map(({ lasts }) => lasts)];
        assert.ok(
          ranges.some((range) => isWithin(lastsMs, range)),
          `off for ${lastsMs} ms`,
        );
      }
    }),
  );
});

test('a schedule is full: outages go on until the end', () => {
  fc.assert(
    fc.property(names, seeds, fc.integer({ min: 100, max: 240 }), (name, seed, hours) => {
      const profile = PROFILES[name];
      const last = schedule(profile, { seed, hours }).at(-1);
      assert.ok((last?.atMs ?? 0) + profile.on.max + profile.off.max >= hours * HOUR);
    }),
  );
});

test('the same seed gives the same schedule, another one another', () => {
  fc.assert(
    fc.property(names, seeds, (name, seed) => {
      const make = (chosen: number) => schedule(PROFILES[name], { seed: chosen, hours: 48 });
      assert.deepEqual(make(seed), make(seed));
      assert.notDeepEqual(make(seed), make(seed + 1));
    }),
  );
});

test('a train is away for 50 minutes exactly once, half of its outages are silent, and it returns elsewhere', () => {
  fc.assert(
    fc.property(seeds, fc.double({ min: 1.5, max: 100, noNaN: true }), (seed, hours) => {
      const all = outages('train', seed, hours);
      assert.equal(all.filter(({ lastsMs }) => lastsMs === 50 * MINUTE).length, 1);
      const silent = all.filter(({ how }) => how === 'blackHole' || how === 'halfOpen').length;
      const loud = all.filter(({ how }) => how === 'refuse' || how === 'reset').length;
      assert.equal(silent + loud, all.length);
      assert.ok(Math.abs(silent - loud) <= 1, `${silent} silent, ${loud} loud`);
      assert.ok(all.every(({ addressChange, back }) => !addressChange && back.addressChange));
    }),
  );
  const [first] = schedule(PROFILES.train, { seed: 1, hours: 2 });
  assert.equal(first?.addressChange, false);
});

test('a mine switches its machines off once every night, and never else', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 9 }), (seed, days) => {
      const all = outages('mine', seed, days * 24);
      const nights = all.filter(({ powerLoss }) => powerLoss === true);
      assert.deepEqual(
        nights.map(({ atMs }) => Math.floor(atMs / DAY)),
        Array.from({ length: days }, (_, day) => day),
      );
      for (const one of all) {
        const isNight = one.powerLoss === true;
        assert.ok(isWithin(one.lastsMs, isNight ? { min: 3 * HOUR, max: 8 * HOUR } : PROFILES.mine.off));
        assert.equal(one.back.addressChange, isNight);
        assert.equal(one.back.powerLoss, undefined);
      }
    }),
  );
});

test('a satellite is there most of the time, and fades without a word', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const all = outages('satellite', seed, 240);
      assert.ok(all.length >= 15);
      const away = all.reduce((sum, { lastsMs }) => sum + lastsMs, 0);
      assert.ok(away < 0.2 * 240 * HOUR);
      assert.ok(all.every(({ how }) => how === 'blackHole' || how === 'freeze'));
    }),
  );
});

test('a belt blinks every five minutes, is away for minutes once a day, and then for days', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 97, max: 240 }), (seed, hours) => {
      const all = outages('belt', seed, hours);
      const days = all.filter(({ lastsMs }) => lastsMs >= 2 * DAY);
      assert.equal(days.length, 1);
      assert.ok((days[0]?.atMs ?? 0) >= DAY);
      const minutes = (at: Range) =>
        all.filter(
          ({ atMs, lastsMs }) => isWithin(atMs, at) && isWithin(lastsMs, { min: MINUTE, max: HOUR }),
        );
      assert.equal(minutes({ min: 0, max: DAY }).length, 1);
      assert.ok(minutes({ min: 0, max: hours * HOUR }).length <= Math.ceil(hours / 24));
    }),
  );
});

test('a scaled schedule is the same one in a shorter time', () => {
  fc.assert(
    fc.property(names, seeds, fc.integer({ min: 2, max: 5_000 }), (name, seed, factor) => {
      const changes = schedule(PROFILES[name], { seed, hours: 30 });
      const scaled = timeScaled(changes, factor);
      assert.equal(scaled.length, changes.length);
      changes.forEach((change, index) => {
        const small = scaled[index] ?? assert.fail();
        assert.ok(Math.abs(small.atMs * factor - change.atMs) < 0.001);
        assert.ok(Math.abs(small.latencyMs * factor - change.latencyMs) < 0.001);
        assert.equal(small.rateUp, change.rateUp * factor);
        assert.deepEqual([small.how, small.powerLoss], [change.how, change.powerLoss]);
      });
    }),
  );
});

/** A link that writes down what is done with it. */
function paperLink(clock: ManualClock) {
  const done: [atMs: number, what: string][] = [];
  const startMs = clock.monoMs();
  const note = (what: string) => {
    done.push([clock.monoMs() - startMs, what]);
  };
  return {
    done,
    set: async ({ mode }: { mode: string }) => note(mode),
    shape: ({ latencyMs }: { latencyMs?: number }) => note(`${latencyMs} ms`),
    cut: ({ tell }: { tell: boolean }) => note(tell ? 'cut' : 'new address'),
  };
}

test('a driver applies each change at its time, and cuts the old address off before the link is back', async () => {
  const clock = new ManualClock();
  const link = paperLink(clock);
  const change = { ...(schedule(PROFILES.train, { seed: 1, hours: 2 })[0] ?? assert.fail()), latencyMs: 70 };
  const told: number[] = [];
  const driven = drive(
    link,
    [
      change,
      { ...change, atMs: 500, state: 'off', how: 'blackHole' },
      { ...change, atMs: 900, addressChange: true, latencyMs: 80 },
    ],
    { clock, signal: new AbortController().signal, onChange: ({ atMs }) => void told.push(atMs) },
  );
  await clock.advance(1_000);
  await driven;
  assert.deepEqual(link.done, [
    [0, '70 ms'],
    [0, 'pass'],
    [500, '70 ms'],
    [500, 'blackHole'],
    [900, '80 ms'],
    [900, 'new address'],
    [900, 'pass'],
  ]);
  assert.deepEqual(told, [0, 500, 900]);
});

test('a driver that is told to stop changes nothing more', async () => {
  const clock = new ManualClock();
  const link = paperLink(clock);
  const stopping = new AbortController();
  const changes = schedule(PROFILES.mine, { seed: 3, hours: 24 });
  const ended = assert.rejects(drive(link, changes, { clock, signal: stopping.signal }), /enough/);
  await turn();
  const before = link.done.length;
  stopping.abort(new Error('enough'));
  await ended;
  await clock.advance(DAY);
  assert.equal(link.done.length, before);
  assert.equal(clock.sleeping, 0);
});
