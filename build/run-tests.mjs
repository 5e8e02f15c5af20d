// Bundles the given test files (default: all below the given folders) and runs them with node:test.
// Usage: node build/run-tests.mjs [--concurrency=N] [--only=PATTERN] [--file-seconds=N] [file or folder ...]
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { isMain, root } from './lib/project.mjs';
import { killRunning, run } from './lib/run.mjs';
import { FILE_LIMIT } from './lib/watchdog.mjs';

/** A test file that takes longer hangs. */
const FILE_MS = 480_000;

/** All `*.test.ts` files below a path, sorted; none when the path does not exist. @param {string} path @returns {string[]} */
export function testFiles(path) {
  return existsSync(path) && !statSync(path).isDirectory() ? [path] : filesBelow(path, '.test.ts');
}

/** @param {string} path @param {string} ending @returns {string[]} */
function filesBelow(path, ending) {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.path, entry.name))
    .sort();
}

/**
 * @typedef {object} TestOptions
 * @property {number} [concurrency] test files that run at the same time; default: one less than the processors
 * @property {number} [processes] test files share so many processes; default: each has its own, which takes longer
 * @property {'inherit' | 'capture'} [output] default `inherit`
 * @property {number} [deadlineMs] for all of it; default 10 min
 * @property {number} [fileMs] for one file, which then says what it waits for; default 8 min, never more than `deadlineMs`
 * @property {string} [only] runs only tests whose name matches this pattern
 * @property {Record<string, string>} [env] added to the tests' environment
 *
 * @typedef {object} TestResult
 * @property {number} code
 * @property {number} passed
 * @property {number} failed at least 1 when `code` is not 0
 * @property {number} skipped
 * @property {string} output empty when inherited
 */

/** Runs test files; resolves to the exit code and the counts of node's own summary.
 * @param {string[]} paths relative to the project @param {TestOptions} [options] @returns {Promise<TestResult>} */
export async function runTests(paths, options = {}) {
  const entries = paths.flatMap((path) => testFiles(resolve(root, path)));
  if (entries.length === 0) throw new Error(`there are no test files below ${paths.join(', ')}`);
  mkdirSync(join(root, '.build'), { recursive: true });
  const outdir = mkdtempSync(join(root, '.build', 'tests-'));
  // Loading a test loads its whole bundle; interrupted runs must not pile them up.
  const forget = () => rmSync(outdir, { recursive: true, force: true });
  process.once('exit', forget);
  try {
    await bundleTests(together(entries, options.processes, outdir), outdir);
    const deadlineMs = options.deadlineMs ?? 600_000;
    const tap = join(outdir, 'result.tap');
    const fileMs = Math.round(Math.min(options.fileMs ?? FILE_MS, deadlineMs * 0.9));
    // One that cannot even say so is ended from outside, a little later.
    const args = ['--enable-source-maps', '--test', `--test-timeout=${fileMs + 5_000}`];
    args.push(`--import=${join(root, 'build/lib/watchdog.mjs')}`);
    args.push('--test-reporter=spec', '--test-reporter-destination=stdout');
    args.push('--test-reporter=tap', `--test-reporter-destination=${tap}`);
    if (options.concurrency !== undefined) args.push(`--test-concurrency=${options.concurrency}`);
    if (options.only !== undefined) args.push(`--test-name-pattern=${options.only}`);
    const result = await run(process.execPath, [...args, ...filesBelow(outdir, '.test.mjs')], {
      output: options.output ?? 'inherit',
      deadlineMs,
      env: { ...options.env, [FILE_LIMIT]: String(fileMs) },
    });
    const text = existsSync(tap) ? readFileSync(tap, 'utf8') : '';
    return { code: result.code, output: result.output, ...countsOf(text, result.code) };
  } finally {
    forget();
    process.off('exit', forget);
  }
}

/** The counts of a TAP summary; a run that ended badly has at least one failure. @param {string} tap @param {number} code */
export function countsOf(tap, code) {
  const count = (/** @type {string} */ word) =>
    Number(tap.match(new RegExp(`^# ${word} (\\d+)$`, 'm'))?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  return {
    passed: count('pass'),
    failed: code === 0 ? failed : Math.max(1, failed),
    skipped: count('skipped') + count('todo'),
  };
}

/** The files themselves, or one that imports each share of them. @param {readonly string[]} entries
 * @param {number | undefined} processes @param {string} outdir @returns {readonly string[]} */
function together(entries, processes, outdir) {
  if (processes === undefined) return entries;
  mkdirSync(join(outdir, 'shares'));
  return Array.from({ length: processes }, (_, share) => {
    const path = join(outdir, 'shares', `${share}.test.ts`);
    const mine = entries.filter((_, index) => index % processes === share);
    writeFileSync(path, mine.map((entry) => `import ${JSON.stringify(entry)};`).join('\n'));
    return path;
  });
}

/** @param {readonly string[]} entries @param {string} outdir */
async function bundleTests(entries, outdir) {
  const { build } = await import('esbuild');
  await build({
    entryPoints: entries.map((entry) => relative(root, entry)),
    absWorkingDir: root,
    outbase: entries.some((entry) => entry.startsWith(outdir)) ? outdir : 'test',
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
}

if (isMain('run-tests.mjs')) {
  const flag = (/** @type {string} */ name) =>
    process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const paths = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
  const concurrency = flag('concurrency');
  const only = flag('only');
  const fileSeconds = flag('file-seconds');
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.once(signal, () => {
      killRunning();
      process.exit(130);
    });
  const result = await runTests(paths.length > 0 ? paths : ['test'], {
    ...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
    ...(only === undefined ? {} : { only }),
    ...(fileSeconds === undefined ? {} : { fileMs: Number(fileSeconds) * 1000 }),
  });
  console.log(`${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`);
  process.exit(result.code);
}
