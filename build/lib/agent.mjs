// The built program as demo and bench run it: `colonies-edge run` in the background, `colonies-edge status` beside it.
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { program, until } from './project.mjs';
import { run } from './run.mjs';

/** @typedef {import('../../src/model/status.ts').AgentStatus} AgentStatus */

/**
 * @typedef {object} AgentOptions
 * @property {string} folder an existing folder for state, socket, log and (unless given) blueprints
 * @property {string} node its containers carry this name in `colonies.node`
 * @property {string} network the containers' network
 * @property {string} [blueprints] default: `blueprints` in the folder
 * @property {string} [dockerHost] default: what the environment says
 * @property {string[]} [extra] more flags
 * @property {string[]} [nodeFlags] for node itself, instead of those in the program's first line
 */

/** One agent; may be started again after it has ended. */
export class Agent {
  /** @param {AgentOptions} options */
  constructor(options) {
    this.options = options;
    this.blueprints = options.blueprints ?? join(options.folder, 'blueprints');
    this.socket = join(options.folder, 'agent.sock');
    this.logFile = join(options.folder, 'agent.log');
    /** @type {import('node:child_process').ChildProcess | undefined} */
    this.child = undefined;
  }

  get pid() {
    return this.child?.pid ?? 0;
  }

  /** Starts the process; returns at once. */
  start() {
    const { folder, node, network, dockerHost, extra = [], nodeFlags = [] } = this.options;
    mkdirSync(join(folder, 'state'), { recursive: true });
    const args = ['run', '--blueprints', this.blueprints, '--state-dir', join(folder, 'state')];
    args.push('--socket', this.socket, '--node', node, '--network', network, '--log-format', 'text');
    if (dockerHost !== undefined) args.push('--docker-host', dockerHost);
    const log = openSync(this.logFile, 'a');
    // Started as users start it, so that the flags of its first line count; given ones take their place.
    const [command, ...before] = nodeFlags.length > 0 ? [process.execPath, ...nodeFlags, program] : [program];
    this.child = spawn(command, [...before, ...args, ...extra], { stdio: ['ignore', log, log] });
  }

  /** Whether the process runs. */
  get alive() {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Ends the process and waits for it. @param {'SIGTERM' | 'SIGKILL'} [signal] */
  async stop(signal = 'SIGTERM') {
    const child = this.child;
    if (child === undefined || !this.alive) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    const patience = setTimeout(() => child.kill('SIGKILL'), 8000);
    await ended;
    clearTimeout(patience);
  }

  /** What `colonies-edge status` prints for people; exit code 3 while something is not as wanted. @returns {Promise<string>} */
  async table() {
    return (
      await run(program, ['status', '--socket', this.socket], { output: 'capture', deadlineMs: 10_000 })
    ).output;
  }

  /** What `colonies-edge status --json` answers; undefined while the agent is not there. @returns {Promise<AgentStatus | undefined>} */
  async status() {
    const args = ['status', '--json', '--socket', this.socket];
    const result = await run(program, args, { output: 'capture', deadlineMs: 10_000 });
    if (result.code !== 0 && result.code !== 3) return undefined;
    return JSON.parse(result.output);
  }

  /** Waits until everything is as wanted. @param {number} [withinMs] @returns {Promise<AgentStatus>} */
  converged(withinMs = 30_000) {
    const ask = async () => {
      if (!this.alive) throw new Error(`the agent has ended:\n${this.log()}`);
      const status = await this.status();
      return status?.converged === true && status.blueprints.length > 0 ? status : undefined;
    };
    return until('the agent to report everything as wanted', ask, { withinMs, everyMs: 100 });
  }

  /** The end of its log. @returns {string} */
  log() {
    try {
      return readFileSync(this.logFile, 'utf8').split('\n').slice(-25).join('\n');
    } catch {
      return '(no log)';
    }
  }
}
