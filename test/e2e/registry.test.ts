import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { AgentUnderTest } from './support/agent.ts';
import { single } from './support/blueprints.ts';
import { Ground, WAIT } from './support/ground.ts';
import { PrivateRegistry } from './support/private-registry.ts';

const ground = new Ground('rg');
const { engine, prefix } = ground;
const name = `${prefix}-app`;
const folder = ground.folder('registries.d');
const docker = ground.folder('docker');
const bin = ground.folder('bin');
const USER = 'edge';
let password = 'first secret';
let registry: PrivateRegistry;
let agent: AgentUnderTest;
let plain = '';
let count = 0;

before(async () => {
  const bridge = await engine.call('GET', '/networks/bridge');
  const address: string = bridge.IPAM.Config[0].Gateway;
  registry = new PrivateRegistry(ground.folder('registry'), address);
  await registry.open(USER, password);
  plain = await ground.plainImage();
  helper();
  agent = await ground.startAgent({
    blueprints: { 'app.json': single(name, plain) },
    flags: ['--registries', folder, '--docker-config', docker],
    env: { PATH: `${bin}:${process.env.PATH}` },
  });
  await agent.converged();
});
beforeEach(() => {
  for (const dir of [folder, docker]) rmSync(dir, { recursive: true, force: true });
  for (const dir of [folder, docker]) mkdirSync(dir);
});
after(async () => {
  await ground.close().finally(() => registry?.close());
});

/** A credential helper that knows what stands beside it. */
function helper(): void {
  const path = join(bin, 'docker-credential-edge-test');
  writeFileSync(path, `#!/bin/sh\ncat > /dev/null\ncat ${join(bin, 'answer')}\n`);
  chmodSync(path, 0o755);
}

/** Puts a new image into the registry; its reference, and that by digest. */
async function offer(): Promise<{ tagged: string; pinned: string; digest: string }> {
  count += 1;
  const config = { Cmd: WAIT, Labels: { number: `${count}` } };
  const pushed = await registry.push(`${prefix}/app`, `${count}`, config, [USER, password]);
  const tagged = `${pushed.name}:${count}`;
  const pinned = `${pushed.name}@${pushed.digest}`;
  ground.alsoRemove({ images: [tagged, pinned, pushed.id] });
  return { tagged, pinned, digest: pushed.digest };
}

function credentials(secret = password): void {
  const text = JSON.stringify({ registry: registry.host, username: USER, password: secret });
  writeFileSync(join(folder, 'test.json'), text, { mode: 0o600 });
}

/** Asks for the image and waits until it runs. */
async function runs(image: string): Promise<void> {
  agent.write('app.json', single(name, image));
  await agent.until(
    async () => (await engine.inspect(name))?.Config.Image === image && (await agent.status()).converged,
    `${image} runs`,
  );
}

/** Asks for an image that cannot be had: says why, and the old version runs on untouched. */
async function isRefused(image: string, reason: string, message: RegExp): Promise<void> {
  const before = await engine.container(name);
  assert.equal(before.State.Running, true);
  agent.write('app.json', single(name, image));
  const waiting = async () => (await agent.blueprint(name))?.waiting[0];
  const isSaid = async () => {
    const said = await waiting();
    return said?.reason === reason && message.test(said.message) && /^\d{4}-/.test(said.nextTryAt ?? '');
  };
  await agent.until(isSaid, `${reason} is said: ${message}`);
  const now = await engine.container(name);
  assert.deepEqual([now.Id, now.State.StartedAt], [before.Id, before.State.StartedAt]);
  const everything = agent.log + JSON.stringify(await agent.status()) + (await agent.ask('/v1/events'));
  assert.ok(!everything.includes(password), 'the password is shown somewhere');
}

test('credentials from a file of the folder; that others can read it is a warning in status', async () => {
  credentials();
  const path = join(folder, 'test.json');
  chmodSync(path, 0o644);
  await runs((await offer()).tagged);
  assert.deepEqual((await agent.status()).warnings, [`${path} is open to others (mode 0644); use 0600`]);
  chmodSync(path, 0o600);
  await agent.until(({ warnings }) => warnings.length === 0, 'the warning is gone');
});

