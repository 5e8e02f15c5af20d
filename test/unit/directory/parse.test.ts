import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scanJson } from '../../../src/directory/json.ts';
import { isDefinition, parseFile } from '../../../src/directory/parse.ts';

const parse = (name: string, text: string) => parseFile(name, new TextEncoder().encode(text));
const documentsOf = async (name: string, text: string) => {
  const parsed = await parse(name, text);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.message);
  return parsed.documents;
};
const faultOf = async (name: string, text: string) => {
  const parsed = await parse(name, text);
  return parsed.ok ? 'none' : `${parsed.line ?? '-'}: ${parsed.message}`;
};

test('JSON is one object or an array of them, with the lines of their fields', async () => {
  const text =
    '{\n "kind": "X",\n "spec": { "instances": [\n  { "image": "a" },\n  { "ports": [\n   5 ] } ] }\n}';
  const [one] = await documentsOf('a.json', text);
  assert.deepEqual(one?.value, JSON.parse(text));
  assert.equal(one?.lineOf('kind'), 2);
  assert.equal(one?.lineOf('spec.instances[0].image'), 4);
  assert.equal(one?.lineOf('spec.instances[1].ports[0]'), 6);
  assert.equal(one?.lineOf('spec.instances[1].image'), 5, 'a missing field is where its parent is');
  assert.equal(one?.lineOf('metadata.name'), 1);
  const list = await documentsOf('a.json', '[\n{"a": 1},\n{\n"a": 2}]');
  assert.deepEqual(
    list.map((item) => [item.document, item.value, item.lineOf(''), item.lineOf('a')]),
    [
      [0, { a: 1 }, 2, 2],
      [1, { a: 2 }, 3, 4],
    ],
  );
});

test('YAML fields have lines, too, in each of several documents', async () => {
  const yaml =
    'kind: X\nmetadata:\n  labels:\n    example.org/site: "1"\nspec:\n  instances:\n    - image: a\n      env: {A: b,\n        C: d}\n---\nkind: Y\n';
  const [first, second] = await documentsOf('a.yaml', yaml);
  assert.equal(first?.lineOf('metadata.labels.example.org/site'), 4, 'dots in names do no harm');
  assert.equal(first?.lineOf('spec.instances[0].env.C'), 9);
  assert.equal(first?.lineOf('spec.instances[0].command'), 7);
  assert.equal(second?.lineOf('kind'), 11);
  assert.equal(second?.document, 1);
});

test('a JSON fault is told with its line and without the text around it', async () => {
  assert.equal(await faultOf('a.json', '{"a": 1,\n"b": [1, 2'), '2: is not valid JSON: it ends too early');
  assert.equal(
    await faultOf('a.json', '{"a": 1,\n}'),
    '2: is not valid JSON: it must have a field name in double quotes here',
  );
  assert.equal(
    await faultOf('a.json', '{"a": secret}'),
    '1: is not valid JSON: it has something here that is not a JSON value',
  );
  assert.equal(
    await faultOf('a.json', '{"a": 1}\n\n{"b": 2}'),
    '3: is not valid JSON: it has something after its end',
  );
  assert.equal(
    await faultOf('a.json', '{"a": "x\ny"}'),
    '1: is not valid JSON: it has something here that is not a JSON value',
  );
  assert.equal(
    await faultOf('a.json', '{"a" 1}'),
    '1: is not valid JSON: it must have ":" after the field name',
  );
  assert.equal(await faultOf('a.json', '[1 2]'), '1: is not valid JSON: it must have "," or "]" here');
});

test('every beginning of a document is broken, never a smaller document', async () => {
  const text = '{"kind":"X","a":[1,-2.5e3,true,null,"\\u00e5\\n"],"b":{"c":{}}}';
  assert.equal(scanJson(text).fault, undefined);
  for (let length = 0; length < text.length; length++) {
    assert.notEqual(await faultOf('a.json', text.slice(0, length)), 'none', text.slice(0, length));
    assert.notEqual(scanJson(text.slice(0, length)).fault, undefined, text.slice(0, length));
  }
});

test('YAML keeps the core schema: no is a string, and only documents with something in them count', async () => {
  const documents = await documentsOf(
    'a.yml',
    '# first\nanswer: no\nport: 0o17\non: 1.0\nday: 2024-01-01\n---\n---\na: 1\n',
  );
  assert.deepEqual(
    documents.map(({ document, value }) => [document, value]),
    [
      [0, { answer: 'no', port: 15, on: 1, day: '2024-01-01' }],
      [2, { a: 1 }],
    ],
  );
  assert.deepEqual(await documentsOf('a.yaml', '# all of it\n# commented out\n'), []);
});

