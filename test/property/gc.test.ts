import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LABEL } from '../../src/model/container.ts';
import type { StockImage, WatchedImage } from '../../src/model/disk.ts';
import type { ForcedRun, ObservedContainer, PullProgress, Setback } from '../../src/model/observed.ts';
import { isOurs, keyOf } from '../../src/reconcile/ownership.ts';
import { type GcInput, planGc } from '../../src/reconcile/plan-gc.ts';
import { blueprintOf, containerFor, desiredOf, imageOf, OWNER, observedOf } from '../fakes/planning.ts';

const MIN_AGE_MS = 3_600_000;
const NOW_MS = 100 * MIN_AGE_MS;
const REFS = ['app:1', 'app:2', 'app:3', 'team/app:1', 'r.example/app:1'];
const idOf = (ref: string) => imageOf(ref).id;

/** How engines write one reference. */
const spelled = (ref: string, form: number) =>
  ref.startsWith('r.') || form === 0 ? ref : form === 1 ? `docker.io/library/${ref}` : `docker.io/${ref}`;

interface World {
  input: GcInput;
  protectedRefs: readonly string[];
}

/** Worlds in which everything that may protect an image occurs, alone and together. */
const worlds: fc.Arbitrary<World> = fc
  .record({
    wanted: fc.array(
      fc.record({ ref: fc.constantFrom(...REFS), isHeld: fc.boolean(), isKnown: fc.boolean() }),
      { maxLength: 3 },
    ),
    containers: fc.array(
      fc.record({
        ref: fc.constantFrom(...REFS),
        of: fc.constantFrom(0, 0, 0, 1, 2),
        owner: fc.constantFrom('ours', 'ours', 'ours', 'ours', 'somebody', 'other node'),
        state: fc.constantFrom('running', 'exited', 'created', 'dead'),
        isNew: fc.boolean(),
        ranMs: fc.constantFrom(0, 2 * MIN_AGE_MS),
      }),
      { maxLength: 5 },
    ),
    pulled: fc.subarray(REFS),
    ages: fc.array(fc.constantFrom(undefined, 0, MIN_AGE_MS - 1, MIN_AGE_MS, 50 * MIN_AGE_MS), {
      minLength: REFS.length,
      maxLength: REFS.length,
    }),
    lastUsed: fc.array(fc.nat(5), { minLength: REFS.length, maxLength: REFS.length }),
    foreignTags: fc.subarray(REFS),
    nameless: fc.subarray(REFS),
    protectedIds: fc.subarray(REFS),
    protectedNames: fc.subarray(REFS),
    pulls: fc.subarray(REFS),
    busy: fc.subarray(REFS),
    forced: fc.subarray(REFS),
    form: fc.nat(2),
    isStockKnown: fc.boolean(),
    isDesiredKnown: fc.boolean(),
    usedPercent: fc.constantFrom(undefined, 10, 74.9, 75, 80, 85, 99),
    isAsked: fc.boolean(),
    isCollecting: fc.boolean(),
    isShort: fc.boolean(),
    skip: fc.subarray(REFS),
  })
  .map((made) => {
    const blueprints = made.wanted.map(({ ref, isHeld }, index) =>
      blueprintOf(`b${index}`, {
        spec: { image: ref },
        service: isHeld ? { hold: { reason: 'WaitingForRegistration', message: 'waits' } } : {},
      }),
    );
    const containers = made.containers.map((one, index): ObservedContainer => {
      const service = (blueprints[one.of % Math.max(1, blueprints.length)] ?? blueprintOf('gone'))
        .services[0];
      assert.ok(service !== undefined);
      const made = containerFor(service, { id: `c${index}`, name: `n${index}` });
      const labels = {
        ...made.labels,
        ...(one.isNew ? {} : { [LABEL.specHash]: 'older' }),
        ...(one.owner === 'other node' ? { [LABEL.node]: 'elsewhere' } : {}),
      };
      const state = one.state as ObservedContainer['state'];
      const imageId = idOf(one.ref);
      return { ...made, imageId, state, labels: one.owner === 'somebody' ? {} : labels };
    });
    const stock = REFS.map((ref): StockImage => {
      const tags = made.nameless.includes(ref) ? [] : [spelled(ref, made.form)];
      const foreign = made.foreignTags.includes(ref) ? [`by-hand/${ref}`] : [];
      return { id: idOf(ref), tags: [...tags, ...foreign], digests: [], sizeBytes: 1_000 };
    });
    const pulled = made.pulled.map((ref): WatchedImage => {
      const at = REFS.indexOf(ref);
      const age = made.ages[at];
      return {
        id: idOf(ref),
        refs: [ref],
        pulledAt: 0,
        ...(age === undefined ? {} : { lastUsedAt: made.lastUsed[at] ?? 0, unusedSinceMs: NOW_MS - age }),
      };
    });
    const setback: Setback = {
      ...{ key: 'image:other:1', specHash: 'other:1', reason: 'DiskFull', message: 'too large', attempts: 1 },
      ...{ permanent: false, since: 0, notBeforeMs: NOW_MS + 1_000, nextTryAt: 0 },
    };
    const pull = (image: string): PullProgress => ({
      ...{ image, state: 'queued', currentBytes: 0, totalBytes: 0, since: 0 },
    });
    const run: ForcedRun = { phase: 'pulling', refs: new Set(made.forced), toPull: new Set() };
    const known = made.wanted.filter(({ isKnown, isHeld }) => isKnown && !isHeld).map(({ ref }) => ref);
    const observed = observedOf({
      containers,
      images: new Map(known.map((ref) => [ref, imageOf(ref)])),
      ...(made.isStockKnown ? { stock } : {}),
      pulls: new Map(made.pulls.map((ref) => [ref, pull(ref)])),
      busy: new Set(made.busy.map((ref) => `image:${ref}`)),
      forced: new Map(made.forced.length === 0 ? [] : [['b0', run]]),
      setbacks: new Map(made.isShort ? [[setback.key, setback]] : []),
      protectedImages: new Set([...made.protectedIds.map(idOf), ...made.protectedNames]),
      runningSince: new Map(
        made.containers.map(({ ranMs }, index) => [`c${index}`, NOW_MS - ranMs] as const),
      ),
    });
    const disk = { path: '/d', totalBytes: 100, freeBytes: 1, usedPercent: made.usedPercent ?? 0 };
    const input: GcInput = {
      desired: made.isDesiredKnown ? desiredOf(...blueprints) : { known: false },
      observed,
      pulled,
      disk: made.usedPercent === undefined ? undefined : disk,
      settings: { startPercent: 85, targetPercent: 75, minAgeMs: MIN_AGE_MS },
      monoMs: NOW_MS,
      isAsked: made.isAsked,
      isCollecting: made.isCollecting,
      skip: new Set(made.skip.map(idOf)),
    };
    const isNamed = (ref: string) => !made.nameless.includes(ref);
    const protectedRefs = REFS.filter(
      (ref) =>
        made.containers.some((one) => one.ref === ref) ||
        known.includes(ref) ||
        (isNamed(ref) && made.wanted.some((one) => one.ref === ref)) ||
        (isNamed(ref) &&
          [made.pulls, made.busy, made.forced, made.protectedNames].some((l) => l.includes(ref))) ||
        made.protectedIds.includes(ref) ||
        made.foreignTags.includes(ref) ||
        !made.pulled.includes(ref) ||
        made.skip.includes(ref) ||
        (made.ages[REFS.indexOf(ref)] ?? 0) < MIN_AGE_MS,
    );
    return { input, protectedRefs };
  });

