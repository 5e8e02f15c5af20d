import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { importViolations, isPure, packageOf, packageViolations, purityViolations } from './rules.ts';
import { sizeViolations } from './size.ts';
import { importsOf, onlyCode, projectFiles } from './source.ts';
import { outsideNames, registryHosts, testMarks } from './words.ts';

const source = projectFiles((path) => path.startsWith('src/') && path.endsWith('.ts'));
const tests = projectFiles((path) => path.startsWith('test/') && path.endsWith('.ts'));
const scripts = projectFiles((path) => path.startsWith('build/') && path.endsWith('.mjs'));
const about = JSON.parse(readFileSync('package.json', 'utf8'));

/** Long because they are one switch over all actions, a few lines of data each: splitting them would hide the whole. */
const ONE_SWITCH = ['src/docker/perform.ts: callOf'];

function none(violations: readonly string[]) {
  assert.equal(violations.length, 0, `\n${violations.join('\n')}\n`);
}

describe('the house', () => {
  it('has imports that go down only: main -> cli -> rooms -> model -> base', () => {
    assert.ok(source.length > 0);
    none(importViolations(source));
  });

  it('loads each package through its own door', () => {
    none(packageViolations(source, Object.keys(about.dependencies)));
  });

  it('keeps I/O, clock, randomness, logging and process out of the files that decide', () => {
    const pure = source.filter((file) => isPure(file.path));
    assert.ok(pure.length > 0);
    none(pure.flatMap(purityViolations));
  });

  it('has no file past 350 lines and no function past 60', () => {
    const found = [...source, ...scripts].flatMap((file) =>
      sizeViolations(file, { file: 350, function: 60 }),
    );
    none(found.filter((line) => !ONE_SWITCH.some((name) => line.replace(/:\d+:/, ':').startsWith(name))));
    none(tests.flatMap((file) => sizeViolations(file, { file: 500, function: Number.POSITIVE_INFINITY })));
  });

  it('writes to the console in one place only', () => {
    const loud = source.filter((file) => !/^src\/cli\/output[^/]*\.ts$/.test(file.path));
    none(
      loud
        .filter((file) => /\bconsole\s*\./.test(onlyCode(file.text)))
        .map((file) => `${file.path} uses console`),
    );
  });

  it('carries no postponed work and no switched-off tests', () => {
    none([...source, ...tests, ...scripts].flatMap(testMarks));
  });

  it('names no folder of one particular machine and no package registry', () => {
    const text = projectFiles((path) => /\.(ts|mjs|md|json|ya?ml|sh|service|conf)$|^\.ci\//.test(path));
    const ours = text.filter((file) => !/^test\/(fixtures|vectors|arch)\//.test(file.path));
    none(ours.flatMap((file) => [...outsideNames(file), ...registryHosts(file)]));
  });
});

describe('the dependencies', () => {
  it('are given as exact versions', () => {
    const all: [string, string][] = Object.entries({ ...about.dependencies, ...about.devDependencies });
    none(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)).map(([name, v]) => `${name}: ${v}`));
  });

  it('are imported somewhere, or they would not be needed', () => {
    const used = new Set(source.flatMap((file) => importsOf(file.text).map((one) => packageOf(one.target))));
    none(Object.keys(about.dependencies).filter((name) => !used.has(name)));
  });
});
