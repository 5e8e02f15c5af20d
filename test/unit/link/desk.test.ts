import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { aProcess, colonyError } from '../../fakes/link-parts.ts';
import { gate, life, MINUTE, newWorld, once, report, runs } from './desk-bench.ts';

describe('a process that names a blueprint', () => {
  it('is on disk before anything is done for it, logged, and closed with what is going on', () =>
    once(async ({ give, clock, looks, host, closes, outbox, colony, desk }) => {
      runs(host, 'web');
      const look = gate();
      looks.hold = look.opened;
      await give(aProcess('p1'));
      await clock.advance(200);
      assert.deepEqual(looks.looked, [['web']]);
      assert.deepEqual(
        outbox().processes.map(({ id, retries, startedAt }) => ({ id, retries, startedAt })),
        [{ id: 'p1', retries: 0, startedAt: 1_000 }],
      );
      assert.equal(desk.open, 1);
      look.open();
      await clock.advance(100);
      assert.deepEqual(closes(), [
        'closeSuccessful p1: accepted: generation 4, 1 of 2 running, replacing c1-db',
      ]);
      const log = colony.calls.indexOf('logProcess p1: taken by gw-1: reading web');
      assert.ok(log >= 0 && log < colony.calls.indexOf(closes()[0] ?? ''));
      assert.deepEqual(outbox().processes, []);
      assert.equal(desk.open, 0);
    }));

  it('waits for the report of the version that was just taken over', () =>
    once(async ({ give, clock, looks, host, closes }) => {
      runs(host, 'web');
      host.reported = [report('web', { generation: 3, doing: [] })];
      await give(aProcess('p1'));
      await clock.advance(500);
      assert.deepEqual([looks.looked.length, closes().length], [1, 0]);
      host.reported = [report('web')];
      host.looked();
      await clock.advance(0);
      assert.match(closes()[0] ?? '', /generation 4/);
    }));

  it('is one look together with all that are queued, and each is closed', () =>
    once(async ({ give, clock, looks, host, closes }) => {
      runs(host, 'web', 'db');
      for (let n = 0; n < 20; n += 1) {
        await give(aProcess(`p${n}`, { blueprintName: n % 2 === 0 ? 'web' : 'db' }));
        await clock.advance(4);
      }
      await clock.advance(500);
      assert.deepEqual(looks.looked, [['web', 'db']]);
      assert.equal(closes().length, 20);
    }));

  it('makes those that come during a look the next one', () =>
    once(async ({ give, clock, looks, host, closes }) => {
      runs(host, 'web');
      const look = gate();
      looks.hold = look.opened;
      await give(aProcess('p0'));
      await clock.advance(200);
      for (let n = 1; n <= 5; n += 1) await give(aProcess(`p${n}`));
      await clock.advance(5_000);
      assert.equal(looks.looked.length, 1);
      look.open();
      await clock.advance(1_000);
      assert.equal(looks.looked.length, 2);
      assert.equal(closes().length, 6);
    }));

  it('is closed after 30 s although the look goes on', () =>
    once(async ({ give, clock, looks, closes }) => {
      looks.hold = gate().opened;
      await give(aProcess('p1'));
      await clock.advance(29_000);
      assert.deepEqual(closes(), []);
      await clock.advance(2_000);
      assert.match(closes()[0] ?? '', /closeSuccessful p1: accepted: .*the look goes on/);
    }));

  it('says why a blueprint is not for this node', () =>
    once(async ({ give, clock, host, closes }) => {
      host.away.set('web', 'it names location stable');
      await give(aProcess('p1'));
      await clock.advance(500);
      assert.deepEqual(closes(), ['closeSuccessful p1: not assigned to this node: it names location stable']);
    }));

  it('fails with the problems of a version that was refused', () =>
    once(async ({ give, clock, host, closes }) => {
      runs(host, 'web');
      Object.assign(host.current, {
        refusals: [
          { name: 'web', problems: [{ path: 'spec.instances[0].image', message: 'must not be empty' }] },
        ],
      });
      await give(aProcess('p1'));
      await clock.advance(500);
      assert.deepEqual(closes(), [
        'closeFailed p1: refused: spec.instances[0].image must not be empty (the last valid version stays in force)',
      ]);
    }));
});

