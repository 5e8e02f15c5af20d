import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { EdgeError } from '../../../src/base/errors.ts';
import { DEFAULT_POLICY, type KindContext, resolveBlueprint } from '../../../src/kinds/index.ts';
import { type Blueprint, blueprintOf, type JsonObject } from '../../../src/model/blueprint.ts';
import type { ContainerSpec } from '../../../src/model/container.ts';
import type { DesiredBlueprint, Service } from '../../../src/model/desired.ts';
import type { Resolution, Slot } from '../../../src/model/ports.ts';
import { problemText } from '../../../src/model/problem.ts';

/** A node with nothing special about it; `files` are what `envFile` can read. */
export function context(patch: Partial<KindContext> = {}, files: Record<string, string> = {}): KindContext {
  return {
    node: 'gw7',
    executorName: 'gw7',
    location: 'yard',
    colony: 'trains',
    unlocatedPolicy: 'always',
    hostName: 'gw7-host',
    timeZone: 'Europe/Vienna',
    defaultNetwork: 'colonies_default',
    agentEnvironment: {},
    policy: DEFAULT_POLICY,
    overlays: [],
    bindPrefixMap: [],
    slots: [],
    slotsRequired: 'put it into the slots file',
    protectedPaths: ['/var/lib/colonies-edge', '/run/colonies-edge/agent.sock'],
    hasOwnerKey: false,
    readFile(path) {
      const content = files[path];
      if (content !== undefined) return content;
      throw new EdgeError(`no file ${path}`, { code: 'ENV_FILE_MISSING', retry: 'permanent', target: path });
    },
    ...patch,
  };
}

export function blueprint(kind: string, spec: unknown, metadata: JsonObject = {}): Blueprint {
  return blueprintOf({ kind, metadata: { name: 'shop', ...metadata }, spec }, { source: 'directory' });
}

/** A DockerDeployment of one instance called `web`, with more fields in the instance or the spec. */
export function docker(instance: JsonObject = {}, spec: JsonObject = {}): Blueprint {
  return blueprint('DockerDeployment', {
    instances: [{ name: 'web', image: 'nginx:1.27', ...instance }],
    ...spec,
  });
}

export function executor(spec: JsonObject = {}): Blueprint {
  return blueprint('ExecutorDeployment', {
    image: 'colonyos/dockerexecutor:v1.0.7',
    executorType: 'runner',
    ...spec,
  });
}

export function slot(index: number, patch: Partial<Slot> = {}): Slot {
  return {
    blueprint: 'shop',
    index,
    key: 'ab'.repeat(32),
    id: 'cd'.repeat(32),
    executorName: `shop-1a2b${index}-3`,
    containerName: `shop-1a2b${index}`,
    registered: true,
    approved: true,
    ...patch,
  };
}

export function seed(name: string): Blueprint {
  const text = readFileSync(`test/fixtures/seed-blueprints/${name}.json`, 'utf8');
  return blueprintOf(JSON.parse(text), { source: 'directory' });
}

/** The resolved blueprint; fails with its problems when it was refused. */
export function desired(resolution: Resolution): DesiredBlueprint {
  if (resolution.result === 'refused') assert.fail(resolution.problems.map(problemText).join('\n'));
  assert.equal(resolution.result, 'ours');
  return resolution.result === 'ours' ? resolution.desired : assert.fail();
}

/** The first service, which must be there. */
export function service(from: Blueprint, over: Partial<KindContext> = {}, index = 0): Service {
  const found = desired(resolveBlueprint(from, context(over))).services[index];
  return found ?? assert.fail(`no service ${index}`);
}

export function container(from: Blueprint, over: Partial<KindContext> = {}, index = 0): ContainerSpec {
  return service(from, over, index).container;
}

/** All errors of a refused blueprint as text; empty when it was taken. */
export function errors(from: Blueprint, over: Partial<KindContext> = {}): string[] {
  const resolution = resolveBlueprint(from, context(over));
  if (resolution.result !== 'refused') return [];
  return resolution.problems.filter(({ severity }) => severity === 'error').map(problemText);
}

/** All warnings, of an accepted or a refused blueprint, as `reason: text`. */
export function warnings(from: Blueprint, over: Partial<KindContext> = {}): string[] {
  const resolution = resolveBlueprint(from, context(over));
  if (resolution.result === 'elsewhere') return [];
  const list = resolution.result === 'ours' ? resolution.desired.warnings : resolution.problems;
  return list
    .filter(({ severity }) => severity === 'warning')
    .map((problem) => `${problem.reason}: ${problemText(problem)}`);
}

/** One expectation that every text of a list is matched, in order, and none is left over. */
export function matchAll(actual: readonly string[], expected: readonly RegExp[]): void {
  const all = actual.join('\n');
  assert.equal(actual.length, expected.length, `expected ${expected.length} problems, got:\n${all}`);
  expected.forEach((pattern, i) => {
    assert.match(actual[i] ?? '', pattern);
  });
}
