// What every build script needs to know of the project. Node built-ins only: it runs before packages are installed.
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the folder that holds `package.json`, found from this file upwards (also when it was bundled). */
export const root = findRoot(dirname(fileURLToPath(import.meta.url)));

/** @param {string} from @returns {string} */
function findRoot(from) {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'build'))) return folder;
    if (folder === dirname(folder)) throw new Error(`no package.json above ${from}`);
  }
}

/** The one file that `npm run build` makes and that demo, bench and end-to-end tests run. */
export const program = join(root, 'dist', 'colonies-edge.cjs');

/** Whether the given script was started by itself, and not imported. @param {string} name for example "bundle.mjs" */
export function isMain(name) {
  return basename(process.argv[1] ?? '') === name;
}

/** The text of any thrown value. @param {unknown} error @returns {string} */
export function errorText(error) {
  return error instanceof Error ? error.message : String(error);
}

/** Whether standard output is a terminal that wants colour. */
export const colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

const paint = (/** @type {number} */ code) => (/** @type {string} */ text) =>
  colour ? `\x1b[${code}m${text}\x1b[0m` : text;
export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);
export const yellow = paint(33);

/** "840 ms", "3.2 s", "4 min 05 s". @param {number} ms @returns {string} */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** @param {number} ms @returns {Promise<void>} */
export function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

/**
 * Asks again until there is an answer other than `undefined` or `false`; fails with what was waited for after the deadline.
 * @template T @param {string} what @param {() => Promise<T | undefined | false> | T | undefined | false} ask
 * @param {{ withinMs?: number, everyMs?: number, signal?: AbortSignal }} [options] @returns {Promise<T>}
 */
export async function until(what, ask, options = {}) {
  const deadline = performance.now() + (options.withinMs ?? 10_000);
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline)
      throw new Error(`waited ${duration(options.withinMs ?? 10_000)} in vain for ${what}`);
    await pause(options.everyMs ?? 20);
  }
}
