import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { describe, it } from 'node:test';
import { createConnection, type LiveConnection } from '../../../src/link/connection.ts';
import type { Desk } from '../../../src/link/desk.ts';
import { createFunctionsLane } from '../../../src/link/functions.ts';
import { createPoll, type Poll } from '../../../src/link/poll.ts';
import type { ColonyProcess } from '../../../src/model/colony.ts';
import type { LinkClass } from '../../../src/model/link.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { aProcess, colonyError, FakeColony, FakeHost, linkSettings } from '../../fakes/link-parts.ts';
import { CollectingLog } from '../../fakes/log.ts';
import { seededRandom } from '../../fakes/random.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STALE = 10 * MINUTE;

interface Bench {
  clock: ManualClock;
  colony: FakeColony;
  connection: LiveConnection;
  poll: Poll;
  taken: ColonyProcess[];
  syncs: () => number;
}

async function bench(linkClass: LinkClass, body: (bench: Bench) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const colony = new FakeColony(clock);
  const host = new FakeHost();
  const parts = {
    colony,
    clock,
    random: seededRandom(11),
    log: new CollectingLog(),
    settings: linkSettings({ linkClass, staleAfterMs: STALE }),
  };
  const connection = createConnection(parts);
  const taken: ColonyProcess[] = [];
  let syncs = 0;
  const desk: Desk = {
    take: (process) => taken.push(process),
    sync: () => {
      syncs += 1;
    },
    open: 0,
    run: async () => undefined,
  };
  const poll = createPoll(parts, connection, desk);
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const lanes = [connection, poll, createFunctionsLane(parts, connection)];
  const running = Promise.all(lanes.map((lane) => lane.run(host, stop.signal)));
  try {
    await clock.runUntil(() => connection.state === 'Connected', MINUTE);
    await clock.advance(0);
    await body({ clock, colony, connection, poll, taken, syncs: () => syncs });
  } finally {
    stop.abort(new Error('the test is over'));
    await running;
  }
}

/** Longest time without an assign of either form, while `ms` pass. */
async function longestSilence({ clock, colony }: Bench, ms: number): Promise<number> {
  let longest = 0;
  let silentMs = 0;
  for (let past = 0; past < ms; past += 1_000) {
    const before = colony.count('assign') + colony.count('heartbeat');
    await clock.advance(1_000);
    silentMs = colony.count('assign') + colony.count('heartbeat') === before ? silentMs + 1_000 : 0;
    longest = Math.max(longest, silentMs);
  }
  return longest;
}

describe('polling on a normal link', () => {
  it('waits on the server, one poll after the other, and needs no heartbeat', () =>
    bench('normal', async ({ clock, colony }) => {
      const beats = colony.count('heartbeat');
      await clock.advance(HOUR);
      assert.equal(colony.count('assign 50'), HOUR / 50_000 + 1);
      assert.equal(colony.count('heartbeat'), beats);
      assert.equal(colony.count('assign 0'), 0);
    }));

  it('hands over what comes at once, and what is queued one after the other', () =>
    bench('normal', async ({ clock, colony, taken }) => {
      await clock.advance(20_000);
      colony.submit(aProcess('p1'));
      await clock.advance(0);
      assert.deepEqual(
        taken.map(({ id }) => id),
        ['p1'],
      );
      for (let n = 2; n <= 30; n += 1) colony.submit(aProcess(`p${n}`));
      await clock.advance(100);
      assert.equal(taken.length, 30);
    }));

  it('sends heartbeats while the polls are kept from the server', () =>
    bench('normal', async (all) => {
      all.colony.holding.set('assign', new Promise(() => undefined));
      await all.clock.advance(MINUTE);
      const beats = all.colony.count('heartbeat');
      const silentMs = await longestSilence(all, HOUR);
      assert.ok(silentMs <= STALE / 3, `silent for ${silentMs} ms`);
      assert.ok(all.colony.count('heartbeat') - beats <= 23);
    }));

  it('polls on while the colony is paused, and shows that', () =>
    bench('normal', async ({ clock, colony, poll }) => {
      assert.equal(poll.isPaused, false);
      colony.failing.set('assign', colonyError('COLONY_PAUSED'));
      await clock.advance(10 * MINUTE);
      assert.equal(poll.isPaused, true);
      colony.failing.clear();
      await clock.advance(5 * MINUTE);
      assert.equal(poll.isPaused, false);
    }));

  it('makes no busy loop when answers come without waiting', () =>
    bench('normal', async ({ clock, colony }) => {
      const before = colony.count('assign');
      colony.assign = async (waitS) => {
        colony.calls.push(`assign ${waitS}`);
        throw colonyError('COLONY_NO_PROCESS');
      };
      await clock.advance(HOUR);
      const polls = colony.count('assign') - before;
      assert.ok(polls < 60, `${polls} polls in an hour`);
    }));

  it('has the list of held processes read after a poll whose answer was lost', () =>
    bench('normal', async ({ clock, colony, syncs, connection }) => {
      const before = syncs();
      colony.failing.set('assign', colonyError('COLONY_RESET'));
      await clock.advance(50_000);
      assert.ok(syncs() > before);
      colony.failing.clear();
      await clock.advance(10_000);
      assert.equal(connection.state, 'Connected');
    }));

  it('stops while offline and goes on at once afterwards', () =>
    bench('normal', async ({ clock, colony, connection, taken }) => {
      colony.failing.set('all', colonyError('COLONY_UNREACHABLE'));
      await clock.runUntil(() => connection.state === 'Offline', 5 * MINUTE);
      const before = colony.count('assign');
      await clock.advance(HOUR);
      assert.equal(colony.count('assign'), before);
      colony.failing.clear();
      colony.submit(aProcess('p1'));
      await clock.runUntil(() => connection.state === 'Connected', 6 * MINUTE);
      await clock.advance(2_000);
      assert.equal(taken.length, 1);
    }));
});

