import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createResolver, type ResolverParts } from '../../../src/cli/resolver.ts';
import { deriveId } from '../../../src/colony/identity.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/table.ts';
import { blueprintOf } from '../../../src/model/blueprint.ts';
import type { Resolution, Slot } from '../../../src/model/ports.ts';
import { CollectingLog } from '../../fakes/log.ts';

const root = mkdtempSync(join(tmpdir(), 'edge-resolver-'));
after(() => rmSync(root, { recursive: true, force: true }));
let made = 0;
const fresh = (name: string) => join(root, `${made++}-${name}`);

const KEY = '1'.repeat(64);
const SLOT = { blueprint: 'runner', index: 0, key: KEY, executorName: 'runner-1' };

/** Writes another file and puts it into the place, so that also a change within one tick of the clock is one. */
function write(path: string, content: unknown): void {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

async function configOf(over: Partial<Config>): Promise<Config> {
  const around = { hostname: 'gw', exists: () => false };
  const loaded = await loadConfig({ flags: {}, env: {}, cwd: '/', around });
  assert.ok(loaded.ok);
  return { ...loaded.config, ...over };
}

async function make(over: Partial<Config>, more: Partial<ResolverParts> = {}) {
  const log = new CollectingLog();
  const storedSlots = async (): Promise<readonly Slot[]> => [];
  const config = await configOf(over);
  return { resolver: createResolver({ config, env: {}, log, storedSlots, ...more }), log };
}

const runner = blueprintOf(
  {
    kind: 'ExecutorDeployment',
    metadata: { name: 'runner' },
    spec: { image: 'x:1', executorType: 'runner' },
  },
  { source: 'directory' },
);
const web = blueprintOf(
  {
    kind: 'DockerDeployment',
    metadata: { name: 'web' },
    spec: { instances: [{ name: 'web', image: 'nginx:1' }] },
  },
  { source: 'directory' },
);

function problemsOf(resolution: Resolution): string[] {
  if (resolution.result === 'refused') return resolution.problems.map(({ reason }) => reason);
  return resolution.result === 'ours'
    ? resolution.desired.warnings.map(({ reason }) => reason)
    : ['elsewhere'];
}

function serviceOf(resolution: Resolution) {
  assert.ok(resolution.result === 'ours', JSON.stringify(resolution));
  return resolution.desired.services[0];
}

describe('executor identities', () => {
  test('a slot file that was never good holds back executors, and nothing else', async () => {
    const slots = fresh('slots.json');
    write(slots, '{"slots": [');
    const { resolver, log } = await make({ slots });
    for (let round = 0; round < 3; round++) {
      const resolve = await resolver();
      assert.equal(resolve(web).result, 'ours');
      const refused = resolve(runner);
      assert.equal(refused.result, 'refused');
      assert.deepEqual(problemsOf(refused), ['SlotsInvalid']);
    }
    assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1, 'it is said once');
  });

  test('a slot file that breaks leaves the identities of before in force, with a warning, until it is mended', async () => {
    const slots = fresh('slots.json');
    write(slots, { slots: [SLOT] });
    const { resolver, log } = await make({ slots });
    const before = serviceOf((await resolver())(runner));
    assert.equal(before?.container.env.COLONIES_EXECUTOR_ID, deriveId(KEY));
    write(slots, '');
    const broken = (await resolver())(runner);
    assert.deepEqual(serviceOf(broken), before);
    assert.deepEqual(problemsOf(broken), ['SlotsInvalid']);
    rmSync(slots);
    assert.deepEqual(serviceOf((await resolver())(runner)), before);
    write(slots, { slots: [{ ...SLOT, executorName: 'runner-2' }] });
    const mended = (await resolver())(runner);
    assert.equal(serviceOf(mended)?.executorName, 'runner-2');
    assert.deepEqual(problemsOf(mended), []);
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      [
        'executor identities cannot be read',
        'executor identities cannot be read',
        'executor identities can be read again',
      ],
      'once for each fault, and once when it is over',
    );
    assert.ok(!JSON.stringify(log.lines).includes(KEY));
  });

  test('stored identities serve beside the file, and when they cannot be read hold back executors only', async () => {
    const slots = fresh('slots.json');
    write(slots, { slots: [SLOT] });
    const spare = { ...SLOT, blueprint: 'other', id: 'f'.repeat(64), containerName: 'other-f' };
    let stored: () => Promise<readonly Slot[]> = async () => [{ ...spare, registered: true, approved: true }];
    const { resolver } = await make({ slots }, { storedSlots: () => stored() });
    const other = { ...runner, name: 'other' };
    const resolve = await resolver();
    assert.equal(serviceOf(resolve(runner))?.executorName, 'runner-1');
    assert.equal(serviceOf(resolve(other))?.containerName, 'other-f');
    stored = () => Promise.reject(new Error('both copies are damaged'));
    assert.equal(serviceOf((await resolver())(other))?.containerName, 'other-f');
    const anew = await make({}, { storedSlots: () => stored() });
    const resolveAnew = await anew.resolver();
    assert.deepEqual(problemsOf(resolveAnew(runner)), ['SlotsInvalid']);
    assert.equal(resolveAnew(web).result, 'ours');
  });

  test('a command that someone waits for says at once what is wrong', async () => {
    const slots = fresh('slots.json');
    write(slots, '[]');
    const { resolver } = await make({ slots }, { strict: true });
    await assert.rejects(resolver(), { code: 'SLOTS_INVALID', message: /slots must be a list/ });
  });

  test('how a missing identity comes to be depends on what is at hand', async () => {
    const holdOf = async (over: Partial<Config>, env: Record<string, string> = {}) =>
      serviceOf((await (await make(over, { env })).resolver())(runner))?.hold;
    assert.equal((await holdOf({}))?.reason, 'WaitingForRegistration');
    const server = { server: 'https://colony.example', colony: 'dev' };
    const keyless = await holdOf(server);
    assert.equal(keyless?.reason, 'OwnerKeyMissing');
    assert.match(keyless?.message ?? '', /--owner-key-file/);
    for (const found of [
      await holdOf({ ...server, ownerKeyFile: '/run/owner.key' }),
      await holdOf(server, { COLONIES_COLONY_PRVKEY: KEY }),
    ]) {
      assert.equal(found?.reason, 'WaitingForRegistration');
      assert.match(found?.message ?? '', /registered as soon as the server can be reached/);
    }
  });

  test('executors get the address of the server that is configured', async () => {
    const { resolver } = await make({ server: 'https://colony.example', colony: 'dev' });
    const env = serviceOf((await resolver())(runner))?.container.env ?? {};
    assert.deepEqual(
      [env.COLONIES_SERVER_HOST, env.COLONIES_SERVER_PORT, env.COLONIES_TLS],
      ['colony.example', '443', 'true'],
    );
  });
});