test('YAML faults are told with their line: duplicate keys, tabs, unknown tags, unclosed quotes', async () => {
  assert.match(
    await faultOf('a.yaml', 'a: 1\nb: 2\na: 3\n'),
    /^3: is not valid YAML: the field "a" occurs twice/,
  );
  assert.match(await faultOf('a.yaml', 'a: 1\n\tb: 2\n'), /^2: is not valid YAML/);
  assert.match(await faultOf('a.yaml', 'a: 1\nb: !secret x\n'), /^2: is not valid YAML: Unresolved tag/);
  assert.match(await faultOf('a.yaml', 'a: "x\n'), /^\d: is not valid YAML/);
  assert.match(await faultOf('a.yaml', 'ok: 1\n---\na: [1\n'), /^\d: is not valid YAML/);
});

test('anchors work, but not to fill the memory', async () => {
  const [document] = await documentsOf('a.yaml', 'base: &b {x: 1}\nother: *b\n');
  assert.deepEqual(document?.value, { base: { x: 1 }, other: { x: 1 } });
  const laughs = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
  for (let n = 1; n < 10; n++)
    laughs.push(
      `a${n}: &a${n} [${Array(9)
        .fill(`*a${n - 1}`)
        .join(', ')}]`,
    );
  assert.match(
    await faultOf('a.yaml', laughs.join('\n')),
    /Excessive alias count|too large once its aliases/,
  );
  const wide = `big: &b ["${'x'.repeat(200_000)}"]\nmany: [${Array(50).fill('*b').join(', ')}]`;
  assert.match(await faultOf('a.yaml', wide), /too large once its aliases are followed/);
  assert.match(await faultOf('a.yaml', 'a: &a [*a]\n'), /nested deeper|Excessive|Unresolved|too large/);
});

test('a file made to exhaust the parser is refused before it is parsed', async () => {
  for (const text of ['['.repeat(50_000), '{a: '.repeat(50_000), '- '.repeat(50_000), '? '.repeat(50_000)])
    assert.equal(await faultOf('a.yaml', text), '-: is nested too deep');
  assert.equal(await faultOf('a.yaml', '---\na: 1\n'.repeat(1001)), '-: has more than 1000 documents');
  const keys = Array.from({ length: 4_000 }, (_, index) => `k${index}: v`).join('\n');
  assert.equal(await faultOf('a.yaml', keys), 'none');
  assert.equal(
    await faultOf('a.yaml', `${keys}\nk7: again`),
    '4001: is not valid YAML: the field "k7" occurs twice',
  );
  assert.equal(
    await faultOf('a.yaml', '? [1, 2]\n: x\n'),
    '1: is not valid YAML: field names must be plain values',
  );
});

test('what is empty, not text, too deep or no number is broken', async () => {
  assert.equal(await faultOf('a.json', ''), '-: is empty (half written?)');
  assert.equal(await faultOf('a.yaml', ' \n\n'), '-: is empty (half written?)');
  const parsed = await parseFile('a.json', new Uint8Array([0x7b, 0xff, 0x7d]));
  assert.deepEqual(parsed, { ok: false, message: 'is not UTF-8 text' });
  assert.match(await faultOf('a.json', '['.repeat(70) + ']'.repeat(70)), /nested deeper than 64/);
  assert.match(await faultOf('a.json', '['.repeat(300_000)), /nested/);
  assert.match(await faultOf('a.yaml', 'a: .inf\n'), /number that JSON does not know/);
});

test('a byte-order mark and a long string do no harm', async () => {
  const long = 'x'.repeat(900_000);
  const [document] = await documentsOf('a.json', `\ufeff{"a": "${long}",\n"b": 1}`);
  assert.equal(document?.lineOf('b'), 2);
});

test('definitions are told from blueprints by their shape', () => {
  assert.equal(isDefinition({ metadata: {}, spec: { names: { kind: 'DockerDeployment' } } }), true);
  assert.equal(isDefinition({ kind: 'X', spec: { names: { kind: 'DockerDeployment' } } }), false);
  for (const value of [null, 5, [], {}, { spec: null }, { spec: { names: [] } }])
    assert.equal(isDefinition(value), false);
});
