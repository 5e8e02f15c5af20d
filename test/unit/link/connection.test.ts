import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createConnection, type LiveConnection } from '../../../src/link/connection.ts';
import type { Away } from '../../../src/link/parts.ts';
import type { ColonyExecutor, ColonyOwner } from '../../../src/model/colony.ts';
import type { LinkState } from '../../../src/model/link.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { colonyError, FakeColony, FakeHost, linkSettings } from '../../fakes/link-parts.ts';
import { CollectingLog } from '../../fakes/log.ts';
import { seededRandom } from '../../fakes/random.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

interface Bench {
  clock: ManualClock;
  colony: FakeColony;
  user: FakeColony;
  host: FakeHost;
  connection: LiveConnection;
  ups: (Away | undefined)[];
  approvals: string[];
  network: { now: string };
  renewed: { colony?: FakeColony };
  signal: AbortSignal;
  until(state: LinkState, limitMs?: number): Promise<void>;
}

interface Options {
  linkClass?: 'normal' | 'metered';
  owner?: (colony: FakeColony) => void | Promise<void>;
  withUser?: boolean;
  before?(colony: FakeColony): void;
}

const executor = (state: ColonyExecutor['state'], id = 'e'.repeat(64)): ColonyExecutor => ({
  id,
  name: 'gw-1',
  type: 'docker-reconciler',
  location: 'barn',
  state,
  lastHeardAt: undefined,
});

async function bench(options: Options, body: (bench: Bench) => Promise<void>): Promise<void> {
  const clock = new ManualClock();
  const colony = new FakeColony(clock);
  const user = new FakeColony(clock, 'f'.repeat(64));
  colony.registered = [executor('approved')];
  options.before?.(colony);
  const host = new FakeHost();
  const network = { now: 'eth0 10.0.0.1' };
  const renewed: Bench['renewed'] = {};
  const approvals: string[] = [];
  const owner: ColonyOwner = {
    addExecutor: async () => assert.fail('not asked for'),
    removeExecutor: async () => assert.fail('not asked for'),
    async approveExecutor(name) {
      approvals.push(name);
      await options.owner?.(colony);
    },
    close: async () => undefined,
  };
  const connection = createConnection({
    colony,
    ...(options.withUser === true ? { user } : {}),
    ...(options.owner === undefined ? {} : { owner }),
    reloadKey: async () => renewed.colony,
    addresses: () => network.now,
    clock,
    random: seededRandom(7),
    log: new CollectingLog(),
    settings: linkSettings({ linkClass: options.linkClass ?? 'normal' }),
  });
  const ups: (Away | undefined)[] = [];
  connection.onUp((away) => ups.push(away));
  const stop = new AbortController();
  const { signal } = stop;
  const running = connection.run(host, signal);
  const until = async (state: LinkState, limitMs = 10 * MINUTE) => {
    const isThere = await clock.runUntil(() => connection.state === state, limitMs);
    assert.ok(isThere, `${state} was not reached, but ${connection.state}: ${host.told.join(', ')}`);
  };
  try {
    await body({ clock, colony, user, host, connection, ups, approvals, network, renewed, signal, until });
  } finally {
    stop.abort(new Error('the test is over'));
    await running;
  }
}

/** Every call fails, as on a dead link. */
function cut(colony: FakeColony, code = 'COLONY_RESET'): void {
  colony.failing.clear();
  colony.failing.set('all', colonyError(code));
}

/** The server takes the key for a stranger's, and tells its state to whoever asks. */
function refuse(colony: FakeColony, state: ColonyExecutor['state'] | 'unknown'): void {
  for (const method of ['heartbeat', 'assign', 'listBlueprints', 'updateStatus'] as const)
    colony.failing.set(method, colonyError('COLONY_FORBIDDEN'));
  colony.registered = state === 'unknown' ? [] : [executor(state)];
}

function accept(colony: FakeColony): void {
  colony.failing.clear();
  colony.registered = [executor('approved')];
}

/** A call as the lanes make it, whose failure is not their end. */
const beat = ({ connection, signal }: Bench) =>
  connection.call((colony, inner) => colony.heartbeat(inner), signal).catch((error) => error);

