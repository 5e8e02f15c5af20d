import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BlueprintReport } from '../../../src/model/status.ts';
import type { AgentUnderTest } from './agent.ts';
import { single } from './blueprints.ts';
import type { TestEngine } from './engine.ts';
import { Ground } from './ground.ts';

/** Where a case's blueprint is written: names and things it may use. */
export interface Place {
  /** Name of the blueprint, and of its container in the short form of a case. */
  name: string;
  image: string;
  ground: Ground;
  /** A TCP port of the host, the same for each use of the same number in this case. */
  port(number: number): number;
}

/** What a check looks at. */
export interface Found extends Place {
  engine: TestEngine;
  agent: AgentUnderTest;
  /** `GET /containers/{name}/json` of the container that carries the blueprint's name; undefined when there is none. */
  box: Awaited<ReturnType<TestEngine['inspect']>>;
  report: BlueprintReport;
  /** Standard output of a command inside that container, which must end with 0. */
  inside(...command: string[]): Promise<string>;
}

/** One row of a field table: what a blueprint says, and what must then be true on the engine. */
export interface FieldCase {
  /** "FIELDS 3.1 hostname: ...". */
  title: string;
  /** Fields of the only instance. */
  instance?: object | ((place: Place) => object);
  /** More of the spec beside the only instance. */
  spec?: object | ((place: Place) => object);
  /** The whole document, where one instance is not enough. */
  document?: (place: Place) => object;
  check(found: Found): Promise<void> | void;
  /** true: deployed a second time on an image that brings settings of its own, for the fields that meet those. */
  rich?: boolean;
}

export interface FieldsOptions {
  flags?: (ground: Ground) => readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Made before the agent starts. */
  prepare?: (ground: Ground) => Promise<void>;
  node?: string;
}

/** Everything of a file of cases, for tests of its own beside the table. */
export interface FieldsRun {
  readonly ground: Ground;
  readonly agent: AgentUnderTest;
}

/** Host ports of all cases, below the range from which the machine gives out its own. */
let nextPort = 21_000 + (process.pid % 400) * 20;

/**
 * Deploys all cases at once, as one directory of blueprints, some a second time on an image that brings everything an
 * image can bring; then makes one test of each case, and tests that further looks and a restart change nothing.
 */
export function testFields(
  room: string,
  cases: readonly FieldCase[],
  options: FieldsOptions = {},
): FieldsRun {
  let agent: AgentUnderTest | undefined;
  const ground = new Ground(room);
  const places = new Map<FieldCase, Place>();
  const run: FieldsRun = {
    ground,
    get agent() {
      assert.ok(agent !== undefined, 'the agent was not started');
      return agent;
    },
  };
  before(async () => {
    const plain = await ground.plainImage();
    const rich = await ground.richImage();
    await options.prepare?.(ground);
    agent = await ground.agent({
      flags: ['--resync', '1s', ...(options.flags?.(ground) ?? [])],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.node === undefined ? {} : { node: options.node }),
    });
    // Cases that say nothing of their own look at the same container.
    let basic: Place | undefined;
    for (const [index, one] of cases.entries()) {
      const isBasic = one.instance === undefined && one.spec === undefined && one.document === undefined;
      const place = (isBasic ? basic : undefined) ?? placeOf(ground, `${ground.prefix}-${index}`, plain);
      places.set(one, place);
      if (isBasic) basic = place;
      agent.write(`${place.name}.json`, documentOf(one, place));
      if (one.rich !== true) continue;
      const twin = placeOf(ground, `${ground.prefix}-${index}r`, rich);
      agent.write(`rich/${index}.json`, documentOf(one, twin));
    }
    await agent.start();
    await agent.converged(120_000);
  });
  after(() => ground.close());

  for (const one of cases)
    test(one.title, async () => {
      const place = places.get(one);
      assert.ok(place !== undefined);
      await one.check(await foundAt(run, place));
    });
  testQuiet(run);
  return run;
}

/** Registers the tests of what must not happen once everything runs. */
function testQuiet(run: FieldsRun): void {
  test('the engine reports every field above in the words it was asked in', async () => {
    // A container whose report differs although the agent just made it is taken as it is, and said to be adopted.
    const adopted = (await run.agent.events()).filter(({ message }) => message === 'container adopted');
    assert.deepEqual(
      adopted.map(({ container }) => container),
      [],
    );
  });
  test('further looks at everything above make no changing call', async () => {
    await run.agent.converged();
    const seq = await run.agent.lastEvent();
    assert.deepEqual(await run.agent.quiet(2), [], await whatFor(run.agent, seq));
  });
  test('a restart of the agent touches no container of all those above', async () => {
    const { agent, ground } = run;
    const lives = await ground.engine.lives(`colonies.node=${agent.node}`);
    await agent.stop();
    agent.relay.reset();
    await agent.start();
    await agent.converged();
    assert.deepEqual([...(await agent.quiet(2))], [], await whatFor(agent, 0));
    assert.deepEqual(await ground.engine.lives(`colonies.node=${agent.node}`), lives);
    await agent.stop();
  });
}

/** What the agent says it did since an event, for the message of a failed test. */
export async function whatFor(agent: AgentUnderTest, after: number): Promise<string> {
  const events = await agent.events(after);
  return events.map(({ message, container, cause }) => `${message} ${container ?? ''}: ${cause}`).join('\n');
}

function documentOf(one: FieldCase, place: Place): object {
  if (one.document !== undefined) return one.document(place);
  const instance = typeof one.instance === 'function' ? one.instance(place) : one.instance;
  const spec = typeof one.spec === 'function' ? one.spec(place) : one.spec;
  return single(place.name, place.image, instance, spec);
}

function placeOf(ground: Ground, name: string, image: string): Place {
  const ports = new Map<number, number>();
  const port = (number: number) => {
    const known = ports.get(number) ?? nextPort++;
    ports.set(number, known);
    return known;
  };
  return { name, image, ground, port };
}

/** Everything a check may ask about the case at this place. */
export async function foundAt(run: FieldsRun, place: Place): Promise<Found> {
  const { agent, ground } = run;
  const report = await agent.blueprint(place.name);
  assert.ok(report !== undefined, `the agent does not report ${place.name}`);
  return {
    ...place,
    engine: ground.engine,
    agent,
    box: await ground.engine.inspect(place.name),
    report,
    inside: async (...command) => {
      const { code, output } = await ground.engine.exec(place.name, ...command);
      assert.equal(code, 0, `${command.join(' ')} in ${place.name}: ${output}`);
      return output;
    },
  };
}

/** `Config.Env` of an inspection as a map; a name that is there twice fails. */
export function envOf(box: Found['box']): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of box.Config.Env as string[]) {
    const equals = line.indexOf('=');
    const name = line.slice(0, equals);
    assert.ok(!(name in env), `${name} is set twice`);
    env[name] = line.slice(equals + 1);
  }
  return env;
}

/** Messages of all warnings of a blueprint, "path message". */
export function warningsOf(report: BlueprintReport): string[] {
  return report.warnings.map(({ path, message }) => `${path} ${message}`);
}
