import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkGraph, findCycle, resolveBlueprint } from '../../../src/kinds/index.ts';
import type { JsonObject } from '../../../src/model/blueprint.ts';
import { problemText } from '../../../src/model/problem.ts';
import { blueprint, context, desired, docker, errors, matchAll, seed, service, warnings } from './support.ts';

const spec = { instances: [{ name: 'web', image: 'x' }] };
const result = (metadata: JsonObject, over = {}, more: JsonObject = {}) =>
  resolveBlueprint(blueprint('DockerDeployment', { ...spec, ...more }, metadata), context(over)).result;

describe('whose a blueprint is (FIELDS 8)', () => {
  test('executorName beats location', () => {
    assert.equal(result({ locationname: 'elsewhere' }, {}, { executorName: 'gw7' }), 'ours');
    assert.equal(result({ locationname: 'yard' }, {}, { executorName: 'gw8' }), 'elsewhere');
  });
  test('executorName and executorNames together are one list, empty names do not count', () => {
    assert.equal(result({}, {}, { executorName: 'gw8', executorNames: ['gw7'] }), 'ours');
    assert.equal(result({}, {}, { executorName: '', executorNames: [] }), 'ours');
  });
  test('location beats the policy, and is compared without regard to case', () => {
    assert.equal(result({ locationname: 'YARD' }, { unlocatedPolicy: 'ignore' }), 'ours');
    assert.equal(result({ locationname: 'harbour' }), 'elsewhere');
  });
  test('without either the policy decides', () => {
    assert.equal(result({}, { unlocatedPolicy: 'ignore' }), 'elsewhere');
    assert.equal(result({}, { unlocatedPolicy: 'claim' }), 'ours');
  });
  test('a claim is needed where several nodes come into question, and for nothing of a directory', () => {
    const needs = (more: JsonObject, unlocatedPolicy: 'claim' | 'always', locationname = '') => {
      const found = blueprint('DockerDeployment', { ...spec, ...more }, { locationname });
      const of = (source: 'server' | 'directory') => {
        const resolution = resolveBlueprint({ ...found, origin: { source } }, context({ unlocatedPolicy }));
        return resolution.result === 'elsewhere' ? resolution.why : resolution.needsClaim;
      };
      assert.equal(of('directory'), false);
      return of('server');
    };
    assert.equal(needs({}, 'claim'), true);
    assert.equal(needs({}, 'always'), false);
    assert.equal(needs({}, 'claim', 'yard'), false);
    assert.equal(needs({ executorName: 'gw7' }, 'claim'), false);
    assert.equal(needs({ executorNames: ['gw7', 'gw8'] }, 'always', 'harbour'), true);
    assert.equal(needs({ replicas: -1 }, 'claim'), true, 'also when it is refused');
  });
  test('elsewhere says why', () => {
    const found = resolveBlueprint(docker({}, { executorName: 'gw8' }), context());
    assert.deepEqual(found, { result: 'elsewhere', why: 'is for executor gw8, this is gw7' });
  });
  test('a blueprint of another colony is refused, one without a colony is not', () => {
    const foreign = resolveBlueprint(blueprint('DockerDeployment', spec, { colonyname: 'ships' }), context());
    assert.equal(foreign.result === 'refused' && foreign.problems[0]?.reason, 'ForeignColony');
    assert.equal(result({ colonyname: 'trains' }), 'ours');
    assert.equal(result({ colonyname: 'ships' }, { colony: '' }), 'ours');
  });
  test('an invalid blueprint for another node is not our business', () => {
    assert.equal(result({ locationname: 'harbour' }, {}, { instances: [] }), 'elsewhere');
  });
});

describe('the envelope (FIELDS 1)', () => {
  test('an unknown kind is refused by name', () => {
    for (const kind of ['Pod', 'constructor']) {
      const found = resolveBlueprint(blueprint(kind, {}), context());
      assert.equal(found.result === 'refused' && found.problems[0]?.reason, 'UnsupportedKind');
      assert.equal(found.result === 'refused' && found.problems[0]?.path, 'kind');
    }
  });
  test('metadata.name must be a DNS label', () => {
    for (const name of ['a_b', 'a.b', '-a', 'a-', 'a b', 'a/b', 'x'.repeat(64)])
      matchAll(errors(blueprint('DockerDeployment', spec, { name })), [
        /^metadata\.name must be a DNS label/,
      ]);
    matchAll(errors(blueprint('DockerDeployment', spec, { name: 'C1-Database' })), []);
  });
  test('warnings of the envelope are kept', () => {
    matchAll(warnings(seed('local-docker-executor-deployment')), [
      /^SpecWarning: handler belongs to the blueprint definition/,
    ]);
  });
});