test('an image goes when and only when nothing protects it, and each of the agent is accounted for', () => {
  fc.assert(
    fc.property(worlds, ({ input, protectedRefs }) => {
      const { images, kept } = planGc(input);
      const gone = images.map(({ id }) => id).sort();
      const isKnown = input.desired.known && input.observed.stock !== undefined;
      const expected = isKnown ? REFS.filter((ref) => !protectedRefs.includes(ref)).map(idOf) : [];
      assert.deepEqual(gone, expected.sort());
      if (isKnown) assert.equal(images.length + kept.length, input.pulled.length);
      for (const { action } of images) assert.ok(action.cause !== '' && action.lane === `image:${action.id}`);
      for (const { why } of kept) assert.notEqual(why, '');
    }),
    { numRuns: 2_000 },
  );
});

test('images go in the order of their last use, whatever the order they are listed in', () => {
  fc.assert(
    fc.property(worlds, ({ input }) => {
      const { images } = planGc(input);
      const last = new Map(input.pulled.map(({ id, lastUsedAt, pulledAt }) => [id, lastUsedAt ?? pulledAt]));
      const times = images.map(({ id }) => last.get(id) ?? 0);
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      const reversed = {
        ...input,
        pulled: [...input.pulled].reverse(),
        observed: { ...input.observed, containers: [...input.observed.containers].reverse() },
      };
      assert.deepEqual(
        planGc(reversed).images.map(({ id }) => id),
        images.map(({ id }) => id),
      );
    }),
  );
});

test('a disk is collected from the start down to the target, or when a pull waits for room, and not otherwise', () => {
  fc.assert(
    fc.property(worlds, ({ input }) => {
      const used = input.disk?.usedPercent ?? 0;
      const isShort = input.observed.setbacks.size > 0;
      const expected = isShort || (input.disk !== undefined && used >= (input.isCollecting ? 75 : 85));
      assert.equal(planGc(input).isCollecting, expected);
      const settings = { ...input.settings, startPercent: undefined };
      assert.equal(planGc({ ...input, settings }).isCollecting, false);
    }),
  );
});

test('of containers only stopped ones of ours go, of a replaced version whose successor has run for long', () => {
  let gone = 0;
  fc.assert(
    fc.property(worlds, ({ input: made }) => {
      const observed = { ...made.observed, protectedImages: new Set<string>(), forced: new Map() };
      const input = { ...made, observed, isAsked: made.isAsked || made.isCollecting };
      const { containers } = planGc(input);
      gone += containers.length;
      if (containers.length > 0) assert.ok(input.desired.known && input.observed.stock !== undefined);
      for (const { id } of containers) {
        const found = input.observed.containers.find((one) => one.id === id);
        assert.ok(found !== undefined && input.desired.known);
        const services = input.desired.blueprints.flatMap((one) => one.services);
        const service = services.find(({ key }) => key === keyOf(found));
        assert.ok(service !== undefined && service.hold === undefined, 'a stray or a held one');
        assert.ok(isOurs(found, OWNER) && found.state !== 'running');
        assert.notEqual(found.labels[LABEL.specHash], service.specHash);
        const successor = input.observed.containers.some(
          (one) =>
            keyOf(one) === service.key &&
            isOurs(one, OWNER) &&
            one.labels[LABEL.specHash] === service.specHash &&
            NOW_MS - (input.observed.runningSince.get(one.id) ?? NOW_MS) >= MIN_AGE_MS,
        );
        assert.ok(successor, 'nothing stands in its place');
      }
    }),
    { numRuns: 2_000 },
  );
  assert.ok(gone > 0, 'it never happened');
});
