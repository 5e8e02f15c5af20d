import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts the calling test file once more as another process, in which `EDGE_ROLE` says what to do. */
export function spawnSelf(url: string, role: string, args: readonly string[], wrapper: string[] = []) {
  const env = { ...process.env, EDGE_ROLE: role };
  // Else the child would report to the test runner as one of its files.
  Reflect.deleteProperty(env, 'NODE_TEST_CONTEXT');
  const [command, ...rest] = [...wrapper, process.execPath, fileURLToPath(url), ...args];
  return spawn(command ?? '', rest, { env, stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Resolves with the first line a child writes, `''` when it ends without one. */
export function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.on('close', () => resolve(''));
  });
}

/** Resolves when the process is gone and its output is read; `null` when a signal ended it. */
export function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.on('close', (code) => resolve(code)));
}
