import { statfs } from 'node:fs/promises';
import { errorCode, errorText } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { Config } from '../config/table.ts';
import { createDockerEngine, type DockerEngine } from '../docker/engine.ts';
import type { Check } from './doctor-check.ts';
import type { Io } from './io.ts';

/** An engine that does not answer in this time is as good as away. */
const ENGINE_MS = 10_000;
/** Below this an image of usual size does not fit. */
const LOW_BYTES = 1_000_000_000;

/** Is there an engine, which one, and does it have room and memory limits? */
export async function checkEngine(config: Config, io: Io): Promise<Check[]> {
  const engine = createDockerEngine({
    endpoint: config.dockerHost,
    clock: io.clock,
    random: io.random,
    log: silentLogger,
  });
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(ENGINE_MS)]);
  try {
    return await askEngine(engine, config, signal);
  } catch (error) {
    return [
      { name: 'engine', state: 'fail', message: errorText(error), advice: adviceFor(errorCode(error)) },
    ];
  } finally {
    await engine.close();
  }
}

async function askEngine(engine: DockerEngine, config: Config, signal: AbortSignal): Promise<Check[]> {
  const version = await engine.version(signal);
  const info = await engine.info(signal);
  const checks: Check[] = [
    {
      name: 'engine',
      state: 'ok',
      message: `${version.name} ${version.version}, API ${version.api}, ${info.os}/${info.arch} at ${engine.endpoint}`,
    },
    info.memoryLimit
      ? { name: 'memory limit', state: 'ok', message: 'the engine keeps to memory limits' }
      : {
          name: 'memory limit',
          state: 'warn',
          message: 'the engine drops the memory limits of blueprints',
          advice: 'start the kernel with cgroup_enable=memory (Raspberry Pi: in cmdline.txt) and reboot',
        },
  ];
  if (info.loggingDriver === 'none')
    checks.push({
      name: 'logs',
      state: 'warn',
      message: 'the engine keeps no container output (log driver none)',
    });
  if (info.rootDir !== '') checks.push(await checkEngineDisk(engine, config, info.rootDir, signal));
  return checks;
}

function adviceFor(code: string): string {
  switch (code) {
    case 'ENGINE_DENIED':
      return 'run as root, or add this user to the group that owns the socket: usermod -aG docker USER';
    case 'ENGINE_UNREACHABLE':
      return 'install and start an engine (systemctl start docker), or set --docker-host to its socket';
    case 'ENGINE_PROTOCOL':
      return 'check that the socket belongs to Docker 20.10 or newer, or to Podman';
    default:
      return 'look at the engine: systemctl status docker, journalctl -u docker';
  }
}

/** Room for images, and from which use on the agent makes some. */
async function checkEngineDisk(
  { storage }: DockerEngine,
  config: Config,
  rootDir: string,
  signal: AbortSignal,
): Promise<Check> {
  const name = 'engine disk';
  const space = await checkSpace(name, rootDir);
  const use = await storage.use(signal);
  if (use === undefined)
    return {
      name,
      state: 'warn',
      message: `${rootDir} cannot be seen from here: whether an image fits is not known before it is pulled`,
      advice: `run the agent where the engine's data folder is, or mount it read-only at ${rootDir}`,
    };
  const { gcStartPercent, gcTargetPercent } = config;
  const used = `${Math.floor(use.usedPercent)} % used`;
  const rule =
    gcStartPercent === undefined
      ? 'unused images go only by colonies-edge gc'
      : `unused images go from ${gcStartPercent} % down to ${gcTargetPercent} %`;
  const message = `${space.message}, ${used}; ${rule}`;
  if (space.state !== 'ok' || use.usedPercent < (gcStartPercent ?? 95)) return { ...space, message };
  return { name, state: 'warn', message, advice: 'see what may go: colonies-edge gc --dry-run' };
}

/** Room on the file system of a path; a path that cannot be seen from here is told, not failed. */
export async function checkSpace(name: string, path: string): Promise<Check> {
  try {
    const { bavail, bsize, blocks } = await statfs(path);
    const free = bavail * bsize;
    const text = `${(free / 1e9).toFixed(1)} of ${((blocks * bsize) / 1e9).toFixed(1)} GB free at ${path}`;
    if (free >= LOW_BYTES) return { name, state: 'ok', message: text };
    const advice = 'free some: docker image prune, or a larger disk';
    return { name, state: free < LOW_BYTES / 20 ? 'fail' : 'warn', message: text, advice };
  } catch (error) {
    return { name, state: 'ok', message: `${path} cannot be seen from here (${errorCode(error)})` };
  }
}
