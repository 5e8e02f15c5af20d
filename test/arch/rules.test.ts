import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importViolations, isPure, packageViolations, purityViolations } from './rules.ts';
import { functionSizes, sizeViolations } from './size.ts';
import { importsOf, onlyCode } from './source.ts';
import { outsideNames, registryHosts, testMarks } from './words.ts';

const file = (path: string, text: string) => ({ path, text });

describe('the reader of imports', () => {
  it('finds every form of import, and no comment or string that looks like one', () => {
    const text = [
      "import a, { type B } from './a.ts';",
      "import type { C } from './c.ts';",
      "import { type D, type E } from './d.ts';",
      "export * from './e.ts';",
      "import 'node:fs';",
      "const lazy = await import('yaml');",
      "// import x from './comment.ts'",
      'import {\n  long,\n} from "./long.ts";',
    ].join('\n');
    const found = importsOf(text).map((one) => `${one.line} ${one.target}${one.typeOnly ? ' type' : ''}`);
    assert.deepEqual(found, [
      '1 ./a.ts',
      '2 ./c.ts type',
      '3 ./d.ts type',
      '4 ./e.ts',
      '5 node:fs',
      '6 yaml',
      '8 ./long.ts',
    ]);
  });

  it('keeps code and drops texts, also in templates and regular expressions', () => {
    const code = onlyCode(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text, to be read as such
      "const a = `http://x ${process.pid} console`; // console\nif (/['\"]/.test(b)) c('process.');",
    );
    assert.match(code, /process\.pid/);
    assert.doesNotMatch(code, /console|process\. /);
    assert.match(code, /test\(b\)\) c\(/);
  });
});

describe('the import rules', () => {
  const cases: [string, string, RegExp | undefined][] = [
    ['src/main.ts', './docker/engine.ts', undefined],
    ['src/cli/run.ts', '../store/open.ts', undefined],
    ['src/kinds/a.ts', '../model/blueprint.ts', undefined],
    ['src/kinds/a.ts', './b.ts', undefined],
    ['src/kinds/a.ts', '../docker/engine.ts', /never import one another/],
    ['src/reconcile/loop.ts', '../store/open.ts', /never import one another/],
    ['src/model/a.ts', '../kinds/b.ts', /contract between the rooms/],
    ['src/base/a.ts', '../model/b.ts', /no domain words/],
    ['src/docker/a.ts', '../cli/output.ts', /above the rooms/],
    ['src/cli/a.ts', '../main.ts', /only main constructs/],
    ['src/docker/a.ts', '../../test/fakes/engine.ts', /outside src/],
    ['src/shed/a.ts', './b.ts', /not a room/],
  ];
  for (const [from, target, expected] of cases)
    it(`${expected === undefined ? 'allow' : 'refuse'} ${target} in ${from}`, () => {
      const violations = importViolations([file(from, `import { x } from '${target}';`)]);
      if (expected === undefined) assert.deepEqual(violations, []);
      else assert.match(violations.join('\n'), expected);
    });

  it('let packages in through their doors only', () => {
    const declared = ['undici', 'mri', 'valibot'];
    const check = (path: string, target: string) =>
      packageViolations([file(path, `import x from '${target}';`)], declared).length;
    assert.equal(check('src/docker/transport.ts', 'undici'), 0);
    assert.equal(check('src/kinds/a.ts', 'valibot'), 0);
    assert.equal(check('src/reconcile/loop.ts', 'undici'), 1);
    assert.equal(check('src/config/load.ts', 'mri'), 1);
    assert.equal(check('src/base/a.ts', 'left-pad'), 1);
    assert.equal(check('src/base/a.ts', 'fs'), 1);
  });
});