describe('the link to the server', () => {
  it('connects within five seconds of the start and says so once', () =>
    bench({}, async ({ until, host, ups, connection, clock }) => {
      assert.equal(connection.state, 'Connecting');
      await until('Connected', 5_000);
      await clock.advance(HOUR);
      assert.deepEqual(host.told, ['info link is up']);
      assert.deepEqual(ups, [undefined]);
      assert.equal(connection.view().nextTryAt, undefined);
    }));

  const causes = {
    COLONY_DNS: 'dns',
    COLONY_REFUSED_CONNECTION: 'refused',
    COLONY_UNREACHABLE: 'unreachable',
    COLONY_TIMEOUT: 'timeout',
    COLONY_RESET: 'reset',
    COLONY_TLS: 'tls',
    COLONY_CLOCK: 'clock',
    COLONY_CAPTIVE_PORTAL: 'captive portal',
    COLONY_PROXY: 'proxy',
    COLONY_GATEWAY: 'gateway',
    TLS_FILE_UNREADABLE: 'tls',
    COLONY_FAILED: 'server',
    COLONY_PROTOCOL: 'server',
  };
  for (const [code, cause] of Object.entries(causes))
    it(`is offline because of "${cause}" after ${code}, and comes back by itself`, () =>
      bench({}, async (all) => {
        const { colony, connection, until, host, ups } = all;
        await until('Connected');
        cut(colony, code);
        assert.equal((await beat(all)).code, code);
        await until('Offline');
        assert.equal(connection.view().cause, cause);
        assert.match(connection.view().lastError ?? '', new RegExp(code));
        assert.notEqual(connection.view().nextTryAt, undefined);
        accept(colony);
        await until('Connected');
        assert.deepEqual(host.told, ['info link is up', 'warn link is down', 'info link is up']);
        assert.equal(host.events[1]?.fields.cause, cause);
        assert.equal(ups.length, 2);
      }));

  it('says nothing while it stays offline, and tries ever more rarely', () =>
    bench({}, async (all) => {
      const { colony, host, clock, until } = all;
      await until('Connected');
      cut(colony);
      await beat(all);
      await until('Offline');
      const told = host.told.length;
      const before = colony.count('heartbeat');
      await clock.advance(10 * HOUR);
      assert.equal(host.told.length, told);
      const tries = colony.count('heartbeat') - before;
      assert.ok(tries > 10 * 12 && tries < 10 * 60, `${tries} attempts in ten hours`);
    }));

  it('takes one broken connection for no outage, and holds callers until it knows', () =>
    bench({}, async (all) => {
      const { colony, connection, host, until, clock, signal } = all;
      await until('Connected');
      const failed = connection.call(async () => {
        throw colonyError('COLONY_RESET');
      }, signal);
      await assert.rejects(failed, { code: 'COLONY_RESET' });
      let isThrough = false;
      void connection.whenUp(signal).then(() => {
        isThrough = true;
      });
      await clock.advance(0);
      assert.equal(isThrough, false);
      const before = colony.count('heartbeat');
      await clock.advance(2_000);
      assert.equal(isThrough, true);
      assert.equal(colony.count('heartbeat'), before + 1);
      assert.deepEqual(host.told, ['info link is up']);
    }));

  it('asks nothing of the link after an answer that concerns one call', () =>
    bench({}, async ({ colony, connection, until, clock, signal }) => {
      await until('Connected');
      for (const code of ['COLONY_NO_PROCESS', 'COLONY_PAUSED', 'COLONY_NOT_FOUND', 'COLONY_NOT_OURS']) {
        const call = connection.call(async () => {
          throw colonyError(code);
        }, signal);
        await assert.rejects(call, { code });
      }
      const before = colony.count('heartbeat');
      await clock.advance(MINUTE);
      assert.equal(colony.count('heartbeat'), before);
    }));

  it('waits at least as long as the server asks', () =>
    bench({}, async (all) => {
      const { colony, clock, until } = all;
      await until('Connected');
      colony.failing.set('all', colonyError('COLONY_GATEWAY', { retryAfterMs: 120_000 }));
      await beat(all);
      await until('Offline');
      const before = colony.count('heartbeat');
      await clock.advance(119_000);
      assert.equal(colony.count('heartbeat'), before);
      accept(colony);
      await until('Connected', 10_000);
    }));

  it('tells how long it was away by the clock that does not jump', () =>
    bench({}, async (all) => {
      const { colony, clock, until, ups } = all;
      await until('Connected');
      cut(colony);
      await beat(all);
      await until('Offline');
      await clock.advance(20 * MINUTE);
      clock.jumpWall(56 * 365 * 24 * HOUR);
      accept(colony);
      await until('Connected');
      const away = ups[1];
      assert.ok(away !== undefined);
      assert.ok(away.until - away.since >= 20 * MINUTE && away.until - away.since < 26 * MINUTE);
      assert.equal(away.until, clock.now());
    }));

  it('tries again soon after the machine got another address', () =>
    bench({}, async (all) => {
      const { colony, clock, until, network, connection } = all;
      await until('Connected');
      cut(colony, 'COLONY_UNREACHABLE');
      await beat(all);
      await clock.advance(2 * HOUR);
      accept(colony);
      network.now = 'wwan0 10.64.1.9';
      await until('Connected', 7_000);
      assert.equal(connection.state, 'Connected');
    }));

  it('gives up calls of a network that is gone, and says it was the link', () =>
    bench({}, async ({ connection, until, network, clock, signal, host }) => {
      await until('Connected');
      const hanging = connection.call(
        (_colony, inner) =>
          new Promise((_resolve, reject) => inner.addEventListener('abort', () => reject(inner.reason))),
        signal,
      );
      const outcome = assert.rejects(hanging, { code: 'COLONY_RESET' });
      network.now = 'wwan0 10.64.1.9';
      await clock.advance(7_000);
      await outcome;
      assert.deepEqual(host.told, ['info link is up']);
    }));
});

