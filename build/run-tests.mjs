// Bundles the given test files (default: all below the given folders) and runs them with node:test.
// Usage: node build/run-tests.mjs [--concurrency=N] [file or folder ...]
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(fileURLToPath(import.meta.url), '../..');

/** All `*.test.ts` files below a path, sorted. @param {string} path @returns {string[]} */
export function testFiles(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.path, entry.name))
    .sort();
}

/**
 * Runs test files; resolves to the exit code and the counts of node's own summary.
 * @param {string[]} paths @param {{ concurrency?: number, quiet?: boolean }} [options]
 * @returns {Promise<{ code: number, passed: number, failed: number, skipped: number }>}
 */
export async function runTests(paths, options = {}) {
  const entries = paths.flatMap((path) => testFiles(resolve(root, path)));
  if (entries.length === 0) throw new Error(`no test files below ${paths.join(', ')}`);
  mkdirSync(join(root, '.build'), { recursive: true });
  const outdir = mkdtempSync(join(root, '.build', 'tests-'));
  try {
    await build({
      entryPoints: entries.map((entry) => relative(root, entry)),
      absWorkingDir: root,
      outbase: 'test',
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
    const built = testFilesBuilt(outdir);
    const args = [
      '--enable-source-maps',
      '--test',
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
    ];
    args.push('--test-reporter=tap', `--test-reporter-destination=${join(outdir, 'result.tap')}`);
    if (options.concurrency !== undefined) args.push(`--test-concurrency=${options.concurrency}`);
    const child = spawn(process.execPath, [...args, ...built], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    /** @type {number} */
    const code = await new Promise((done) => child.on('close', (status) => done(status ?? 1)));
    const { readFileSync } = await import('node:fs');
    const tap = readFileSync(join(outdir, 'result.tap'), 'utf8');
    const count = (/** @type {string} */ word) =>
      Number(tap.match(new RegExp(`^# ${word} (\\d+)$`, 'm'))?.[1] ?? 0);
    return {
      code,
      passed: count('pass'),
      failed: count('fail') + count('cancelled'),
      skipped: count('skipped') + count('todo'),
    };
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** @param {string} outdir @returns {string[]} */
function testFilesBuilt(outdir) {
  return readdirSync(outdir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.mjs'))
    .map((entry) => join(entry.path, entry.name))
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const concurrency = process.argv.find((arg) => arg.startsWith('--concurrency='))?.split('=')[1];
  const paths = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
  const result = await runTests(
    paths.length > 0 ? paths : ['test'],
    concurrency === undefined ? {} : { concurrency: Number(concurrency) },
  );
  console.log(`${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`);
  process.exit(result.code);
}