describe('other processes', () => {
  it("closes the schedule's first ones at once and holds the others: nothing is read, logged or written", () =>
    once(async ({ give, clock, host, closes, looks, store, colony, desk }) => {
      runs(host, 'web', 'db');
      const writes = store.writes;
      const ids = Array.from({ length: 16 }, (_, index) => `c${index}`);
      for (const id of ids) await give(aProcess(id, { blueprintName: '', isScheduled: true }));
      await clock.advance(50_000);
      const text = 'DockerDeployment: 2 blueprints, 2 of 4 running; web Reconciling; db Reconciling';
      assert.deepEqual(
        closes(),
        ids.slice(0, 15).map((id) => `closeSuccessful ${id}: ${text}`),
      );
      assert.equal(desk.open, 0);
      await clock.advance(10_000);
      assert.equal(closes().at(-1), `closeSuccessful c15: ${text}`);
      assert.deepEqual(looks.looked, []);
      assert.equal(colony.count('logProcess'), 0);
      assert.equal(store.writes, writes);
    }));

  it('closes what it holds back when the agent ends', () =>
    once(async ({ give, closes, end }) => {
      for (let index = 0; index < 16; index += 1)
        await give(aProcess(`c${index}`, { blueprintName: '', isScheduled: true }));
      await end();
      assert.equal(closes().length, 16);
      assert.match(closes().at(-1) ?? '', /^closeSuccessful c15: DockerDeployment: /);
    }));

  it('fails what this executor does not know, in words', () =>
    once(async ({ give, clock, closes }) => {
      await give(aProcess('p1', { funcName: 'reboot' }));
      await give(aProcess('p2', { kind: 'HelmRelease' }));
      await give(aProcess('p3', { funcName: 'cleanup', blueprintName: '' }));
      await clock.advance(100);
      assert.deepEqual(closes(), [
        'closeFailed p1: unknown function "reboot": this executor has reconcile and cleanup',
        'closeFailed p2: unknown kind "HelmRelease": this executor has DockerDeployment and ExecutorDeployment',
        'closeFailed p3: cleanup needs a blueprintName',
      ]);
    }));

  it('keeps a cleanup open until it is decided, and closes it with that', () =>
    once(async ({ give, clock, looks, closes, outbox }) => {
      const decision = gate();
      looks.hold = decision.opened;
      await give(aProcess('p1', { funcName: 'cleanup' }));
      await clock.advance(10 * MINUTE);
      assert.deepEqual(closes(), []);
      assert.equal(outbox().processes[0]?.funcName, 'cleanup');
      decision.open();
      await clock.advance(100);
      assert.deepEqual(closes(), ['closeSuccessful p1: web is gone']);
    }));

  it('reads the blueprint before a forced run, and ends as the run did', () =>
    once(async ({ give, clock, looks, host, closes }) => {
      runs(host, 'web', 'db');
      host.onForce = async (name) =>
        name === 'web'
          ? { ok: true, text: 'images pulled, 2 containers are replaced' }
          : { ok: false, text: 'cannot pull db:1: no such image; nothing was touched' };
      await give(aProcess('p1', { force: true }));
      await give(aProcess('p2', { force: true, blueprintName: 'db' }));
      await clock.advance(500);
      assert.deepEqual(looks.looked, [['web'], ['db']]);
      assert.deepEqual(closes().sort(), [
        'closeFailed p2: cannot pull db:1: no such image; nothing was touched',
        'closeSuccessful p1: images pulled, 2 containers are replaced',
      ]);
    }));

  it('never forces what is not for this node, and makes two forced runs at a time one', () =>
    once(async ({ give, clock, host, closes }) => {
      await give(aProcess('p1', { force: true }));
      await clock.advance(500);
      assert.deepEqual(host.forced, []);
      assert.match(closes()[0] ?? '', /not assigned to this node/);
      runs(host, 'web');
      const run = gate();
      host.onForce = async () => {
        await run.opened;
        return { ok: true, text: 'done' };
      };
      await give(aProcess('p2', { force: true }));
      await give(aProcess('p3', { force: true }));
      await clock.advance(500);
      run.open();
      await clock.advance(100);
      assert.deepEqual(host.forced, ['web']);
      assert.equal(closes().length, 3);
    }));

  it('does not hold a forced run for longer than ten minutes', () =>
    once(async ({ give, clock, host, closes }) => {
      runs(host, 'web');
      host.onForce = () => new Promise(() => undefined);
      await give(aProcess('p1', { force: true }));
      await clock.advance(9 * MINUTE);
      assert.deepEqual(closes(), []);
      await clock.advance(2 * MINUTE);
      assert.match(closes()[0] ?? '', /closeSuccessful p1: accepted: the images are still being pulled/);
    }));
});