describe('labels and hashes (FIELDS 7 and 9)', () => {
  test('managed labels: all of them, on every container', () => {
    const from = blueprint(
      'DockerDeployment',
      { ...spec, replicas: 2 },
      { generation: 7, labels: { a: 'b' } },
    );
    const found = service({ ...from, blueprintId: 'f00' }, {}, 1);
    assert.deepEqual(found.managedLabels, {
      'colonies.deployment': 'shop',
      'colonies.managed': 'true',
      'colonies.generation': '7',
      'colonies.kind': 'DockerDeployment',
      'colonies.blueprintid': 'f00',
      'colonies.instance': 'web',
      'colonies.replica': '1',
      'colonies.spec-hash': found.specHash,
      'colonies.node': 'gw7',
      'colonies.colony': 'trains',
    });
    assert.deepEqual(found.container.labels, {});
    assert.equal(found.key, 'shop/web/1');
  });
  test('generation, labels, annotations and identity of the blueprint do not change the hash', () => {
    const hash = (metadata: JsonObject) => service(blueprint('DockerDeployment', spec, metadata)).specHash;
    const plain = hash({});
    assert.equal(
      hash({
        generation: 9,
        labels: { a: 'b' },
        annotations: { c: 'd' },
        locationname: 'yard',
        colonyname: 'trains',
      }),
      plain,
    );
    assert.equal(service({ ...blueprint('DockerDeployment', spec), blueprintId: 'f00' }).specHash, plain);
  });
  test('more replicas, or another instance, leave the hashes of the rest alone', () => {
    const hashes = (more: JsonObject) =>
      desired(resolveBlueprint(docker({}, more), context())).services.map((item) => item.specHash);
    assert.deepEqual(hashes({ replicas: 3 }).slice(0, 2), hashes({ replicas: 2 }));
    const added = hashes({
      instances: [
        { name: 'web', image: 'nginx:1.27' },
        { name: 'db', image: 'mysql' },
      ],
    });
    assert.equal(added[0], hashes({})[0]);
  });
  test("the blueprint's own hash changes with any of its services", () => {
    const hash = (instance: JsonObject, more: JsonObject = {}) =>
      desired(resolveBlueprint(docker(instance, more), context())).specHash;
    assert.notEqual(hash({}), hash({ user: 'x' }));
    assert.notEqual(hash({}), hash({}, { replicas: 2 }));
    assert.equal(hash({}), hash({}));
  });
});

describe('what no spec may hold', () => {
  test('a depth or a cycle of references that would exhaust the stack is refused', () => {
    let deep: unknown = 'x';
    for (let i = 0; i < 50_000; i += 1) deep = [deep];
    matchAll(errors({ ...docker(), spec: { deep } }), [/^spec must not nest deeper than/]);
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    matchAll(errors({ ...docker(), spec: loop }), [/^spec must not nest deeper than/]);
    matchAll(errors({ ...docker(), spec: { big: Array.from({ length: 200_000 }, () => 1) } }), [
      /^spec must not nest/,
    ]);
  });
  test('numbers that are none, which YAML can write', () => {
    matchAll(errors(docker({ environment: { A: Number.NaN } })), [
      /environment\.A must be a finite number/,
      /environment\.A must be a string/,
    ]);
  });
});

describe('cycles over several blueprints (FIELDS 5)', () => {
  const ours = (name: string, dependsOn: string[], instance = name, more: JsonObject = {}) =>
    desired(
      resolveBlueprint(
        blueprint(
          'DockerDeployment',
          { dependsOn, instances: [{ name: instance, image: 'x', ...more }] },
          { name },
        ),
        context(),
      ),
    );
  const graph = (...list: ReturnType<typeof ours>[]) =>
    checkGraph(list).map((item) => `${item.severity}: ${problemText(item)}`);

  test('findCycle: the cycle itself, without the way to it', () => {
    assert.deepEqual(
      findCycle(
        new Map([
          ['x', ['a']],
          ['a', ['b']],
          ['b', ['a']],
        ]),
      ),
      ['a', 'b', 'a'],
    );
    assert.deepEqual(findCycle(new Map([['a', ['a']]])), ['a', 'a']);
    assert.equal(
      findCycle(
        new Map([
          ['a', ['b', 'c']],
          ['b', ['c']],
          ['c', ['gone']],
        ]),
      ),
      undefined,
    );
    assert.equal(findCycle(new Map()), undefined);
  });
  test('findCycle: a long chain does not exhaust the stack', () => {
    const chain = new Map(Array.from({ length: 50_000 }, (_, i) => [String(i), [String(i + 1)]] as const));
    assert.equal(findCycle(chain), undefined);
    assert.equal(findCycle(new Map([...chain, ['50000', ['0']]]))?.length, 50_002);
  });
  test('a cycle is named by blueprints', () => {
    matchAll(graph(ours('aa', ['bb']), ours('bb', ['cc']), ours('cc', ['aa'])), [
      /^error: aa: spec\.dependsOn must not form a cycle: aa -> bb -> cc -> aa$/,
    ]);
    matchAll(graph(ours('aa', ['bb/web'], 'db'), ours('bb', ['aa/db'], 'web')), [/cycle: aa -> bb -> aa$/]);
    matchAll(graph(ours('aa', ['bb']), ours('bb', ['cc']), ours('cc', [])), []);
  });
  test('an unknown target is no error: it may come later', () => matchAll(graph(ours('aa', ['later'])), []));
  test('container names and host ports that two blueprints want are errors, shared aliases warnings', () => {
    const port = { ports: [{ container: 80, host: 80 }] };
    matchAll(graph(ours('aa', [], 'xx', port), ours('bb', [], 'yy', port)), [
      /^error: bb: spec wants host port 80\/tcp, as aa does/,
    ]);
    matchAll(graph(ours('aa', [], 'xx'), ours('bb', [], 'xx')), [
      /^error: bb: spec wants the container name "xx", as aa does/,
      /^warning: bb: metadata\.name answers to "xx"/,
    ]);
    matchAll(graph(ours('aa', [], 'xx'), ours('bb', [], 'aa')), [
      /^warning: bb: metadata\.name answers to "aa" in network colonies_default, as aa does/,
    ]);
  });
  test('a blueprint that is being deleted does not count', () => {
    matchAll(graph(ours('aa', ['bb']), { ...ours('bb', ['aa']), deleting: true }), []);
  });
});
