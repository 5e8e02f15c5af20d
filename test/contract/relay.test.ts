import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer, get, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import type { RelayState } from '../../src/model/relay.ts';
import { Control, savedTarget } from '../../src/relay/control.ts';
import { Relay } from '../../src/relay/relay.ts';
import { createRelays } from '../../src/relay/relays.ts';

/** Two containers, each an address of this machine with the same port. */
const OLD = 'aaaaaaaaaaaa';
const NEW = 'bbbbbbbbbbbb';
const ADDRESS: Record<string, string> = { [OLD]: '127.0.0.2', [NEW]: '127.0.0.3' };

let dir: string;
let open: (() => unknown)[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'relay-'));
  open = [() => rmSync(dir, { recursive: true, force: true })];
});
afterEach(async () => {
  for (const close of open.reverse()) await close();
});

/** A free port of this machine. */
async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A relay that listens on `listen` and passes on to port `to`; nothing is there yet. */
async function relay(onChange: () => void = () => undefined) {
  const [listen, to] = [await freePort(), await freePort()];
  const made: Relay = new Relay({
    ports: [{ listen, to }],
    addressOf: async (id) => ADDRESS[id],
    forget: () => undefined,
    onChange: () => onChange(),
  });
  await made.listen();
  open.push(() => made.close(0));
  return { relay: made, listen, to };
}

/** A web server that answers with its name, at a container's address. */
async function serve(id: string, port: number, body = id): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/slow') {
      response.write('begun ');
      server.once('finish-slow', () => response.end('done'));
    } else response.end(body);
  }).listen(port, ADDRESS[id]);
  await once(server, 'listening');
  open.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  return server;
}

/** The body of an answer; rejects when the connection fails. */
function ask(port: number, agent?: Agent, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, agent: agent ?? false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('connections go to the target, and new ones to the next', async () => {
  const { relay: made, listen, to } = await relay();
  await serve(OLD, to);
  await serve(NEW, to);
  made.target = OLD;
  assert.equal(await ask(listen), OLD);
  made.target = NEW;
  assert.equal(await ask(listen), NEW);
});

test('a connection that is kept open goes over between two requests, and its client notices nothing', async () => {
  const { relay: made, listen, to } = await relay();
  const old = await serve(OLD, to);
  await serve(NEW, to);
  made.target = OLD;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  open.push(() => agent.destroy());
  assert.equal(await ask(listen, agent), OLD);
  const [socket] = Object.values(agent.freeSockets).flat() as Socket[];
  made.target = NEW;
  // As a container does that is stopped.
  old.close();
  old.closeAllConnections();
  await until(() => made.state().draining.length === 0);
  assert.equal(await ask(listen, agent), NEW);
  assert.equal(Object.values(agent.freeSockets).flat()[0], socket, 'it is the same connection');
});

test('an answer under way is brought to its end by the one that began it, and counts as in use', async () => {
  const { relay: made, listen, to } = await relay();
  const old = await serve(OLD, to);
  await serve(NEW, to);
  made.target = OLD;
  const slow = ask(listen, undefined, '/slow');
  await until(() => made.open === 1 && old.listenerCount('finish-slow') === 1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  made.target = NEW;
  const [draining] = made.state().draining;
  assert.deepEqual([draining?.id, draining?.inUse], [OLD, 1]);
  assert.equal(await ask(listen), NEW);
  old.emit('finish-slow');
  assert.equal(await slow, 'begun done');
  await until(() => made.state().draining.length === 0);
});

test('what is no HTTP stays with its container until it ends', async () => {
  const { relay: made, listen, to } = await relay();
  const heard: string[] = [];
  for (const id of [OLD, NEW]) {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => heard.push(`${id} ${chunk}`));
      socket.write('hello');
    }).listen(to, ADDRESS[id]);
    await once(server, 'listening');
    open.push(() => server.close());
  }
  made.target = OLD;
  const client = connect(listen, '127.0.0.1');
  open.push(() => client.destroy());
  await once(client, 'data');
  made.target = NEW;
  client.write('more');
  await until(() => heard.length === 1);
  assert.deepEqual(heard, [`${OLD} more`]);
  assert.equal(made.state().draining[0]?.inUse, 1);
  client.destroy();
  await until(() => made.state().draining.length === 0);
});

test('a connection is held while nobody serves, and passed on when somebody does', async () => {
  const { relay: made, listen, to } = await relay();
  const answer = ask(listen);
  await until(() => made.open === 1);
  made.target = NEW;
  await serve(NEW, to);
  assert.equal(await answer, NEW);
});

test('a half-closed connection still brings its answer, whole', async () => {
  const { relay: made, listen, to } = await relay();
  const much = Buffer.alloc(5_000_000, 'x');
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.resume().on('end', () => socket.end(much));
  }).listen(to, ADDRESS[OLD]);
  await once(server, 'listening');
  open.push(() => server.close());
  made.target = OLD;
  const client = connect({ port: listen, host: '127.0.0.1', allowHalfOpen: true });
  client.end('a question');
  let bytes = 0;
  client.on('data', (chunk) => {
    bytes += chunk.length;
    // A slow reader: the relay must not take all of it at once.
    client.pause();
    setImmediate(() => client.resume());
  });
  await once(client, 'end');
  assert.equal(bytes, much.length);
});

test('a server that breaks off in the middle of an answer is no reason to hang', async () => {
  const { relay: made, listen, to } = await relay();
  const asking: Socket[] = [];
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => asking.push(socket));
  }).listen(to, ADDRESS[OLD]);
  await once(server, 'listening');
  open.push(() => server.close());
  made.target = OLD;
  const asked = assert.rejects(ask(listen));
  await until(() => asking.length === 1);
  made.target = NEW;
  asking[0]?.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
  await asked;
});

test('the agent points a relay, which keeps its target on disk and says what is still in use', async () => {
  const { relay: made, listen, to } = await relay(() => control.tell());
  const old = await serve(OLD, to);
  const relays = createRelays({ dir, clock: systemClock });
  await relays.prepare('one');
  const folder = join(dir, 'one');
  const control = new Control(folder, made);
  await control.listen();
  open.push(() => control.close());
  const heard: (RelayState | undefined)[] = [];
  const stop = new AbortController();
  const following = relays.follow('one', (state) => heard.push(state), stop.signal);
  await relays.point('one', OLD, stop.signal);
  assert.equal(await savedTarget(folder), OLD);
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'target.json'), 'utf8')), { target: OLD });
  const slow = ask(listen, undefined, '/slow');
  await until(() => old.listenerCount('finish-slow') === 1);
  await relays.point('one', NEW, stop.signal);
  await until(() => heard.at(-1)?.draining[0]?.inUse === 1);
  assert.equal(heard.at(-1)?.target, NEW);
  old.emit('finish-slow');
  await slow;
  await until(() => heard.at(-1)?.draining.length === 0);
  control.close();
  await until(() => heard.at(-1) === undefined);
  stop.abort();
  await following;
});

test('a relay that is not there is RELAY_UNREACHABLE; folders that nobody needs are removed', async () => {
  const relays = createRelays({ dir, clock: systemClock });
  await relays.prepare('one');
  await relays.prepare('two');
  await assert.rejects(relays.point('one', OLD, new AbortController().signal), { code: 'RELAY_UNREACHABLE' });
  await relays.tidy(['two']);
  assert.equal(await savedTarget(join(dir, 'one')), undefined);
  await assert.rejects(relays.point('one', OLD, new AbortController().signal), { code: 'RELAY_UNREACHABLE' });
});
