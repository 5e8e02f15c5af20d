// The parts of `npm run check` and `npm test`: each runs by itself, has a deadline, and says what came of it.
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runTests } from '../run-tests.mjs';
import { bold, dim, duration, errorText, green, red, root, yellow } from './project.mjs';
import { findCommand, run } from './run.mjs';

/**
 * @typedef {object} PartResult
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {string} output shown when it failed
 *
 * @typedef {object} Part
 * @property {string} name
 * @property {number} deadlineMs
 * @property {(deadlineMs: number) => Promise<PartResult>} run
 */

const minutes = (/** @type {number} */ count) => count * 60_000;

/** One command as one counted check. @param {string} name @param {string} command @param {readonly string[]} args @returns {Part} */
function commandPart(name, command, args) {
  return {
    name,
    deadlineMs: minutes(3),
    run: async (deadlineMs) => {
      const result = await run(command, args, { output: 'capture', deadlineMs });
      return oneCheck(result.code === 0, result.output);
    },
  };
}

/** A result that counts once. @param {boolean} ok @param {string} output @returns {PartResult} */
export function oneCheck(ok, output) {
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0, output };
}

/**
 * Test folders as a part; every test counts.
 * @param {string} name @param {string[]} paths @param {number} deadlineMs
 * @param {{ concurrency?: number, processes?: number, env?: Record<string, string> }} [options] @returns {Part}
 */
export function testPart(name, paths, deadlineMs, options = {}) {
  return {
    name,
    deadlineMs,
    run: (limit) => runTests(paths, { ...options, output: 'capture', deadlineMs: limit }),
  };
}

/** Types, lint and format as `npm run check` and `npm test` both have them. @returns {Part[]} */
export function staticParts() {
  const tool = (/** @type {string} */ name) => join(root, 'node_modules', '.bin', name);
  return [
    commandPart('types', tool('tsc'), ['-p', '.']),
    commandPart('lint and format', tool('biome'), ['ci', '--colors=off', '--max-diagnostics=50']),
    shellPart(),
  ];
}

/** @returns {Part} */
function shellPart() {
  return {
    name: 'shell scripts',
    deadlineMs: minutes(1),
    run: async (deadlineMs) => {
      const command = findCommand('shellcheck');
      if (command === undefined)
        return oneCheck(false, 'shellcheck is missing: node build/setup.mjs --test installs it');
      const result = await run(command, shellScripts(), { output: 'capture', deadlineMs });
      return oneCheck(result.code === 0, result.output);
    },
  };
}

/** Every shell script of the project, relative to it. @returns {string[]} */
function shellScripts() {
  const outside = new Set(['node_modules', '.git', '.build', 'dist']);
  const found = readdirSync(root, { withFileTypes: true })
    .filter((entry) => !outside.has(entry.name))
    .flatMap((entry) => {
      if (!entry.isDirectory()) return [join(root, entry.name)];
      return readdirSync(join(root, entry.name), { withFileTypes: true, recursive: true })
        .filter((below) => below.isFile())
        .map((below) => join(below.path, below.name));
    })
    .filter((path) => path.endsWith('.sh') && !path.includes('/fixtures/'));
  return [join(root, '.ci', 'run'), ...found].map((path) => relative(root, path));
}

/**
 * Runs one part to its end and prints one line, and its output when it failed; never throws.
 * @param {Part} part @param {number} remainingMs of the time for all parts @returns {Promise<PartResult>}
 */
export async function runPart(part, remainingMs = Number.POSITIVE_INFINITY) {
  const began = performance.now();
  const deadlineMs = Math.min(part.deadlineMs, remainingMs);
  /** @type {PartResult} */
  let result;
  try {
    if (deadlineMs < 1000) throw new Error('there is no time left for it: an earlier part used it up');
    result = await part.run(deadlineMs);
  } catch (error) {
    result = oneCheck(false, errorText(error));
  }
  const took = dim(duration(performance.now() - began));
  const mark = result.failed > 0 ? red('failed') : green('ok');
  const counts = [
    result.passed > 1 || result.failed > 1 ? `${result.passed} passed` : '',
    result.failed > 0 ? red(`${result.failed} failed`) : '',
    result.skipped > 0 ? yellow(`${result.skipped} skipped`) : '',
  ].filter((text) => text !== '');
  console.log(`${mark.padEnd(7)} ${bold(part.name.padEnd(16))} ${[...counts, took].join(', ')}`);
  if (result.failed > 0 || result.skipped > 0) console.log(indent(failureText(result.output)));
  return result;
}

/** The part of a test run's output that tells what failed; all of it (the end, when long) for anything else. @param {string} output */
function failureText(output) {
  const at = output.lastIndexOf('failing tests:');
  const text = at > 0 ? output.slice(at) : output;
  const lines = text.trimEnd().split('\n');
  return lines.length > 200
    ? [...lines.slice(0, 120), '[...]', ...lines.slice(-80)].join('\n')
    : lines.join('\n');
}

/** @param {string} text */
function indent(text) {
  return text.replace(/^/gm, '        ');
}

/** @param {readonly PartResult[]} results */
export function total(results) {
  return {
    passed: results.reduce((sum, one) => sum + one.passed, 0),
    failed: results.reduce((sum, one) => sum + one.failed, 0),
    skipped: results.reduce((sum, one) => sum + one.skipped, 0),
  };
}
