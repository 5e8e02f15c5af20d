import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resolveBlueprint } from '../../../src/kinds/index.ts';
import { decodeBlueprint, type JsonObject } from '../../../src/model/blueprint.ts';
import type { ListedBlueprint } from '../../../src/model/colony.ts';
import type { DesiredBlueprint, DesiredState } from '../../../src/model/desired.ts';
import type { ServerReading } from '../../../src/model/link.ts';
import type { DirectoryListing } from '../../../src/model/ports.ts';
import { type Composition, compose, type Sources } from '../../../src/reconcile/compose.ts';
import { context } from '../kinds/support.ts';

const AROUND = {
  resolve: (blueprint: Parameters<typeof resolveBlueprint>[0]) =>
    resolveBlueprint(blueprint, context({ unlocatedPolicy: 'claim' })),
  owner: { node: 'gw7', colony: 'trains' },
  defaultNetwork: 'colonies_default',
};
const UNKNOWN = { known: false } as DesiredState;

interface Form {
  image?: string;
  id?: string;
  generation?: number;
  /** Default: this node's own place, so that no claim is needed. */
  location?: string | undefined;
  spec?: JsonObject;
}

function documentOf(name: string, form: Form = {}): JsonObject {
  const { image = 'app:1', id, generation = 1, spec } = form;
  const location = 'location' in form ? form.location : 'yard';
  return {
    kind: 'DockerDeployment',
    ...(id === undefined ? {} : { blueprintid: id }),
    metadata: { name, generation, ...(location === undefined ? {} : { locationname: location }) },
    spec: { instances: [{ name: `${name}-app`, image }], ...spec },
  };
}

function listed(name: string, form: Form = {}): ListedBlueprint {
  const decoded = decodeBlueprint(documentOf(name, { id: `id-${name}`, ...form }), { source: 'server' });
  return decoded.ok ? { ...decoded, status: {} } : decoded;
}

function reading(blueprints: readonly ListedBlueprint[], more: Partial<ServerReading> = {}): ServerReading {
  return { listings: 1, blueprints, gone: new Map(), claims: new Map(), ...more };
}

function folder(
  documents: Record<string, JsonObject>,
  more: Partial<DirectoryListing> = {},
): DirectoryListing {
  const files = Object.keys(documents).map((name) => `/bp/${name}.json`);
  return {
    path: '/bp',
    identity: 'dev1:1',
    files,
    documents: Object.entries(documents).map(([name, value]) => ({
      file: `/bp/${name}.json`,
      document: 0,
      value,
    })),
    broken: [],
    confirmedEmpty: false,
    ...more,
  };
}

/** `directory: undefined` none is configured; `away` it cannot be read. */
function from(directory: DirectoryListing | 'away' | undefined, server: ServerReading | undefined): Sources {
  return {
    directory: {
      isConfigured: directory !== undefined,
      listing: directory === 'away' ? undefined : directory,
      previousIdentity: 'dev1:1',
    },
    server,
  };
}

const make = (previous: DesiredState, sources: Sources): Composition => compose(previous, sources, AROUND);
const first = (sources: Sources) => make(UNKNOWN, sources).desired;

/** "a app:1 server", "b deleting". */
function shown({ desired }: Composition): string[] {
  if (!desired.known) return ['unknown'];
  return desired.blueprints.map(({ name, deleting, services, blueprint }: DesiredBlueprint) =>
    deleting ? `${name} deleting` : `${name} ${services[0]?.container.image} ${blueprint.origin.source}`,
  );
}

const changesOf = ({ changes }: Composition) =>
  changes.map(({ name, what, why }) => [name, what, why].filter((part) => part !== undefined).join(' '));

test('before anybody has said anything, nothing is known', () => {
  assert.deepEqual(shown(make(UNKNOWN, from(undefined, reading([], { listings: 0 })))), ['unknown']);
  assert.deepEqual(shown(make(UNKNOWN, from('away', undefined))), ['unknown']);
  assert.deepEqual(shown(make(UNKNOWN, from(undefined, reading([])))), []);
});