describe('polling on a metered link', () => {
  it('just stays registered: three to four calls in each stale time, none of them waits', () =>
    bench('metered', async (all) => {
      const before = all.colony.calls.length;
      const silentMs = await longestSilence(all, 10 * HOUR);
      assert.ok(silentMs <= STALE / 3, `silent for ${silentMs} ms`);
      assert.equal(all.colony.count('assign 50'), 0);
      const calls = (all.colony.calls.length - before) / 10;
      assert.ok(calls <= 26, `${calls} calls in an hour`);
    }));

  it('takes the queue empty on connect and twice an hour, fifty at most', () =>
    bench('metered', async ({ clock, colony, taken }) => {
      for (let n = 0; n < 60; n += 1) colony.submit(aProcess(`p${n}`));
      await clock.advance(20 * MINUTE);
      assert.equal(taken.length, 0);
      await clock.advance(13 * MINUTE);
      assert.equal(taken.length, 50);
      await clock.advance(33 * MINUTE);
      assert.equal(taken.length, 60);
    }));

  it('can be switched while running, both ways', () =>
    bench('metered', async ({ clock, colony, connection, taken }) => {
      await clock.advance(MINUTE);
      connection.setLinkClass('normal');
      await clock.advance(1_000);
      colony.submit(aProcess('p1'));
      await clock.advance(1_000);
      assert.equal(taken.length, 1);
      connection.setLinkClass('metered');
      await clock.advance(MINUTE);
      const polls = colony.count('assign 50');
      await clock.advance(HOUR);
      assert.equal(colony.count('assign 50'), polls);
    }));
});

describe('the functions of this executor', () => {
  it('are listed at the start, and again after the registration was lost, but not after each outage', () =>
    bench('normal', async ({ clock, colony, connection }) => {
      const listed = () => colony.calls.filter((call) => call.startsWith('ensureFunction'));
      assert.deepEqual(listed(), ['ensureFunction gw-1 reconcile', 'ensureFunction gw-1 cleanup']);
      colony.failing.set('all', colonyError('COLONY_RESET'));
      await clock.runUntil(() => connection.state === 'Offline', MINUTE * 2);
      colony.failing.clear();
      await clock.runUntil(() => connection.state === 'Connected', 6 * MINUTE);
      await clock.advance(MINUTE);
      assert.equal(listed().length, 2);
      for (const method of ['heartbeat', 'assign'] as const)
        colony.failing.set(method, colonyError('COLONY_FORBIDDEN'));
      await clock.runUntil(() => connection.state === 'UnknownKey', 2 * MINUTE);
      colony.failing.clear();
      await clock.runUntil(() => connection.state === 'Connected', MINUTE);
      await clock.advance(1_000);
      assert.equal(listed().length, 4);
    }));
});
