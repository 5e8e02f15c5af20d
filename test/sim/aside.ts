import { test } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/**
 * A test whose body runs in a thread of its own: node:test follows every promise of its thread, which makes simulations
 * of years and of thousands of nodes twice as slow. `file` is the test file's own `import.meta.url`.
 */
export function aside(file: string, title: string, body: () => Promise<void>): void {
  if (isMainThread) test(title, () => inThread(file, title));
  else if (workerData.title === title) void body().then(() => parentPort?.postMessage('done'));
}

/** Rejects with what the body throws. */
function inThread(file: string, title: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(file), { workerData: { title } });
    let isDone = false;
    worker.once('message', () => {
      isDone = true;
      void worker.terminate();
    });
    worker.once('error', reject);
    worker.once('exit', (code) => {
      if (isDone) resolve();
      else reject(new Error(`the simulation ended by itself with ${code}`));
    });
  });
}