test('directory and server combine, and the directory wins by name, which is a warning', () => {
  const both = from(
    folder({ a: documentOf('a', { image: 'app:dir' }), b: documentOf('b') }),
    reading([listed('a', { image: 'app:srv' }), listed('c')]),
  );
  const composition = make(UNKNOWN, both);
  assert.deepEqual(shown(composition), ['a app:dir directory', 'b app:1 directory', 'c app:1 server']);
  assert.deepEqual(composition.warnings, [
    "blueprint a: the directory's version is in force, the server's is not",
  ]);
});

test('a blueprint moves between sources without its services changing', () => {
  const inDirectory = first(from(folder({ a: documentOf('a') }), reading([listed('a')])));
  const moved = make(inDirectory, from(folder({}), reading([listed('a')])));
  assert.deepEqual(shown(moved), ['a app:1 server']);
  const hash = (state: DesiredState) =>
    state.known ? state.blueprints[0]?.services[0]?.specHash : undefined;
  assert.equal(hash(moved.desired), hash(inDirectory));
  const back = make(moved.desired, from(folder({ a: documentOf('a') }), reading([listed('a')])));
  assert.deepEqual(shown(back), ['a app:1 directory']);
});

test('a directory that is no longer configured gives way to the server name by name; the rest stays, with a warning', () => {
  const before = first(from(folder({ a: documentOf('a'), b: documentOf('b') }), undefined));
  const after = make(before, from(undefined, reading([listed('a', { image: 'app:2' })])));
  assert.deepEqual(shown(after), ['a app:2 server', 'b app:1 directory']);
  assert.deepEqual(after.warnings, [
    'blueprint b came from a directory, and none is configured: it stays as it is',
  ]);
});

test('what came from the server stays when the server is no longer configured', () => {
  const before = first(from(undefined, reading([listed('a')])));
  const after = make(before, from(folder({}), undefined));
  assert.deepEqual(shown(after), ['a app:1 server']);
  assert.match(after.warnings[0] ?? '', /^blueprint a came from a server/);
  assert.deepEqual(
    make(before, from(undefined, undefined)).warnings,
    [],
    'healing from the checkpoint alone',
  );
});

test('a name that is not in the reading stays; only what is gone goes, and only the blueprint that is meant', () => {
  const before = first(from(undefined, reading([listed('a'), listed('b')])));
  assert.deepEqual(changesOf(make(before, from(undefined, reading([])))), []);
  const gone = (blueprintId: string) =>
    reading([listed('b')], { gone: new Map([['a', { blueprintId, why: 'a cleanup process said so' }]]) });
  assert.deepEqual(changesOf(make(before, from(undefined, gone('another')))), []);
  const removed = make(before, from(undefined, gone('id-a')));
  assert.deepEqual(changesOf(removed), ['a removed a cleanup process said so']);
  assert.deepEqual(shown(removed), ['a deleting', 'b app:1 server']);
});

test('an emptied directory removes what came from it and nothing of the server', () => {
  const before = first(from(folder({ a: documentOf('a') }), reading([listed('b')])));
  const after = make(before, from(folder({}), reading([], { listings: 0 })));
  assert.deepEqual(shown(after), ['a deleting', 'b app:1 server']);
});

test('a directory that is away or suspect leaves its blueprints, and the server goes on', () => {
  const before = first(from(folder({ a: documentOf('a') }), reading([listed('b')])));
  const server = reading([listed('b', { image: 'app:2' }), listed('a', { image: 'app:9' })]);
  assert.deepEqual(shown(make(before, from('away', server))), ['a app:1 directory', 'b app:2 server']);
  const suspect = make(before, from(folder({}, { identity: 'dev2:2' }), server));
  assert.deepEqual(shown(suspect), ['a app:1 directory', 'b app:2 server']);
  assert.match(suspect.suspect ?? '', /1 blueprints stay in force/);
});

test('a refused version from the server is shown with its generation, and the last valid one stays', () => {
  const before = first(from(undefined, reading([listed('a')])));
  const broken = listed('a', { generation: 7, spec: { replicas: -1 } });
  const after = make(before, from(undefined, reading([broken])));
  assert.deepEqual(shown(after), ['a app:1 server']);
  assert.ok(after.desired.known);
  const [refusal] = after.desired.refusals;
  assert.deepEqual([refusal?.name, refusal?.generation], ['a', 7]);
  const mended = make(
    after.desired,
    from(undefined, reading([listed('a', { image: 'app:2', generation: 8 })])),
  );
  assert.deepEqual(shown(mended), ['a app:2 server']);
  assert.deepEqual(mended.desired.known && mended.desired.refusals, []);
});

