// Brings a fresh machine to where demo, tests and bench can run; does nothing where all is there already.
// Node built-ins only: it runs before packages are installed. Usage: node build/setup.mjs [--test]
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineSocket } from './lib/engine.mjs';
import { engineState, startEngine } from './lib/engine-setup.mjs';
import { errorText, isMain, root, until } from './lib/project.mjs';
import { findCommand, run } from './lib/run.mjs';
import { staticBusybox } from './tiny-image.mjs';

/** The set-up cannot go on by itself; the message says what a person has to do. */
export class SetupError extends Error {}

/** Debian packages by the command they bring. */
const PACKAGE = {
  dockerd: ['docker.io', 'iptables'],
  busybox: ['busybox-static'],
  // The network tools are only recommended by the package, but without them no container gets an address.
  podman: ['podman', 'netavark', 'aardvark-dns', 'conmon', 'runc'],
  strace: ['strace'],
  shellcheck: ['shellcheck'],
  dash: ['dash'],
  // The TLS tests make their own certificates.
  openssl: ['openssl'],
  // The architecture tests ask it which files belong to the project.
  git: ['git'],
  // A real registry, and the password file that it wants.
  'docker-registry': ['docker-registry'],
  htpasswd: ['apache2-utils'],
};

/** @typedef {keyof typeof PACKAGE} Tool */

/** What `npm test` needs beside the engine. @type {readonly Tool[]} */
export const TEST_TOOLS = [
  'busybox',
  'podman',
  'strace',
  'shellcheck',
  'dash',
  'openssl',
  'git',
  'docker-registry',
  'htpasswd',
];

/** Installs the locked npm packages when they are absent or of another lock file. */
export async function ensurePackages() {
  if (packagesFit()) return;
  const release = await npmTurn();
  try {
    // Another of these scripts may have done it while this one waited.
    if (packagesFit()) return;
    console.log('set-up: installing the locked npm packages');
    const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    const result = await run('npm', args, { deadlineMs: 300_000 });
    if (result.code !== 0 || !allThere())
      throw new SetupError('npm ci failed: the package registry must be reachable once (see above)');
    writeFileSync(stampFile, lockDigest());
  } finally {
    release();
  }
}

const stampFile = join(root, 'node_modules', '.lock-sha256');

function lockDigest() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    .digest('hex');
}

/** Whether what is installed is what the lock file says. */
function packagesFit() {
  if (!allThere()) return false;
  if (existsSync(stampFile)) return readFileSync(stampFile, 'utf8') === lockDigest();
  // Installed by hand: npm's own record, at least as new as the lock file.
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  return statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
}

/** Whether every package that the project names has a folder; an interrupted installation leaves holes. */
function allThere() {
  const about = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const names = Object.keys({ ...about.dependencies, ...about.devDependencies });
  return names.every((name) => existsSync(join(root, 'node_modules', name, 'package.json')));
}

/** Two `npm ci` in one folder destroy each other's work: one at a time. Returns what ends the turn. */
async function npmTurn() {
  const lock = join(root, '.build', 'npm.lock');
  mkdirSync(join(root, '.build'), { recursive: true });
  const take = () => {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      return true;
    } catch {
      const holder = existsSync(lock) ? readFileSync(lock, 'utf8') : '';
      // Its holder was killed.
      if (holder !== '' && !existsSync(`/proc/${holder}`)) rmSync(lock, { force: true });
      return false;
    }
  };
  await until('another installation of the npm packages', take, { withinMs: 320_000, everyMs: 200 });
  return () => rmSync(lock, { force: true });
}

/** Tools out of the list that are not there. @param {readonly Tool[]} tools @returns {Tool[]} */
export function missingTools(tools) {
  return tools.filter((tool) => (tool === 'busybox' ? staticBusybox() : findCommand(tool)) === undefined);
}

/**
 * Everything beside npm packages: tools, and an engine that answers.
 * @param {{ tools?: readonly Tool[], engine?: boolean }} wanted
 * @returns {Promise<{ stop(): Promise<void> }>} `stop` ends the engine if it was started here, and only then
 */
export async function setUp({ tools = [], engine = true }) {
  const state = engine ? await engineState() : { state: 'answers' };
  if (state.state === 'forbidden')
    throw new SetupError(
      `${engineSocket()} refuses this user.\nRun as root, or add the user to the engine's group: usermod -aG docker $USER`,
    );
  const missing = missingTools(state.state === 'absent' ? ['dockerd', ...tools] : tools);
  if (missing.length > 0) await install(missing);
  if (state.state === 'answers') return { stop: async () => {} };
  if (process.getuid?.() !== 0)
    throw new SetupError(
      `No Docker engine answers at ${engineSocket()}, and only root can start one.\nStart it (systemctl start docker), or run this as root.`,
    );
  if (process.env.DOCKER_HOST !== undefined && process.env.DOCKER_HOST !== '')
    throw new SetupError(
      `No engine answers at DOCKER_HOST=${process.env.DOCKER_HOST}. Start it, or unset DOCKER_HOST.`,
    );
  return startEngine().catch((error) => {
    throw new SetupError(errorText(error));
  });
}

/** One apt call for all that is missing. @param {readonly Tool[]} missing */
async function install(missing) {
  const packages = missing.flatMap((tool) => PACKAGE[tool]);
  if (process.getuid?.() !== 0 || findCommand('apt-get') === undefined || !existsSync('/etc/debian_version'))
    throw new SetupError(
      `Missing: ${missing.join(', ')}. This set-up installs by itself only on Debian-like systems as root.\n` +
        `Debian, Ubuntu: apt-get install ${packages.join(' ')}\n` +
        'Elsewhere: install the packages that bring these commands (busybox must be a static build), and start the engine.',
    );
  console.log(`set-up: installing ${packages.join(' ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' };
  const common = ['-q', '-o', 'Acquire::Retries=3', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0'];
  const steps = [
    [...common, 'update'],
    [...common, 'install', '-y', '--no-install-recommends', ...packages],
  ];
  for (const args of steps) {
    const result = await run('apt-get', args, { env, deadlineMs: 600_000 });
    if (result.code !== 0)
      throw new SetupError(`apt-get ${args.slice(common.length).join(' ')} failed (see above)`);
  }
  const still = missingTools(missing);
  if (still.length > 0)
    throw new SetupError(`apt-get brought the packages, but there is still no ${still.join(', ')}`);
}

/**
 * Runs a script's main function with the set-up's errors shown plainly; never returns.
 * @param {() => Promise<number>} main resolves to the exit code
 */
export async function runScript(main) {
  try {
    process.exit(await main());
  } catch (error) {
    console.error(error instanceof SetupError ? `\nset-up: ${error.message}` : error);
    process.exit(1);
  }
}

if (isMain('setup.mjs')) {
  await runScript(async () => {
    await ensurePackages();
    await setUp({ tools: process.argv.includes('--test') ? TEST_TOOLS : ['busybox'] });
    console.log('set-up: all there');
    return 0;
  });
}
