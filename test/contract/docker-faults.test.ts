import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Answerer, chunk, endChunks, reply, streamHead, usual, VERSION } from '../fakes/bad-engine.ts';
import { eventually } from '../fakes/engine-fixture.ts';
import { base, client, ID, listings, nothing, pair, signal, start } from './support/docker-faults.ts';

test('an endpoint that is no unix socket is refused with what would be right', () => {
  assert.throws(() => client('tcp://1.2.3.4:2375'), { code: 'BAD_ENDPOINT', message: /unix:\/\// });
});

test('no socket, a file in its place, and nobody listening are an unreachable engine', async (t) => {
  const { bad, engine } = await pair(t, () => undefined);
  await bad.stop();
  await assert.rejects(engine.ping(signal), { code: 'ENGINE_UNREACHABLE', retry: 'transient' });
  writeFileSync(bad.path, '');
  await assert.rejects(engine.snapshot(nothing, signal), { code: 'ENGINE_UNREACHABLE' });
});

test('a socket that may not be opened is denied, with a hint about the group', async (t) => {
  if (process.getuid?.() === 0 && process.seteuid !== undefined) {
    const { bad, engine } = await pair(t, () => undefined);
    chmodSync(bad.path, 0o600);
    process.seteuid(65534);
    try {
      await assert.rejects(engine.ping(signal), { code: 'ENGINE_DENIED', message: /group/ });
    } finally {
      process.seteuid(0);
    }
  } else {
    const { bad, engine } = await pair(t, () => undefined);
    chmodSync(bad.path, 0o000);
    await assert.rejects(engine.ping(signal), { code: 'ENGINE_DENIED', message: /group/ });
  }
});

const broken: { name: string; code: string; answer: Answerer }[] = [
  { name: 'a reset before any answer', code: 'ENGINE_RESET', answer: (socket) => socket.destroy() },
  {
    name: 'a reset inside the headers',
    code: 'ENGINE_RESET',
    answer: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Ty'),
  },
  {
    name: 'a body that ends half-way',
    code: 'ENGINE_RESET',
    answer: (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[{"Id":"1"}'),
  },
  {
    name: 'a chunked body that ends half-way',
    code: 'ENGINE_RESET',
    answer: (socket) => {
      streamHead(socket);
      chunk(socket, '[{"Id":');
      socket.end();
    },
  },
  { name: 'an engine that accepts and never answers', code: 'ENGINE_TIMEOUT', answer: () => undefined },
  {
    name: 'a body that never ends',
    code: 'ENGINE_TIMEOUT',
    answer: (socket) => {
      streamHead(socket);
      chunk(socket, '[');
    },
  },
  {
    name: 'an answer that is not HTTP',
    code: 'ENGINE_PROTOCOL',
    answer: (socket) => socket.write('SSH-2.0-x\r\n'),
  },
  {
    name: 'an answer that is not JSON',
    code: 'ENGINE_PROTOCOL',
    answer: (socket) => reply(socket, 200, '<html>hello</html>'),
  },
  { name: 'a null list', code: 'ENGINE_PROTOCOL', answer: (socket) => reply(socket, 200, 'null') },
  { name: 'an object for a list', code: 'ENGINE_PROTOCOL', answer: (socket) => reply(socket, 200, {}) },
  {
    name: 'an entry without an id',
    code: 'ENGINE_PROTOCOL',
    answer: (socket) => reply(socket, 200, [{ Id: '' }]),
  },
  {
    name: 'a 500 with a page of HTML',
    code: 'ENGINE_FAILED',
    answer: (socket) => reply(socket, 500, '<html><body>Internal <b>error</b></body></html>', 'text/html'),
  },
  {
    name: 'an engine of another version since a moment ago',
    code: 'ENGINE_PROTOCOL',
    answer: (socket) =>
      reply(socket, 400, {
        message: 'client version 1.41 is too new. Maximum supported API version is 1.40',
      }),
  },
];

for (const { name, code, answer } of broken)
  test(`${name} fails the snapshot with ${code} and is over with the next good answer`, async (t) => {
    let good = false;
    const { engine } = await pair(
      t,
      usual((socket, request) => (good ? reply(socket, 200, []) : answer(socket, request))),
    );
    await assert.rejects(engine.snapshot(nothing, signal), { code });
    good = true;
    assert.deepEqual((await engine.snapshot(nothing, signal)).containers, []);
  });

test('an answer byte by byte is read', async (t) => {
  const { engine } = await pair(
    t,
    listings(
      () => [],
      () => undefined,
    ),
    {},
  );
  const { engine: slow } = await pair(
    t,
    (socket, request) => {
      const body = request.path === '/version' ? VERSION : [];
      const text = JSON.stringify(body);
      const bytes = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      let at = 0;
      const next = () => {
        if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
      };
      next();
    },
    {},
  );
  assert.deepEqual((await engine.snapshot(nothing, signal)).networks, []);
  assert.deepEqual((await slow.snapshot(nothing, signal)).networks, []);
});

test('a huge answer is refused and does not fill the memory', async (t) => {
  let sent = 0;
  const { engine } = await pair(
    t,
    usual((socket) => {
      streamHead(socket);
      const piece = Buffer.alloc(1024 * 1024, 0x20);
      const more = () => {
        if (socket.destroyed || sent > 200) return;
        sent += 1;
        socket.write(Buffer.concat([Buffer.from('100000\r\n'), piece, Buffer.from('\r\n')]), more);
      };
      more();
    }),
    { listMs: 20_000 },
  );
  await assert.rejects(engine.snapshot(nothing, signal), { code: 'ENGINE_PROTOCOL', message: /longer than/ });
  assert.ok(sent < 150, `${sent} MiB were taken in`);
});

for (const [min, max, api] of [
  ['1.12', '1.41', '1.41'],
  ['1.24', '1.99', '1.52'],
  ['1.44', '1.52', '1.52'],
  ['', '1.30', '1.30'],
] as const)
  test(`an engine that offers ${min || 'nothing'} to ${max} is spoken to in ${api}`, async (t) => {
    const { bad, engine } = await pair(t, (socket, { path }) =>
      path === '/version'
        ? reply(socket, 200, { ...VERSION, ApiVersion: max, MinAPIVersion: min })
        : reply(socket, 200, path.endsWith('/info') ? {} : []),
    );
    const snapshot = await engine.snapshot(nothing, signal);
    assert.equal(snapshot.engine.apiVersion, api);
    assert.ok(bad.requests.slice(1).every((request) => request.includes(` /v${api}/`)));
  });

for (const [min, max] of [
  ['1.53', '1.60'],
  ['1.12', '1.23'],
  ['1.12', 'new'],
])
  test(`an engine that offers ${min} to ${max} is refused with both ranges`, async (t) => {
    const { engine } = await pair(t, (socket) =>
      reply(socket, 200, { ...VERSION, ApiVersion: max, MinAPIVersion: min }),
    );
    await assert.rejects(engine.snapshot(nothing, signal), { code: 'ENGINE_PROTOCOL', message: /1\.\d+/ });
  });

test('an aborted call is cancelled at once and lets the engine go', async (t) => {
  const { bad, engine } = await pair(
    t,
    usual(() => undefined),
    {},
  );
  const controller = new AbortController();
  const call = engine.perform(start, controller.signal);
  await eventually('asked', () => bad.requests.some((request) => request.includes('/start')));
  controller.abort(new Error('shutting down'));
  await assert.rejects(call, { code: 'CANCELLED', retry: 'cancelled' });
});

test('304 is success, 404 and 409 are told apart', async (t) => {
  let status = 304;
  const { engine } = await pair(
    t,
    usual((socket) =>
      status === 304
        ? socket.write('HTTP/1.1 304 Not Modified\r\n\r\n')
        : reply(socket, status, { message: status === 404 ? 'No such container: web' : 'conflict' }),
    ),
  );
  assert.deepEqual(await engine.perform(start, signal), {});
  status = 404;
  await assert.rejects(engine.perform(start, signal), { code: 'ENGINE_NOT_FOUND', target: 'web' });
  status = 409;
  await assert.rejects(engine.perform(start, signal), { code: 'ENGINE_CONFLICT' });
});

test('a path that the engine does not have is not taken for a missing thing', async (t) => {
  const { engine } = await pair(
    t,
    usual((socket) => reply(socket, 404, { message: 'page not found' })),
  );
  const remove = {
    ...base,
    kind: 'removeContainer',
    id: ID,
    name: 'web',
    specHash: 'h',
    force: true,
  } as const;
  await assert.rejects(engine.perform(remove, signal), { code: 'ENGINE_REFUSED' });
});

test('a pull across odd chunk borders reports its progress and ends', async (t) => {
  const lines = [
    '{"status":"Pulling from ä/ö","id":"latest"}\r\n',
    '{"status":"Downloading","progressDetail":{"current":10,"total":100},"id":"l1"}\r\n',
    '{"status":"Downloading","progressDetail":{"current":60,"total":100},"id":"l1"}\r\n',
    '{"status":"Download complete","progressDetail":{},"id":"l1"}\r\n',
    '{"status":"Status: Downloaded newer image"}\r\n',
  ].join('');
  const { bad, engine } = await pair(
    t,
    usual((socket) => {
      streamHead(socket);
      const bytes = Buffer.from(lines);
      for (let at = 0; at < bytes.length; at += 7) chunk(socket, bytes.subarray(at, at + 7));
      endChunks(socket);
    }),
  );
  const seen: string[] = [];
  await engine.pull('registry.example:5000/app', {
    signal,
    onProgress: (now, all) => seen.push(`${now}/${all}`),
  });
  assert.deepEqual(seen, ['0/0', '10/100', '60/100', '100/100']);
  assert.ok(bad.requests.at(-1)?.includes('fromImage=registry.example%3A5000%2Fapp&tag=latest'));
});

test('a pull that only counts down has stalled, one that moves has all the time', async (t) => {
  let moving = true;
  const { engine } = await pair(
    t,
    usual((socket) => {
      streamHead(socket);
      let tick = 0;
      const timer = setInterval(() => {
        tick += 1;
        if (socket.destroyed || (moving && tick > 10)) {
          clearInterval(timer);
          if (!socket.destroyed) endChunks(socket);
          return;
        }
        const moved = { status: 'Downloading', progressDetail: { current: tick, total: 10 }, id: 'l' };
        chunk(
          socket,
          `${JSON.stringify(moving ? moved : { status: `Retrying in ${tick} seconds`, id: 'l' })}\n`,
        );
      }, 60);
    }),
  );
  await engine.pull('a/b:1', { signal, onProgress() {} });
  moving = false;
  await assert.rejects(engine.pull('a/b:1', { signal, onProgress() {} }), {
    code: 'PULL_STALLED',
    target: 'a/b:1',
  });
});

test('a pull whose failure comes in the stream fails with its own code', async (t) => {
  const { engine } = await pair(
    t,
    usual((socket) => {
      streamHead(socket);
      chunk(socket, '{"errorDetail":{"message":"no matching manifest for linux/arm/v7"},"error":"x"}\n');
      endChunks(socket);
    }),
  );
  await assert.rejects(engine.pull('a/b:1', { signal, onProgress() {} }), { code: 'PLATFORM_MISMATCH' });
});

test('calls that hang do not keep a listing waiting', async (t) => {
  const { engine } = await pair(
    t,
    listings(
      () => [],
      () => undefined,
    ),
    { listMs: 2_000 },
  );
  const controller = new AbortController();
  const hung = Array.from({ length: 40 }, () =>
    engine.perform(start, controller.signal).catch(() => undefined),
  );
  const began = performance.now();
  await engine.snapshot(nothing, signal);
  assert.ok(performance.now() - began < 1_000);
  controller.abort();
  await Promise.all(hung);
});