describe('a key that the server refuses', () => {
  it('waits for approval, and connects at the first attempt after it', () =>
    bench(
      { before: (colony) => refuse(colony, 'pending') },
      async ({ until, colony, connection, host, clock }) => {
        await until('PendingApproval');
        assert.match(connection.view().lastError ?? '', /owner has to approve gw-1/);
        await clock.advance(30 * MINUTE);
        accept(colony);
        await until('Connected', 20_000);
        assert.deepEqual(host.told, ['warn registration waits for approval', 'info link is up']);
      },
    ));

  it('tells a rejected registration from one that waits', () =>
    bench({ before: (colony) => refuse(colony, 'rejected') }, async ({ until, connection }) => {
      await until('PendingApproval');
      assert.match(connection.view().lastError ?? '', /was rejected/);
    }));

  it('is unregistered after a sweep, and catches the window after an approval within 20 s', () =>
    bench({}, async (all) => {
      const { colony, until, ups, clock, host } = all;
      await until('Connected');
      refuse(colony, 'unregistered');
      await beat(all);
      await until('Unregistered');
      for (let attempt = 0; attempt < 100; attempt += 1) {
        const before = colony.count('heartbeat');
        await clock.advance(20_000);
        assert.ok(colony.count('heartbeat') > before, 'no attempt within 20 s');
      }
      accept(colony);
      await until('Connected', 20_000);
      assert.equal(ups.length, 2);
      assert.deepEqual(host.told, ['info link is up', 'warn registration was lost', 'info link is up']);
    }));

  it('asks for its own state once per change, not at each attempt', () =>
    bench({ before: (colony) => refuse(colony, 'unregistered') }, async ({ colony, until, clock }) => {
      await until('Unregistered');
      await clock.advance(9 * MINUTE);
      assert.equal(colony.count('executors'), 1);
      assert.ok(colony.count('heartbeat') >= 27);
      colony.registered = [];
      await clock.advance(3 * MINUTE);
      assert.equal(colony.count('executors'), 2);
      await until('UnknownKey', 0);
    }));

  it('goes through offline and back to the same refusal', () =>
    bench({}, async (all) => {
      const { colony, until } = all;
      await until('Connected');
      refuse(colony, 'unregistered');
      await beat(all);
      await until('Unregistered');
      cut(colony, 'COLONY_TIMEOUT');
      await until('Offline');
      colony.failing.clear();
      refuse(colony, 'unregistered');
      await until('Unregistered');
      accept(colony);
      await until('Connected');
    }));

  for (const [linkClass, mostMs] of [
    ['normal', 20_000],
    ['metered', 300_000],
  ] as const)
    it(`tries at most every ${mostMs / 1000} s on a ${linkClass} link after the first hours`, () =>
      bench(
        { linkClass, before: (colony) => refuse(colony, 'pending') },
        async ({ colony, clock, until }) => {
          await until('PendingApproval');
          await clock.advance(6 * HOUR);
          const before = colony.count('heartbeat');
          await clock.advance(10 * HOUR);
          const tries = colony.count('heartbeat') - before;
          const fewest = (10 * HOUR) / mostMs;
          assert.ok(tries >= fewest && tries <= fewest * 1.34, `${tries} attempts in ten hours`);
        },
      ));

  it('revives itself with the owner key, and again when the sweep was faster', () => {
    let sweeps = 2;
    return bench(
      {
        owner: (colony) => {
          if (sweeps > 0) sweeps -= 1;
          else accept(colony);
        },
      },
      async (all) => {
        const { colony, until, approvals, host } = all;
        await until('Connected');
        refuse(colony, 'unregistered');
        await beat(all);
        await all.clock.advance(2_500);
        await until('Connected', 30_000);
        assert.deepEqual(approvals, ['gw-1', 'gw-1', 'gw-1']);
        assert.equal(host.told.at(-1), 'info link is up');
      },
    );
  });

  it('never approves what the owner rejected, nor an entry that is not its own', async () => {
    await bench({ owner: accept, before: (colony) => refuse(colony, 'rejected') }, async (all) => {
      await all.until('PendingApproval');
      await all.clock.advance(HOUR);
      assert.deepEqual(all.approvals, []);
    });
    await bench({ owner: accept, before: (colony) => refuse(colony, 'unknown') }, async (all) => {
      all.colony.registered = [executor('pending', 'a'.repeat(64))];
      await all.until('UnknownKey');
      await all.clock.advance(HOUR);
      assert.deepEqual(all.approvals, []);
    });
  });

  it('says what is wrong with an owner key that is not taken', () =>
    bench(
      {
        owner: () => {
          throw colonyError('COLONY_FORBIDDEN');
        },
        before: (colony) => refuse(colony, 'unregistered'),
      },
      async ({ until, connection, clock, host }) => {
        await until('Unregistered');
        assert.match(connection.view().lastError ?? '', /owner's key of this node/);
        await clock.advance(HOUR);
        assert.equal(host.told.length, 1);
      },
    ));

  it('works as a member with a user key meanwhile, and stops when that is refused too', () =>
    bench({ withUser: true }, async (all) => {
      const { colony, user, connection, until, signal } = all;
      await until('Connected');
      refuse(colony, 'unregistered');
      await beat(all);
      await until('Unregistered');
      await connection.whenMember(signal);
      const list = () =>
        connection.memberCall(
          (one, inner) => one.listBlueprints('DockerDeployment', undefined, inner),
          signal,
        );
      await list();
      assert.deepEqual([colony.count('list'), user.count('list')], [0, 1]);
      user.failing.set('listBlueprints', colonyError('COLONY_FORBIDDEN'));
      await assert.rejects(list(), { code: 'COLONY_FORBIDDEN' });
      let isMember = false;
      void connection.whenMember(signal).then(
        () => {
          isMember = true;
        },
        () => undefined,
      );
      await all.clock.advance(MINUTE);
      assert.equal(isMember, false);
      accept(colony);
      await until('Connected', 20_000);
      const listed = list();
      await all.clock.advance(5_000);
      await listed;
      assert.equal(colony.count('list'), 1);
    }));

  it('is unknown without a key that it could sign with, and connects soon after there is one', () =>
    bench({ before: (colony) => colony.failing.set('all', colonyError('KEY_MISSING')) }, async (all) => {
      const { colony, connection, until, clock, host } = all;
      await until('UnknownKey', 5_000);
      assert.match(connection.view().lastError ?? '', /KEY_MISSING/);
      await clock.advance(HOUR / 2);
      assert.deepEqual(host.told, ['warn key is unknown to the colony']);
      assert.equal(colony.count('executors'), 0, 'there is nobody to ask about');
      accept(colony);
      await until('Connected', 20_000);
    }));

  it('is unknown after its key was changed elsewhere, and goes on with the new one once it is on disk', () =>
    bench({}, async (all) => {
      const { colony, until, connection, renewed, clock } = all;
      await until('Connected');
      refuse(colony, 'unknown');
      colony.failing.set('executors', colonyError('COLONY_FORBIDDEN'));
      await beat(all);
      await until('UnknownKey');
      assert.match(connection.view().lastError ?? '', new RegExp('e'.repeat(64)));
      renewed.colony = new FakeColony(clock, 'd'.repeat(64));
      await until('Connected', 20_000);
      assert.equal(connection.id, 'd'.repeat(64));
      assert.equal(colony.isClosed, true);
    }));

  it('never shows the old key as unknown when the new one is there already', () =>
    bench({}, async (all) => {
      const { colony, until, renewed, clock, host } = all;
      await until('Connected');
      renewed.colony = new FakeColony(clock, 'd'.repeat(64));
      refuse(colony, 'unknown');
      await beat(all);
      await clock.advance(3_000);
      await until('Connected');
      assert.deepEqual(host.told, ['info link is up', 'info key was changed']);
    }));
});
