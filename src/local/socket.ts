import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';

/** How long a process behind an existing socket gets to accept, before it counts as alive but busy. */
const PROBE_MS = 2000;

/**
 * Makes the server listen on a Unix socket that only its owner and group may use (0660). The directory is made when it
 * is missing; the socket file of a dead process is replaced. Codes: `SOCKET_IN_USE` (somebody listens there),
 * `SOCKET_PATH_TAKEN` (the path is no socket), `SOCKET_UNUSABLE` (no permission, no space, path too long).
 */
export async function listenOn(server: Server, path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await clearStale(path);
    await listen(server, path);
    await chmod(path, 0o660);
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    throw unusable(path, error);
  }
}

async function clearStale(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new EdgeError(`${path} exists and is no socket; remove it or choose another --socket`, {
      code: 'SOCKET_PATH_TAKEN',
      retry: 'permanent',
      target: path,
    });
  if (await isAlive(path))
    throw new EdgeError(`another agent listens on ${path}`, {
      code: 'SOCKET_IN_USE',
      retry: 'permanent',
      target: path,
    });
  await unlink(path);
}

/** Refused or gone means dead; anything else, silence included, is taken for a live process. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    const settle = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(PROBE_MS, () => settle(true));
    socket.on('connect', () => settle(true));
    socket.on('error', (error) => settle(!['ECONNREFUSED', 'ENOENT'].includes(errorCode(error))));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket file is made inside this call; with a umask it is never wider than 0660, not even for a moment.
    const before = process.umask(0o117);
    try {
      server.listen({ path }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function unusable(path: string, error: unknown): EdgeError {
  return new EdgeError(`cannot listen on ${path}: ${errorText(error)}`, {
    code: 'SOCKET_UNUSABLE',
    retry: 'transient',
    target: path,
    cause: error,
  });
}
