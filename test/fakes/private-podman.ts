import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker, eventually } from './engine-fixture.ts';

/** A podman service of its own, with storage and networks in a temporary folder. */
export interface PrivatePodman {
  socket: string;
  stop(): Promise<void>;
}

/** Starts it and waits until it answers. Throws when podman is not installed. */
export async function startPodman(): Promise<PrivatePodman> {
  const folder = mkdtempSync(join(tmpdir(), 'ce-podman-'));
  const config = join(folder, 'containers.conf');
  // Without privileges over limits the default number of open files is refused.
  writeFileSync(
    config,
    '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1024:1024"]\n[engine]\nevents_logger="file"\n',
  );
  const socket = join(folder, 'podman.sock');
  const options = ['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs'];
  for (const [flag, name] of [
    ['--root', 'root'],
    ['--runroot', 'run'],
    ['--tmpdir', 'tmp'],
    ['--network-config-dir', 'net'],
  ] as const)
    options.push(flag, join(folder, name));
  const child = spawn('podman', [...options, 'system', 'service', `unix://${socket}`, '--time=0'], {
    // It forgets its temporary copy of each image that is loaded into it.
    env: { ...process.env, CONTAINERS_CONF: config, TMPDIR: folder },
    stdio: 'ignore',
  });
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = error;
  });
  await eventually(
    'podman answers',
    () => {
      if (failure !== undefined) throw failure;
      return docker(socket).answers();
    },
    20_000,
  );
  return {
    socket,
    async stop() {
      for (const container of await docker(socket).containers()) await docker(socket).remove(container.Id);
      await ended(child);
      killMonitors(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Podman's own restart of a container can outlive its removal; nobody but its monitor knows of it then. */
function killMonitors(folder: string): void {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/`)) continue;
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
      for (const child of children.filter(Boolean)) process.kill(Number(child), 'SIGKILL');
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  await closed;
}