test('a document that does not decode keeps what was, under its name or none', () => {
  const before = first(from(undefined, reading([listed('a')])));
  for (const name of ['a', undefined]) {
    const after = make(before, from(undefined, reading([{ ok: false, name, problems: [] }])));
    assert.deepEqual(shown(after), ['a app:1 server']);
    assert.equal(after.desired.known && after.desired.refusals.length, 1);
  }
});

test('while the directory is away its refusals stand, those of the server are the newest', () => {
  const bad = documentOf('x', { spec: { replicas: -1 } });
  const before = first(from(folder({ x: bad }), reading([listed('y', { spec: { replicas: -1 } })])));
  const after = make(before, from('away', reading([])));
  assert.deepEqual(after.desired.known && after.desired.refusals.map(({ name }) => name), ['x']);
});

test('a directory document that is refused still speaks for its name', () => {
  const bad = documentOf('a', { spec: { replicas: -1 } });
  const after = make(UNKNOWN, from(folder({ a: bad }), reading([listed('a')])));
  assert.deepEqual(shown(after), []);
});

test('what moved to another place goes at once, keeps its volumes, and comes back as it was', () => {
  const spec = {
    volumeReclaim: 'Delete',
    instances: [
      { name: 'a-app', image: 'app:1', volumes: [{ type: 'named', name: 'data', mountPath: '/data' }] },
    ],
  };
  const before = first(from(undefined, reading([listed('a', { spec })])));
  const moved = make(before, from(undefined, reading([listed('a', { spec, location: 'depot' })])));
  assert.deepEqual(changesOf(moved), ['a elsewhere is for location depot, this is yard']);
  assert.deepEqual(moved.elsewhere.get('a'), 'is for location depot, this is yard');
  assert.ok(moved.desired.known);
  assert.deepEqual(moved.desired.blueprints[0]?.reclaimVolumes, []);
  const back = make(moved.desired, from(undefined, reading([listed('a', { spec })])));
  assert.deepEqual(changesOf(back), ['a returned']);
  const gone = new Map([['a', { blueprintId: 'id-a', why: 'x' }]]);
  const removed = make(before, from(undefined, reading([], { gone })));
  assert.deepEqual(removed.desired.known && removed.desired.blueprints[0]?.reclaimVolumes, ['data']);
});

test('removed and added again is a replacement', () => {
  const before = first(from(undefined, reading([listed('a')])));
  const gone = new Map([['a', { blueprintId: 'id-a', why: 'x' }]]);
  const after = make(before, from(undefined, reading([listed('a', { id: 'id-2' })], { gone })));
  assert.deepEqual(changesOf(after), ['a changed']);
  assert.equal(after.desired.known && after.desired.blueprints[0]?.blueprintId, 'id-2');
});

test('what any node may take is ours only with a claim, or while it is in force and no other claim is known', () => {
  const any = { location: undefined };
  const undecided = make(UNKNOWN, from(undefined, reading([listed('a', any)])));
  assert.deepEqual(shown(undecided), []);
  assert.equal(undecided.elsewhere.get('a'), 'it is not decided which node runs it');
  assert.deepEqual(undecided.claimable, [{ name: 'a', blueprintId: 'id-a', inForce: false, refused: false }]);
  const claims = (held: boolean) =>
    new Map([['a', held ? { held: true as const } : { held: false as const, why: 'node gw9 runs it' }]]);
  const ours = make(UNKNOWN, from(undefined, reading([listed('a', any)], { claims: claims(true) })));
  assert.deepEqual(shown(ours), ['a app:1 server']);
  const newer = reading([listed('a', { ...any, image: 'app:2' })]);
  assert.deepEqual(shown(make(ours.desired, from(undefined, newer))), ['a app:2 server']);
  const offline = make(ours.desired, from(undefined, reading([], { listings: 0 })));
  assert.deepEqual(shown(offline), ['a app:1 server']);
  assert.deepEqual(offline.claimable, [{ name: 'a', blueprintId: 'id-a', inForce: true, refused: false }]);
  const lost = make(ours.desired, from(undefined, reading([listed('a', any)], { claims: claims(false) })));
  assert.deepEqual(changesOf(lost), ['a elsewhere node gw9 runs it']);
});

