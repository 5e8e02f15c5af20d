import { lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { EdgeError, errorCode, errorText } from './errors.ts';
import type { Random } from './random.ts';

/**
 * A lock on a directory, for one machine. The holder listens on a socket file in it. Whether a holder lives is asked
 * of the kernel (connect), not of a pid: a killed process and a power cut leave a socket that refuses, another process
 * with the old pid does not answer, and neither network nor pid namespaces hide a living one from another container.
 *
 * Each contender publishes a socket that already listens, then looks at all others. Whoever published later sees the
 * earlier one, so two can never both find themselves alone.
 */
export interface DirectoryLock {
  /** `named`: the directory could not be written, the lock is on its device and inode (one network namespace only). */
  kind: 'file' | 'named';
  release(): Promise<void>;
}

const NAME = /^agent-(\d+)-[0-9a-f]{8}\.lock$/;
/** How long a contender that meets others waits for them to decide. */
const DECIDE_MS = 5_000;
/** How long a connected holder may take to say what it is; a frozen one says nothing and is still one. */
const ANSWER_MS = 500;
/** `sun_path` of a unix socket, less the closing zero. */
const MAX_SOCKET_PATH = 107;

/**
 * Takes the lock of an existing directory or throws at once: `STATE_LOCKED` (permanent, with the holder's pid in the
 * text) or `STATE_LOCK_FAILED`. Nothing to clean up by hand after a crash of the holder.
 */
export async function lockDirectory(
  directory: string,
  { clock, random }: { clock: Clock; random: Random },
): Promise<DirectoryLock> {
  // The path of a unix socket is short; through the open directory any depth will do.
  const handle = await open(directory, 'r');
  const longest = join(directory, 'agent-4194304-01234567.lock.new');
  const base = Buffer.byteLength(longest) <= MAX_SOCKET_PATH ? directory : `/proc/self/fd/${handle.fd}`;
  const name = `agent-${process.pid}-${random.hex(8)}.lock`;
  let claim: Claim | undefined;
  try {
    claim = await publish(base, name);
    await settle(directory, base, name, clock);
    claim.state.word = 'holding';
    await sweep(directory, base, clock);
    return { kind: 'file', release: releaseOnce(claim, handle, join(directory, name)) };
  } catch (error) {
    await claim?.close();
    if (claim !== undefined) await unlink(join(directory, name)).catch(() => {});
    if (claim === undefined && CANNOT_WRITE.has(errorCode(error)))
      return await lockByName(directory, handle).catch(async (failure) => {
        await handle.close();
        throw failure;
      });
    await handle.close();
    if (error instanceof EdgeError) throw error;
    throw new EdgeError(`Cannot lock ${directory}: ${errorText(error)}`, {
      code: 'STATE_LOCK_FAILED',
      retry: 'transient',
      target: directory,
      cause: error,
    });
  }
}

/** Reasons to fall back to the named lock: an agent must start on a full or read-only disk, too. */
const CANNOT_WRITE = new Set(['EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EPERM', 'EOPNOTSUPP', 'ENOTSUP']);

interface Claim {
  state: { word: 'claiming' | 'holding' };
  close(): Promise<void>;
}

/** Listens under a name nobody looks at, then takes the name that counts: a socket that is seen always listens. */
async function publish(base: string, name: string): Promise<Claim> {
  const state: Claim['state'] = { word: 'claiming' };
  const server = await listen(join(base, `${name}.new`), state);
  try {
    await rename(join(base, `${name}.new`), join(base, name));
  } catch (error) {
    await closeServer(server);
    throw error;
  }
  return { state, close: () => closeServer(server) };
}

function listen(path: string, state: Claim['state']): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(`${state.word}\n`);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      server.on('error', () => {});
      server.unref();
      resolve(server);
    });
  });
}

const closeServer = (server: Server) => new Promise<void>((done) => server.close(() => done()));

function releaseOnce(claim: Claim, handle: { close(): Promise<void> }, path?: string) {
  let released: Promise<void> | undefined;
  return () => {
    released ??= (async () => {
      if (path !== undefined) await unlink(path).catch(() => {});
      await claim.close();
      await handle.close();
    })();
    return released;
  };
}

/** Returns when no other living contender is left; throws when one holds the lock or comes before us. */
async function settle(directory: string, base: string, own: string, clock: Clock): Promise<void> {
  const deadline = clock.monoMs() + DECIDE_MS;
  for (;;) {
    const others = (await readdir(directory)).filter((name) => NAME.test(name) && name !== own);
    let claiming: string | undefined;
    for (const other of others) {
      const answer = await ask(join(base, other), clock);
      if (answer === 'dead') await unlink(join(directory, other)).catch(() => {});
      // Of several that start together the first by name goes on; the others leave it the field.
      else if (answer === 'holding' || (answer === 'claiming' && other < own)) throw locked(directory, other);
      else claiming = other;
    }
    if (claiming === undefined) break;
    if (clock.monoMs() >= deadline) throw locked(directory, claiming);
    await clock.sleep(20);
  }
  // Somebody may have emptied the directory meanwhile; an invisible lock is none.
  await lstat(join(directory, own));
}

/** Removes what contenders that died before they were seen have left. */
async function sweep(directory: string, base: string, clock: Clock): Promise<void> {
  for (const name of await readdir(directory))
    if (name.endsWith('.lock.new') && NAME.test(name.slice(0, -'.new'.length)))
      if ((await ask(join(base, name), clock)) === 'dead')
        await unlink(join(directory, name)).catch(() => {});
}

function locked(directory: string, name: string): EdgeError {
  const pid = NAME.exec(name)?.[1] ?? 'unknown';
  return new EdgeError(
    `State directory ${directory} is in use by another agent (pid ${pid}); stop it, or give this one its own --state-dir`,
    { code: 'STATE_LOCKED', retry: 'permanent', target: directory },
  );
}

/** Who is behind a socket file. Only the kernel's refusal proves that nobody is. */
async function ask(path: string, clock: Clock): Promise<'dead' | 'leaving' | 'claiming' | 'holding'> {
  const socket = connect(path);
  const deadline = new AbortController();
  try {
    return await new Promise((resolve) => {
      socket.on('error', (error) => {
        const code = errorCode(error);
        if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve('dead');
        else resolve(code === 'ECONNRESET' || code === 'EPIPE' ? 'leaving' : 'holding');
      });
      socket.on('data', (word) => resolve(word.toString() === 'claiming\n' ? 'claiming' : 'holding'));
      // It went while we asked: ask again, and do not give way to what is gone.
      socket.on('close', () => resolve('leaving'));
      clock.sleep(ANSWER_MS, deadline.signal).then(
        () => resolve('holding'),
        () => {},
      );
    });
  } finally {
    deadline.abort();
    socket.destroy();
  }
}

/** The lock without a file: an abstract socket (unix(7)) named after device and inode of the directory. */
async function lockByName(
  directory: string,
  handle: { stat(): Promise<{ dev: number; ino: number }>; close(): Promise<void> },
): Promise<DirectoryLock> {
  const { dev, ino } = await handle.stat();
  const state: Claim['state'] = { word: 'holding' };
  try {
    const server = await listen(`\0colonies-edge/${dev}:${ino}`, state);
    const noPath = { state, close: () => closeServer(server) };
    return { kind: 'named', release: releaseOnce(noPath, handle) };
  } catch (error) {
    if (errorCode(error) === 'EADDRINUSE') throw locked(directory, 'unknown');
    throw error;
  }
}
