import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import {
  blueprint,
  container,
  context,
  desired,
  docker,
  errors,
  matchAll,
  service,
  warnings,
} from './support.ts';

describe('environment (FIELDS 3.1 and 3.2)', () => {
  test('environment: numbers become plain decimals, booleans words', () => {
    const environment = {
      A: 1e21,
      B: 0.1,
      C: -0,
      D: 1e-7,
      E: true,
      F: 1000000,
      G: 1.5e300,
      H: 1e23,
      I: -2.5e-9,
    };
    const { env } = container(docker({ environment }));
    assert.equal(env.A, '1000000000000000000000');
    assert.equal(env.B, '0.1');
    assert.equal(env.C, '0');
    assert.equal(env.D, '0.0000001');
    assert.equal(env.E, 'true');
    assert.equal(env.F, '1000000');
    assert.equal(env.G, `15${'0'.repeat(299)}`);
    assert.equal(env.H, `1${'0'.repeat(23)}`);
    assert.equal(env.I, '-0.0000000025');
  });

  test("COLONIES_DEPLOYMENT and COLONIES_CONTAINER_NAME are always the agent's", () => {
    const { env } = container(docker({ environment: { COLONIES_DEPLOYMENT: 'x' } }, { replicas: 2 }), {}, 1);
    assert.deepEqual(env, { COLONIES_DEPLOYMENT: 'shop', COLONIES_CONTAINER_NAME: 'web-1' });
  });

  test('COLONIES_NODE_NAME and COLONIES_NODE_LOCATION come with COLONIES_EXECUTOR_NAME only', () => {
    const { env } = container(docker({ environment: { COLONIES_EXECUTOR_NAME: 'x' } }));
    assert.equal(env.COLONIES_NODE_NAME, 'gw7');
    assert.equal(env.COLONIES_NODE_LOCATION, 'yard');
    const own = { COLONIES_NODE_NAME: 'n', COLONIES_NODE_LOCATION: 'l' };
    const inherited = container(docker({ environment: { COLONIES_EXECUTOR_NAME: 'x' } }), {
      agentEnvironment: own,
    });
    assert.equal(inherited.env.COLONIES_NODE_NAME, 'n');
    assert.equal(inherited.env.COLONIES_NODE_LOCATION, 'l');
    assert.equal(container(docker()).env.COLONIES_NODE_NAME, undefined);
  });

  test('COLONIES_COLONY_PRVKEY: a warning without the key in it', () => {
    const list = warnings(docker({ environment: { COLONIES_COLONY_PRVKEY: 'topsecret' } }));
    matchAll(list, [/COLONIES_COLONY_PRVKEY/]);
    assert.doesNotMatch(list.join(), /topsecret/);
  });

  test('a variable called __proto__ is a variable like any other', () => {
    const from = blueprint(
      'DockerDeployment',
      JSON.parse('{"instances":[{"name":"web","image":"x","environment":{"__proto__":"y"}}]}'),
    );
    assert.ok(Object.hasOwn(container(from).env, '__proto__'));
  });

  test('envFile: its lines are variables, environment wins over it, and its content is part of the hash', () => {
    const from = docker({ envFile: '/etc/shop.env', environment: { B: '2' } });
    const read = (content: string) =>
      desired(resolveBlueprint(from, context({}, { '/etc/shop.env': content }))).services[0];
    const first = read('\uFEFF# note\r\nA= "1" \r\nB=1\n\n  C=x=y\n');
    assert.deepEqual(first?.container.env, {
      A: ' "1" ',
      B: '2',
      C: 'x=y',
      COLONIES_DEPLOYMENT: 'shop',
      COLONIES_CONTAINER_NAME: 'web',
    });
    assert.notEqual(first?.specHash, read('A=2')?.specHash);
  });

  test('envFile: a missing file is a refusal of its own kind', () => {
    const resolution = resolveBlueprint(docker({ envFile: '/etc/none.env' }), context());
    assert.equal(resolution.result, 'refused');
    if (resolution.result !== 'refused') return;
    assert.deepEqual(resolution.problems, [
      {
        severity: 'error',
        reason: 'EnvFileMissing',
        path: 'spec.instances[0].envFile',
        message: 'must be a readable file: does not exist on this node',
        value: '"/etc/none.env"',
      },
    ]);
  });

  test('envFile: a bad line is named by number, its content is not shown', () => {
    const resolution = resolveBlueprint(docker({ envFile: '/e' }), context({}, { '/e': 'A=1\nSECRET\n=x' }));
    assert.equal(resolution.result, 'refused');
    const text = JSON.stringify(resolution);
    assert.match(text, /line 2/);
    assert.match(text, /line 3/);
    assert.doesNotMatch(text, /SECRET/);
  });

  test("envFile: the agent's own state cannot be read through it", () => {
    matchAll(errors(docker({ envFile: '/var/lib/colonies-edge/../colonies-edge/slots.json' })), [
      /\.envFile belongs to the agent itself/,
    ]);
  });
});

describe('unknown fields and fields not acted on yet are visible', () => {
  test('a misspelt field is a warning with a suggestion, and the rest goes on', () => {
    matchAll(warnings(docker({ enviroment: {} })), [
      /^SpecWarning: spec\.instances\[0\]\.enviroment .* did you mean environment\?/,
    ]);
    matchAll(warnings(docker({ env: {} })), [/did you mean environment\?/]);
    matchAll(warnings(docker({ depends_on: [] })), [/did you mean dependsOn\?/]);
    matchAll(warnings(docker({ ports: [{ container: 80, hostport: 1 }] })), [
      /ports\[0\]\.hostport is not a known field/,
    ]);
    matchAll(warnings(docker({}, { replica: 2 })), [
      /^SpecWarning: spec\.replica .* did you mean replicas\?/,
    ]);
    matchAll(warnings(docker({ constructor: 2, toString: 1 })), [
      /\[0\]\.constructor is not/,
      /\[0\]\.toString is not/,
    ]);
  });

  test('onUnhealthy is taken from the instance and from the health check, without a warning', () => {
    const check = { test: 'x', onUnhealthy: 'ignore' };
    assert.equal(service(docker({ onUnhealthy: 'ignore' })).onUnhealthy, 'ignore');
    assert.equal(service(docker({ healthcheck: check })).onUnhealthy, 'ignore');
    assert.equal(service(docker()).onUnhealthy, 'restart');
    matchAll(warnings(docker({ onUnhealthy: 'ignore', healthcheck: check })), []);
  });

  test('a plain blueprint has no warnings', () => matchAll(warnings(docker()), []));
});