test('a blueprint in a directory needs no claim', () => {
  const composition = make(UNKNOWN, from(folder({ a: documentOf('a', { location: undefined }) }), undefined));
  assert.deepEqual(shown(composition), ['a app:1 directory']);
  assert.deepEqual(composition.claimable, []);
});

test('a version that is refused here is no refusal of ours once another node has it', () => {
  const bad = listed('a', { location: undefined, spec: { replicas: -1 } });
  const claims = new Map([['a', { held: false as const, why: 'node gw9 runs it' }]]);
  const after = make(UNKNOWN, from(undefined, reading([bad], { claims })));
  assert.deepEqual(after.desired.known && after.desired.refusals, []);
  assert.equal(make(UNKNOWN, from(undefined, reading([bad]))).claimable[0]?.refused, true);
});

const NAMES = ['a', 'b', 'c'] as const;
const form = fc.record({
  image: fc.constantFrom('app:1', 'app:2'),
  id: fc.constantFrom('id-1', 'id-2'),
  location: fc.constantFrom('yard', 'depot', undefined),
  spec: fc.constantFrom({}, {}, { replicas: -1 }),
});
const servers = fc
  .record({
    blueprints: fc.dictionary(fc.constantFrom(...NAMES), form),
    gone: fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('id-1', 'id-2')),
    claims: fc.dictionary(fc.constantFrom(...NAMES), fc.boolean()),
  })
  .map(({ blueprints, gone, claims }) =>
    reading(
      Object.entries(blueprints).map(([name, one]) => listed(name, one)),
      {
        gone: new Map(
          Object.entries(gone).map(([name, blueprintId]) => [name, { blueprintId, why: 'gone' }]),
        ),
        claims: new Map(
          Object.entries(claims).map(([name, held]) => [
            name,
            held ? { held: true as const } : { held: false as const, why: 'node gw9 runs it' },
          ]),
        ),
      },
    ),
  );
const folders = fc
  .dictionary(fc.constantFrom(...NAMES), form)
  .map((files) =>
    folder(Object.fromEntries(Object.entries(files).map(([name, one]) => [name, documentOf(name, one)]))),
  );
const steps = fc.array(fc.tuple(fc.oneof(folders, fc.constant('away' as const)), servers), { maxLength: 5 });

test('property: what is in force ends only by its own source’s word', () => {
  fc.assert(
    fc.property(steps, (list) => {
      let state = UNKNOWN;
      for (const [directory, server] of list) {
        const after = make(state, from(directory, server));
        assert.ok(after.desired.known || !state.known, 'what was known stays known');
        const before = state.known ? state.blueprints : [];
        for (const old of before) {
          const now = after.desired.known && after.desired.blueprints.find(({ name }) => name === old.name);
          assert.ok(now, `${old.name} is never dropped by a reading`);
          if (old.deleting || !now.deleting) continue;
          const isServers = old.blueprint.origin.source === 'server';
          const isGone = server.gone.get(old.name)?.blueprintId === old.blueprintId;
          const isMoved = after.changes.some(({ name, what }) => name === old.name && what === 'elsewhere');
          assert.ok(isServers ? isGone || isMoved : directory !== 'away');
        }
        state = after.desired;
      }
    }),
  );
});

test('property: composing the same again changes nothing, in whatever order the server lists', () => {
  fc.assert(
    fc.property(steps, folders, servers, (list, directory, server) => {
      let state = UNKNOWN;
      for (const [one, other] of list) state = make(state, from(one, other)).desired;
      const once = make(state, from(directory, server));
      const twice = make(once.desired, from(directory, server));
      assert.deepEqual(twice.changes, []);
      assert.deepEqual(twice.desired, once.desired);
      const reversed = { ...server, blueprints: [...server.blueprints].reverse() };
      assert.deepEqual(make(state, from(directory, reversed)).desired, once.desired);
    }),
  );
});
