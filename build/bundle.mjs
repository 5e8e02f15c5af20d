// Bundles the agent into one CommonJS file, dist/colonies-edge.cjs: the same bytes for the same sources.
// Usage: node build/bundle.mjs [--analyze] [--sourcemap] [--outdir=dist]
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { isMain, root } from './lib/project.mjs';
import { ensurePackages, runScript } from './setup.mjs';

/**
 * Started as a program, the agent bounds what only the command line and the environment of Node can bound: new space,
 * old space, V8's and libuv's threads, malloc's arenas. Blocks from 32 kB on are mapped one by one:
 * freed ones would stay in glibc's heap, which kept 12 to 30 MiB of them after a start. `npm run bench` measures with and without.
 */
const SHEBANG =
  '#!/usr/bin/env -S MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=32768 UV_THREADPOOL_SIZE=2 node --max-semi-space-size=1 --max-old-space-size=64 --v8-pool-size=0 --optimize-for-size';

/** @param {string[]} args @returns {string | undefined} */
function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return undefined;
  }
}

/** What the program says of itself; the date is the commit's, so that a build can be repeated. */
export function buildFacts() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const commit = git('rev-parse', '--short=12', 'HEAD') ?? 'unknown';
  const seconds = process.env.SOURCE_DATE_EPOCH ?? git('log', '-1', '--format=%ct') ?? '0';
  const buildDate = new Date(Number(seconds) * 1000).toISOString().replace('.000Z', 'Z');
  return { version: String(version), commit, buildDate };
}

/**
 * Bundles; resolves to the file's path, its size and esbuild's own account of what is in it.
 * @param {{ outdir?: string, sourcemap?: boolean, entry?: string }} [options]
 */
export async function bundle({ outdir = 'dist', sourcemap = false, entry = 'src/main.ts' } = {}) {
  const { build } = await import('esbuild');
  const facts = buildFacts();
  const folder = resolve(root, outdir);
  const file = join(folder, 'colonies-edge.cjs');
  mkdirSync(folder, { recursive: true });
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minify: true,
    // The ES module builds of packages can be shaken; CommonJS ones only where there is nothing else.
    mainFields: ['module', 'main'],
    sourcemap: sourcemap ? 'external' : false,
    metafile: true,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: SHEBANG },
    define: {
      'process.env.NODE_ENV': '"production"',
      COLONIES_EDGE_VERSION: JSON.stringify(facts.version),
      COLONIES_EDGE_COMMIT: JSON.stringify(facts.commit),
      COLONIES_EDGE_BUILD_DATE: JSON.stringify(facts.buildDate),
    },
  });
  chmodSync(file, 0o755);
  writeFileSync(join(folder, 'LICENSES.txt'), licences(Object.keys(result.metafile.inputs)));
  const bytes = readFileSync(file);
  const gzipBytes = gzipSync(new Uint8Array(bytes)).length;
  return { file, sizeBytes: bytes.length, gzipBytes, metafile: result.metafile };
}

/** The licence of every package that has a file in the bundle. @param {readonly string[]} inputs @returns {string} */
function licences(inputs) {
  const names = inputs.map((input) => input.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]);
  const packages = [...new Set(names.filter((name) => name !== undefined))].sort();
  const parts = ['colonies-edge', ...packages].map((name) => {
    const folder = name === 'colonies-edge' ? root : join(root, 'node_modules', name);
    const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`package ${name} carries no licence text`);
    const title = `${name} ${about.version} (${about.license})`;
    return `${title}\n${'='.repeat(title.length)}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return parts.join('\n\n');
}

const kib = (/** @type {number} */ bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

if (isMain('bundle.mjs')) {
  await runScript(async () => {
    await ensurePackages();
    const flags = process.argv.slice(2);
    const outdir = flags.find((flag) => flag.startsWith('--outdir='))?.slice('--outdir='.length);
    if (!existsSync(join(root, 'src', 'main.ts')))
      throw new Error('src/main.ts is missing: there is nothing to bundle');
    const built = await bundle({
      sourcemap: flags.includes('--sourcemap'),
      ...(outdir === undefined ? {} : { outdir }),
    });
    if (flags.includes('--analyze')) {
      const { analyzeMetafile } = await import('esbuild');
      console.log(await analyzeMetafile(built.metafile));
    }
    const { version, commit, buildDate } = buildFacts();
    console.log(`${built.file}: ${kib(built.sizeBytes)}, ${kib(built.gzipBytes)} compressed`);
    console.log(`version ${version}, commit ${commit}, ${buildDate}`);
    return 0;
  });
}