test("credentials from Docker's config.json", async () => {
  const auth = Buffer.from(`${USER}:${password}`).toString('base64');
  const auths = { [registry.host]: { auth } };
  writeFileSync(join(docker, 'config.json'), JSON.stringify({ auths }), { mode: 0o600 });
  await runs((await offer()).tagged);
});

test('credentials from a helper', async () => {
  writeFileSync(join(bin, 'answer'), JSON.stringify({ Username: USER, Secret: password }));
  const credHelpers = { [registry.host]: 'edge-test' };
  writeFileSync(join(docker, 'config.json'), JSON.stringify({ credHelpers }));
  await runs((await offer()).tagged);
});

test('without credentials it is RegistryUnauthorized, with the file that is broken', async () => {
  writeFileSync(join(folder, 'test.json'), '{ "registry": ');
  const { tagged } = await offer();
  await isRefused(
    tagged,
    'RegistryUnauthorized',
    /there are no credentials for it.*test\.json: is not valid JSON/,
  );
});

test('wrong credentials are RegistryUnauthorized; the right ones count with the next try', async () => {
  credentials('wrong');
  const { tagged } = await offer();
  await isRefused(tagged, 'RegistryUnauthorized', /refuses the credentials from .*test\.json/);
  credentials();
  agent.signal('SIGHUP');
  await runs(tagged);
});

test('a password that is changed here and there counts without a restart', async () => {
  credentials();
  await runs((await offer()).tagged);
  const { pid } = agent;
  password = 'second secret';
  registry.setPassword(USER, password);
  const { tagged } = await offer();
  await isRefused(tagged, 'RegistryUnauthorized', /refuses the credentials/);
  credentials();
  agent.signal('SIGHUP');
  await runs(tagged);
  assert.equal(agent.pid, pid);
});

test('what the registry does not have is ImageNotFound', async () => {
  credentials();
  await isRefused(`${registry.host}/${prefix}/app:never`, 'ImageNotFound', /has no .*app:never: push it/);
  await isRefused(`${registry.host}/${prefix}/nobody:1`, 'ImageNotFound', /has no .*nobody:1/);
});

test('a registry that is stopped is ImageUnavailable, and used when it is back', async () => {
  credentials();
  const { tagged } = await offer();
  await registry.stop();
  await isRefused(tagged, 'ImageUnavailable', /cannot be reached: check the link/);
  await registry.start(USER, password);
  agent.signal('SIGHUP');
  await runs(tagged);
});

test('a certificate of an authority that the engine does not know is RegistryUntrusted', async () => {
  credentials();
  const { tagged } = await offer();
  registry.trust('other');
  try {
    await isRefused(
      tagged,
      'RegistryUntrusted',
      /put its authority into \/etc\/docker\/certs\.d\/.*\/ca\.crt/,
    );
  } finally {
    registry.trust('ca');
  }
  agent.signal('SIGHUP');
  await runs(tagged);
});

test('an image by its digest runs; a digest that is not there is ImageNotFound', async () => {
  credentials();
  const { pinned } = await offer();
  await runs(pinned);
  const digest = `sha256:${'0'.repeat(64)}`;
  await isRefused(`${registry.host}/${prefix}/app@${digest}`, 'ImageNotFound', /manifest unknown/);
});

test('content that is not what its digest says is DigestMismatch', async () => {
  credentials();
  const { pinned, digest } = await offer();
  registry.damage(digest);
  await isRefused(pinned, 'DigestMismatch', /is not what .* asks for/);
});

test('doctor says which registries have credentials, from where, and what others can read', async () => {
  credentials();
  const path = join(folder, 'test.json');
  chmodSync(path, 0o644);
  const flags = ['--json', ...agent.flags()];
  const { checks } = JSON.parse((await agent.cli('doctor', ...flags)).stdout);
  const line = checks.find((check: { name: string }) => check.name === 'registries');
  assert.equal(line.state, 'warn');
  assert.ok(line.message.includes(`credentials for ${registry.host} (${path})`), line.message);
  assert.match(line.message, /open to others \(mode 0644\)/);
  agent.write('app.json', single(name, plain));
  await agent.converged();
  await agent.stop();
});
