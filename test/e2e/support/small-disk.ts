import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { run } from '../../../build/lib/run.mjs';
import { PrivateEngine } from './private-engine.ts';

/** Passes connections on from a unix socket or a loopback port to the other. */
const FORWARD = `
const { createServer, connect } = require('node:net');
const [port, path] = process.argv.slice(1);
createServer((near) => {
  const far = connect(path);
  for (const [one, other] of [[near, far], [far, near]]) one.on('error', () => other.destroy()).pipe(other);
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
`;

/** A private engine whose data lie on a small file system of their own, in memory. */
export class SmallDisk {
  readonly engine: PrivateEngine;
  readonly #dir: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #inside: ChildProcess | undefined;

  constructor(dir: string) {
    this.#dir = dir;
    this.engine = new PrivateEngine(dir);
  }

  async start(mebibytes: number): Promise<void> {
    mkdirSync(this.engine.dataDir);
    await mount('-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', this.engine.dataDir);
    await this.engine.start();
  }

  /** Makes the file system larger, or smaller. */
  resize(mebibytes: number): Promise<void> {
    return mount('-o', `remount,size=${mebibytes}m`, this.engine.dataDir);
  }

  /** Lets the engine, which has a network of its own, reach this machine's loopback port under the same number. */
  async reach(port: number): Promise<void> {
    const path = join(this.#dir, 'reach.sock');
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      for (const [one, other] of [[near, far] as const, [far, near] as const]) {
        this.#sockets.add(one);
        one.on('close', () => this.#sockets.delete(one));
        one.on('error', () => other.destroy()).pipe(other);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const args = ['-t', String(this.engine.pid), '-n', process.execPath, '-e', FORWARD, String(port), path];
    const inside = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#inside = inside;
    await new Promise((resolve) => inside.stdout.once('data', resolve));
  }

  async close(): Promise<void> {
    this.#inside?.kill('SIGKILL');
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.close();
    await this.engine.close();
  }
}

async function mount(...args: string[]): Promise<void> {
  const { code, output } = await run('mount', args, { output: 'capture', deadlineMs: 10_000 });
  if (code !== 0) throw new Error(`mount ${args.join(' ')}: ${output}`);
}
