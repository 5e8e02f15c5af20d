// Child processes with a deadline: no build step may hang for ever, and none leaves processes behind.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { duration, root } from './project.mjs';

/** Process groups that were started and have not ended. @type {Set<number>} */
const running = new Set();

/**
 * @typedef {object} RunOptions
 * @property {'inherit' | 'capture'} [output] where standard output and error go; default `inherit`
 * @property {number} [deadlineMs] default 10 minutes
 * @property {Record<string, string>} [env] added to the present environment
 * @property {string} [cwd] default: the project
 */

/**
 * Runs a command to its end; kills its whole process group at the deadline, which is then said in `output`.
 * @param {string} command @param {readonly string[]} args @param {RunOptions} [options]
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>} `output` is empty when inherited; `code` is
 * 127 when the command cannot be started
 */
export function run(command, args, options = {}) {
  const deadlineMs = options.deadlineMs ?? 600_000;
  const capture = options.output === 'capture';
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', capture ? 'pipe' : 'inherit', capture ? 'pipe' : 'inherit'],
      detached: true,
    });
    if (child.pid !== undefined) running.add(child.pid);
    let output = '';
    let timedOut = false;
    const keep = (/** @type {Buffer} */ chunk) => {
      output += chunk.toString();
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, deadlineMs);
    const finish = (/** @type {number} */ code) => {
      clearTimeout(timer);
      // What it left in its group is no longer wanted by anybody.
      killGroup(child.pid);
      if (child.pid !== undefined) running.delete(child.pid);
      if (timedOut) output += `\n${command} was stopped: not finished after ${duration(deadlineMs)}\n`;
      done({ code: timedOut ? 124 : code, output, timedOut });
    };
    child.on('error', (error) => {
      output += `${error.message}\n`;
      finish(127);
    });
    child.on('exit', (code) => {
      // `close` would wait for anything that inherited the pipes; give late output a moment, not more.
      const patience = setTimeout(() => finish(code ?? 1), 2000);
      child.on('close', () => {
        clearTimeout(patience);
        finish(code ?? 1);
      });
    });
  });
}

/** @param {number | undefined} pid */
function killGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone, which is what we want.
  }
}

/** Ends everything that `run` has started and that still runs. */
export function killRunning() {
  for (const pid of running) killGroup(pid);
}

/** Absolute path of a command, or undefined. @param {string} name @returns {string | undefined} */
export function findCommand(name) {
  // A user's PATH often lacks the folders of system daemons.
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/local/sbin',
    '/usr/sbin',
    '/sbin',
    '/bin',
  ];
  for (const folder of folders) {
    if (folder === '') continue;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Look in the next one.
    }
  }
  return undefined;
}