describe('policy and overlays', () => {
  const POLICY = 'allowedImages: ["busybox:*"]\n';

  test('are read again when they changed, also when the time of the change was set back', async () => {
    const policy = fresh('policy.yaml');
    write(policy, POLICY);
    const { resolver } = await make({ policy });
    assert.equal((await resolver())(web).result, 'refused');
    write(policy, 'allowedImages: ["nginx:*"]\n');
    assert.equal((await resolver())(web).result, 'ours');
    const { atime, mtime } = statSync(policy);
    const before = statSync(policy, { bigint: true }).ctimeNs;
    writeFileSync(policy, 'allowedImages: ["abcde:*"]\n');
    utimesSync(policy, atime, mtime);
    assert.notEqual(statSync(policy, { bigint: true }).ctimeNs, before);
    assert.equal(
      (await resolver())(web).result,
      'refused',
      'a time that was set back does not hide a change',
    );
  });

  test('one that breaks is an error that names it, and not "everything allowed"', async () => {
    const policy = fresh('policy.yaml');
    write(policy, POLICY);
    const { resolver } = await make({ policy });
    await resolver();
    write(policy, 'allowedImages: 5\n');
    await assert.rejects(resolver(), { target: policy });
    rmSync(policy);
    await assert.rejects(resolver(), { code: 'FILE_UNREADABLE', target: policy });
    write(policy, POLICY);
    assert.equal((await resolver())(web).result, 'refused');
  });
});