describe('what the server has not accepted yet', () => {
  it('is delivered after the link came back', () =>
    once(async ({ give, clock, host, colony, connection, closes, outbox, desk }) => {
      runs(host, 'web');
      colony.failing.set('all', colonyError('COLONY_UNREACHABLE'));
      await give(aProcess('p1'));
      await clock.runUntil(() => connection.state === 'Offline', MINUTE);
      await clock.advance(40_000);
      assert.equal(outbox().processes[0]?.result?.ok, true);
      const failed = closes().length;
      colony.failing.clear();
      await clock.runUntil(() => desk.open === 0, 10 * MINUTE);
      assert.equal(closes().length, failed + 1);
      assert.deepEqual([colony.held, outbox().processes], [[], []]);
    }));

  it('is delivered by the next run after SIGKILL, without doing it again', async () => {
    const world = newWorld();
    await life(world, async ({ give, clock, host, colony }) => {
      runs(host, 'web');
      colony.failing.set('all', colonyError('COLONY_UNREACHABLE'));
      await give(aProcess('p1'));
      await clock.advance(40_000);
    });
    world.colony.failing.clear();
    await life(world, async ({ looks, closes, outbox }) => {
      assert.equal(
        closes().at(-1),
        'closeSuccessful p1: accepted: generation 4, 1 of 2 running, replacing c1-db',
      );
      assert.deepEqual(looks.looked, []);
      assert.deepEqual(outbox().processes, []);
    });
  });

  it('is done again by the next run when SIGKILL came before the end', async () => {
    const world = newWorld();
    await life(world, async ({ give, clock, looks }) => {
      looks.hold = gate().opened;
      await give(aProcess('p1', { funcName: 'cleanup' }));
      await give(aProcess('p2'));
      await clock.advance(1_000);
    });
    await life(world, async ({ clock, looks, closes, host }) => {
      await clock.advance(1_000);
      assert.deepEqual([looks.cleaned, looks.looked], [['web'], [['web']]]);
      assert.equal(closes().length, 2);
      assert.deepEqual(host.told, ['info link is up']);
    });
  });

  it('is dropped when the process was taken away meanwhile, whichever way the server says so', async () => {
    for (const code of ['COLONY_NOT_OURS', 'COLONY_CLOSED', 'COLONY_NOT_FOUND', 'COLONY_REFUSED'])
      await once(async ({ give, clock, colony, desk, outbox }) => {
        colony.failing.set('closeSuccessful', colonyError(code));
        await give(aProcess('p1'));
        await clock.advance(1_000);
        assert.equal(desk.open, 0, code);
        assert.deepEqual(outbox().processes, []);
      });
    const world = newWorld();
    await life(world, async ({ give, clock, colony }) => {
      colony.failing.set('all', colonyError('COLONY_RESET'));
      await give(aProcess('p1'));
      await clock.advance(40_000);
    });
    world.colony.failing.clear();
    world.colony.held = [];
    const before = world.colony.count('close');
    await life(world, async ({ colony, outbox, desk }) => {
      assert.equal(colony.count('close'), before);
      assert.deepEqual(outbox().processes, []);
      assert.equal(desk.open, 0);
    });
  });

  it('never closes a later assignment of the same process', async () => {
    const world = newWorld();
    await life(world, async ({ give, clock, colony }) => {
      colony.failing.set('all', colonyError('COLONY_RESET'));
      await give(aProcess('p1'));
      await clock.advance(40_000);
    });
    world.colony.failing.clear();
    world.colony.held = [aProcess('p1', { startedAt: 9_000, retries: 1 })];
    const before = world.colony.count('close');
    await life(world, async ({ clock, looks, colony }) => {
      assert.deepEqual(looks.looked, [['web']], 'the new assignment is handled anew');
      await clock.advance(1_000);
      assert.equal(colony.count('close'), before + 1);
    });
  });

  it('is tried again when the server itself fails, ever more rarely', () =>
    once(async ({ give, clock, colony, desk }) => {
      colony.failing.set('closeSuccessful', colonyError('COLONY_FAILED'));
      await give(aProcess('p1'));
      await clock.advance(60 * MINUTE);
      const tries = colony.count('closeSuccessful');
      assert.ok(tries > 10 && tries < 60, `${tries} tries in an hour`);
      colony.failing.clear();
      await clock.advance(6 * MINUTE);
      assert.equal(desk.open, 0);
    }));

  it('finds assignments whose answer was lost: at the start, after an outage, when asked, and by and by', async () => {
    const world = newWorld();
    world.colony.held = [aProcess('lost-0')];
    await life(world, async ({ clock, colony, desk, connection, host }) => {
      const isFound = (limitMs: number) => clock.runUntil(() => colony.held.length === 0, limitMs);
      assert.ok(await isFound(3_000));
      assert.equal(host.told.at(-1), 'info lost assignments found');
      const { length } = host.told;
      colony.held = [aProcess('lost-1', { blueprintName: '', isScheduled: true })];
      desk.sync();
      assert.ok(await isFound(3_000), "the schedule's is not held any longer, and is no news");
      assert.equal(host.told.length, length);
      colony.failing.set('all', colonyError('COLONY_RESET'));
      await connection
        .call((one, signal) => one.heartbeat(signal), new AbortController().signal)
        .catch(() => 0);
      await clock.runUntil(() => connection.state === 'Offline', MINUTE);
      colony.failing.clear();
      colony.held = [aProcess('lost-2')];
      await clock.runUntil(() => connection.state === 'Connected', 10 * MINUTE);
      assert.ok(await isFound(3_000));
      colony.held = [aProcess('late')];
      assert.ok(await isFound(90_000), 'what a dead long poll was given');
      colony.held = [aProcess('lost-3')];
      assert.ok(await isFound(31 * MINUTE));
    });
  });

  it('does not take a process twice when the list is read while it is being handled', () =>
    once(async ({ give, clock, looks, desk, host, closes }) => {
      const look = gate();
      looks.hold = look.opened;
      await give(aProcess('p1'));
      await clock.advance(500);
      desk.sync();
      await clock.advance(500);
      look.open();
      await clock.advance(500);
      assert.equal(looks.looked.length, 1);
      assert.equal(closes().length, 1);
      assert.deepEqual(host.told, ['info link is up']);
    }));

  it('goes on with a disk that cannot be written to, and says so once', () =>
    once(async ({ give, clock, store, host, closes }) => {
      store.refuseWrites = 'STORE_FULL';
      await give(aProcess('p1'));
      await give(aProcess('p2'));
      await clock.advance(1_000);
      assert.equal(closes().length, 2);
      store.refuseWrites = undefined;
      await give(aProcess('p3'));
      await clock.advance(1_000);
      assert.deepEqual(host.told.slice(1), [
        'error outbox cannot be saved',
        'info outbox can be saved again',
      ]);
    }));
});
