import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../build/lib/run.mjs';
import { eventually } from '../../fakes/engine-fixture.ts';
import { TestEngine } from './engine.ts';

/**
 * A container runtime that gives privileged containers what this machine has, for machines (other containers, sandboxes)
 * where the full set of capabilities is refused. The engine does not notice.
 */
const RUNTIME = `
const { readFileSync, writeFileSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const args = process.argv.slice(2);
const at = args.indexOf('--bundle');
if (args.includes('create') && at >= 0) {
  const path = args[at + 1] + '/config.json';
  const config = JSON.parse(readFileSync(path, 'utf8'));
  const bounding = BigInt('0x' + /^CapBnd:\\s*(\\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const names = ${JSON.stringify(
    (
      'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
      'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
      'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
      'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
    ).split(' '),
  )};
  const has = (name) => (bounding >> BigInt(names.indexOf(name.slice(4)))) & 1n;
  const sets = config.process.capabilities || {};
  for (const set of Object.keys(sets)) sets[set] = sets[set].filter(has);
  writeFileSync(path, JSON.stringify(config));
}
const done = spawnSync('runc', args, { stdio: 'inherit' });
process.exit(done.status === null ? 1 : done.status);
`;

/**
 * A Docker engine of a test's own, which may be stopped, frozen and killed. It has a network namespace of its own: with
 * `--bridge=none` an engine takes away the bridge of every other engine in its namespace.
 */
export class PrivateEngine {
  readonly socket: string;
  readonly engine: TestEngine;
  readonly #dir: string;
  readonly #runtime: string;
  #child: ChildProcess | undefined;
  #keeper: ChildProcess | undefined;

  readonly #network: readonly string[];

  /** `dir`: a folder of its own, short, because the socket lies in it. `hasFirewall`: its ports are published by rules of
   *  the firewall of its namespace, and by them alone. */
  constructor(dir: string, options: { hasFirewall?: boolean } = {}) {
    this.#dir = dir;
    const rules = options.hasFirewall === true ? '--userland-proxy=false' : '--iptables=false';
    this.#network = ['--bridge=none', '--ip6tables=false', rules];
    this.socket = join(dir, 'd.sock');
    this.engine = new TestEngine(this.socket);
    this.#runtime = join(dir, 'runtime');
    mkdirSync(dir, { recursive: true });
    writeFileSync(`${this.#runtime}.cjs`, RUNTIME);
    const script = `#!/bin/sh\nexec ${process.execPath} ${this.#runtime}.cjs "$@"\n`;
    writeFileSync(this.#runtime, script, { mode: 0o755 });
  }

  /** Starts it and waits until it answers. Needs root, `containerd` and `dockerd`. */
  async start(): Promise<void> {
    this.launch();
    await eventually(
      'the private engine answers',
      () => {
        if (this.#child?.exitCode !== null) throw new Error(`the private engine has ended:\n${this.log()}`);
        return this.engine.answers();
      },
      60_000,
    );
  }

  /** Starts it without waiting; its containerd, which outlives an engine that is killed, with the first start. */
  launch(): void {
    const path = (name: string) => join(this.#dir, name);
    const address = path('c.sock');
    this.#keeper ??= this.#spawn('containerd', [
      ...['--config', '/dev/null', '--root', path('cdata'), '--state', path('cstate'), '--address', address],
    ]);
    rmSync(path('pid'), { force: true });
    this.#child = this.#spawn('dockerd', [
      ...['--data-root', path('data'), '--exec-root', path('exec'), '--pidfile', path('pid')],
      ...['-H', `unix://${this.socket}`, '--containerd', address],
      ...this.#network,
      ...['--add-runtime', `lenient=${this.#runtime}`, '--default-runtime', 'lenient'],
    ]);
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.#dir, 'log'), 'a');
    const script = `ip link set lo up 2>/dev/null; exec ${program} "$@"`;
    const child = spawn('unshare', ['-n', 'sh', '-c', script, program, ...args], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    return child;
  }

  /** Process id of the engine, whose network namespace is its own. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Where it keeps its images. */
  get dataDir(): string {
    return join(this.#dir, 'data');
  }

  /** Words in front of a command that is to run in its network namespace. */
  get inside(): readonly string[] {
    return ['nsenter', '-t', String(this.#child?.pid), '-n'];
  }

  /** Sends a signal to the engine; for one that ends it, waits for its end. */
  signal(signal: NodeJS.Signals): Promise<void> {
    return send(this.#child, signal);
  }

  /** The end of its own log. */
  log(): string {
    return readFileSync(join(this.#dir, 'log'), 'utf8').split('\n').slice(-15).join('\n');
  }

  /** Removes its containers, ends it and clears up after it. */
  async close(): Promise<void> {
    await this.signal('SIGCONT');
    if (await this.engine.answers())
      for (const { Id } of await this.engine.containers()) await this.engine.remove(Id);
    await this.signal('SIGTERM');
    await send(this.#keeper, 'SIGTERM');
    this.#endShims();
    // Mounts of a namespace and of the data stay behind, more so after SIGKILL.
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '')
      .filter((path) => path.startsWith(`${this.#dir}/`))
      .reverse();
    for (const path of mounts) await run('umount', ['-l', path], { output: 'capture', deadlineMs: 10_000 });
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** An engine that was killed leaves its containers' keepers behind; they carry its folder's path. */
  #endShims(): void {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        if (command.includes('containerd') && command.includes(`${this.#dir}/`))
          process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

async function send(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  if (signal === 'SIGTERM' || signal === 'SIGKILL') await ended;
}