describe('the purity rules', () => {
  it('know the pure files', () => {
    const pure = [
      'src/reconcile/plan.ts',
      'src/reconcile/plan-service.ts',
      'src/model/a.ts',
      'src/kinds/deep/b.ts',
    ];
    assert.deepEqual(
      pure.filter((path) => !isPure(path)),
      [],
    );
    assert.equal(isPure('src/reconcile/loop.ts'), false);
    assert.equal(isPure('src/docker/engine.ts'), false);
  });

  const impure = [
    'const t = Date.now();',
    'const t = new Date();',
    'const r = Math.random();',
    'if (process.env.X) x();',
    'setTimeout(f, 1);',
    'console.log(1);',
    "import { readFileSync } from 'node:fs';",
    "import { request } from 'node:http';",
    "import { spawn } from 'node:child_process';",
    "import { connect } from 'node:net';",
    "import { randomBytes } from 'node:crypto';",
    "import { systemClock } from '../base/clock.ts';",
  ];
  for (const text of impure)
    it(`refuse ${text}`, () => assert.notEqual(purityViolations(file('src/model/a.ts', text)).length, 0));

  const pure = [
    'const t = new Date(epochMs);',
    "// Date.now() is not for us\nconst text = 'process.env';",
    "import { createHash } from 'node:crypto';",
    "import { isIP } from 'node:net';",
    "import type { Clock } from '../base/clock.ts';",
  ];
  for (const text of pure)
    it(`allow ${text.replace('\n', ' ')}`, () =>
      assert.deepEqual(purityViolations(file('src/model/a.ts', text)), []));
});

describe('the size rules', () => {
  const body = (lines: number) => '  a();\n'.repeat(lines);

  it('measure functions of every form by their own lines', () => {
    const text = [
      `function one() {\n${body(2)}}`,
      `export async function two(\n  a: string,\n): Promise<void> {\n${body(3)}}`,
      `const three = () => {\n${body(1)}};`,
      'class K {\n  four(): void {\n    a();\n  }\n}',
      'short(() => a());',
    ].join('\n');
    assert.deepEqual(
      functionSizes(text).map((one) => `${one.name} ${one.lines}`),
      ['one 4', 'two 7', 'three 3', 'four 3'],
    );
  });

  it('do not count an inner function twice', () => {
    const text = `function outer() {\n  const inner = () => {\n${'    a();\n'.repeat(10)}  };\n}\n`;
    assert.deepEqual(
      functionSizes(text).map((one) => `${one.name} ${one.lines}`),
      ['outer 2', 'inner 12'],
    );
  });

  it('name the file and the function that are too long', () => {
    const found = sizeViolations(file('src/a.ts', `function long() {\n${body(70)}}\n`), {
      file: 50,
      function: 60,
    });
    assert.deepEqual(found.length, 2);
    assert.match(found[0] ?? '', /72 lines, at most 50/);
    assert.match(found[1] ?? '', /src\/a\.ts:1: long has 72 lines/);
  });
});

describe('the word rules', () => {
  it('find postponed work and switched-off tests', () => {
    assert.equal(testMarks(file('a.ts', `// ${'TO'}DO later`)).length, 1);
    assert.equal(testMarks(file('a.ts', `it.${'only'}('x', () => {});`)).length, 1);
    assert.equal(testMarks(file('a.ts', `test('x', { ${'skip'}: true }, () => {});`)).length, 1);
    assert.equal(testMarks(file('a.ts', "it('skips nothing', () => {});")).length, 0);
  });

  it('find paths of one machine and registries', () => {
    assert.equal(outsideNames(file('a.ts', "const p = '/root/project';")).length, 1);
    assert.equal(outsideNames(file('a.ts', "const p = '/srv/root/x';")).length, 0);
    assert.equal(registryHosts(file('a.md', 'from https://nexus.example/x')).length, 1);
    assert.equal(
      registryHosts(file('package-lock.json', '"resolved": "https://mirror.example/a.tgz"')).length,
      1,
    );
    assert.equal(
      registryHosts(file('package-lock.json', '"resolved": "https://registry.npmjs.org/a.tgz"')).length,
      0,
    );
  });
});
