// Starts a Docker engine where none answers, and stops it again. An engine that was there before is never touched.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { EngineClient, engineSocket } from './engine.mjs';
import { duration, pause, root, until } from './project.mjs';
import { findCommand, run } from './run.mjs';

const PID_FILE = '/var/run/docker.pid';

/**
 * Whether an engine answers; `forbidden`: it is there and this user may not talk to it; `stopped`: installed, not running.
 * @returns {Promise<{ state: 'answers' | 'forbidden' | 'stopped' | 'absent' }>}
 */
export async function engineState() {
  if (await new EngineClient().answers()) return { state: 'answers' };
  /** @type {string | undefined} */
  const code = await new Promise((done) => {
    const socket = connect(engineSocket());
    socket.on('connect', () => {
      socket.destroy();
      done(undefined);
    });
    socket.on('error', (error) => done('code' in error ? String(error.code) : 'UNKNOWN'));
  });
  if (code === 'EACCES') return { state: 'forbidden' };
  return { state: findCommand('dockerd') === undefined ? 'absent' : 'stopped' };
}

/** Starts the engine and waits until it answers. @returns {Promise<{ stop(): Promise<void> }>} */
export async function startEngine() {
  const client = new EngineClient();
  const began = performance.now();
  console.log('set-up: starting the Docker engine');
  if (existsSync('/run/systemd/system')) {
    await run('systemctl', ['start', 'docker'], { deadlineMs: 120_000 });
    await until('the Docker engine (journalctl -u docker says more)', () => client.answers(), {
      withinMs: 60_000,
    });
    return { stop: () => stopUnlessUsed(() => run('systemctl', ['stop', 'docker.socket', 'docker'])) };
  }
  // Debian's package may just have started one by itself; then that is the one.
  if (runningDaemon() === undefined) await startDaemon(client);
  else
    await until('the dockerd that runs to answer', () => client.answers(), {
      withinMs: 60_000,
      everyMs: 200,
    });
  console.log(`set-up: the Docker engine answers after ${duration(performance.now() - began)}`);
  return { stop: () => stopUnlessUsed(stopDaemon) };
}

/** Process id of a live dockerd, by its pid file; a file left by a power cut, its number reused or not, does not count. */
function runningDaemon() {
  try {
    const pid = Number(readFileSync(PID_FILE, 'utf8').trim());
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'dockerd' ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** @param {EngineClient} client */
async function startDaemon(client) {
  rmSync(PID_FILE, { force: true });
  await mountCgroups();
  // Some kernels lack the netfilter parts. Published ports then still work, through the engine's own proxy.
  const attempts = [[], ['--iptables=false'], ['--iptables=false', '--storage-driver=vfs']];
  let said = '';
  for (const options of attempts) {
    const result = await tryDaemon(client, options);
    if (result.ok) {
      if (options.length > 0) console.log(`set-up: this machine needs dockerd ${options.join(' ')}`);
      return;
    }
    said = result.said;
  }
  throw new Error(`dockerd does not start on this machine. Its last words:\n${said}`);
}

/** @param {EngineClient} client @param {readonly string[]} options @returns {Promise<{ ok: boolean, said: string }>} */
async function tryDaemon(client, options) {
  mkdirSync(join(root, '.build'), { recursive: true });
  const logFile = join(root, '.build', 'dockerd.log');
  rmSync(logFile, { force: true });
  const log = openSync(logFile, 'a');
  const command = findCommand('dockerd') ?? 'dockerd';
  // Its helpers (iptables, containerd) live in folders that a user's PATH often lacks.
  const path = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;
  const child = spawn(command, options, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
    env: { ...process.env, PATH: path },
  });
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  child.on('error', () => {
    ended = true;
  });
  child.unref();
  const deadline = performance.now() + 60_000;
  while (!ended && performance.now() < deadline) {
    if (await client.answers()) return { ok: true, said: '' };
    await pause(100);
  }
  if (!ended) {
    child.kill('SIGTERM');
    await until('dockerd to end', () => ended, { withinMs: 20_000 }).catch(() => child.kill('SIGKILL'));
  }
  return { ok: false, said: readFileSync(logFile, 'utf8').trim().split('\n').slice(-8).join('\n') };
}

/** Mounts the control groups on a machine that has none yet, as Debian's cgroupfs-mount does. */
async function mountCgroups() {
  const mounts = readFileSync('/proc/mounts', 'utf8');
  if (/ \/sys\/fs\/cgroup(\/\S+)? cgroup2? /.test(mounts)) return;
  const controllers = readFileSync('/proc/cgroups', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && line.endsWith('1'))
    // The second column is the hierarchy; 0 means that version 2 has the controller.
    .map((line) => line.split('\t'));
  const oldOnes = controllers.filter((columns) => columns[1] !== '0').map((columns) => columns[0] ?? '');
  if (oldOnes.length === 0) {
    await mount(['-t', 'cgroup2', 'cgroup2', '/sys/fs/cgroup']);
    return;
  }
  await mount(['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', '/sys/fs/cgroup']);
  for (const name of [...oldOnes, 'systemd']) {
    const folder = `/sys/fs/cgroup/${name}`;
    mkdirSync(folder, { recursive: true });
    const option = name === 'systemd' ? 'none,name=systemd' : name;
    await mount(['-t', 'cgroup', '-o', option, 'cgroup', folder]);
  }
}

/** @param {readonly string[]} args */
async function mount(args) {
  const result = await run('mount', args, { output: 'capture', deadlineMs: 10_000 });
  if (result.code !== 0) console.log(`set-up: mount ${args.join(' ')}: ${result.output.trim()}`);
}

async function stopDaemon() {
  const pid = runningDaemon();
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  await until('dockerd to end', () => runningDaemon() !== pid, { withinMs: 30_000, everyMs: 100 });
}

/** Somebody may have begun to use the engine that we started: then it stays. @param {() => Promise<unknown>} stop */
async function stopUnlessUsed(stop) {
  const client = new EngineClient();
  const running = (await client.answers()) ? await client.containers({ status: ['running'] }) : [];
  if (running.length > 0) {
    console.log(`set-up: the Docker engine stays up, because ${running.length} containers run on it`);
    return;
  }
  await stop();
  console.log('set-up: the Docker engine that was started for this is stopped again');
}
