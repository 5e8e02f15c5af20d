import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Answer,
  afterCleanup,
  afterListing,
  afterSight,
  confirm,
  type InForce,
  NOTHING_MISSING,
  type RemovalState,
  suspicionText,
  TWICE_MISSING_MS,
  toAsk,
} from '../../../src/link/removal.ts';

const one = (name: string, blueprintId = `id-${name}`): InForce => ({ name, blueprintId });
const [A, B, C] = [one('a'), one('b'), one('c')];

/** A complete listing of these names at this time; names that are not in it are unknown to the server when asked. */
function listing(
  state: RemovalState,
  inForce: readonly InForce[],
  names: readonly string[],
  minutes: number,
  answers: Record<string, Answer> = {},
): RemovalState {
  const listed = new Set(names);
  const asked = toAsk(inForce, listed).map((name) => [name, answers[name] ?? 'none'] as const);
  return afterListing(state, { inForce, listed, answers: new Map(asked), monoMs: minutes * 60_000 });
}

const goneOf = (state: RemovalState) => [...state.gone.keys()].sort();

test('what is missing for the second time at least 10 min later is gone, and not before', () => {
  const first = listing(NOTHING_MISSING, [A, B], ['b'], 0);
  assert.deepEqual(goneOf(first), []);
  const soon = listing(first, [A, B], ['b'], 9.9);
  assert.deepEqual(goneOf(soon), []);
  assert.deepEqual(goneOf(listing(soon, [A, B], ['b'], 10)), ['a']);
});

test('what was back in between starts again', () => {
  const first = listing(NOTHING_MISSING, [A, B], ['b'], 0);
  const back = listing(first, [A, B], ['a', 'b'], 5);
  const again = listing(back, [A, B], ['b'], 12);
  assert.deepEqual(goneOf(again), []);
  assert.deepEqual(goneOf(listing(again, [A, B], ['b'], 22)), ['a']);
});

test('what the server still has when asked by name is not missing, whatever the listing said', () => {
  const answers = { a: 'there' } as const;
  const first = listing(NOTHING_MISSING, [A, B], ['b'], 0, answers);
  assert.deepEqual(goneOf(listing(first, [A, B], ['b'], 30, answers)), []);
});

test('an answer that did not come leaves the time of the first absence as it was', () => {
  const first = listing(NOTHING_MISSING, [A, B], ['b'], 0);
  const unknown = listing(first, [A, B], ['b'], 5, { a: 'unknown' });
  assert.deepEqual(goneOf(listing(unknown, [A, B], ['b'], 6)), []);
  assert.deepEqual(goneOf(listing(unknown, [A, B], ['b'], 10)), ['a']);
});

test('another blueprint of the same name starts its own time', () => {
  const first = listing(NOTHING_MISSING, [A, B], ['b'], 0);
  const other = one('a', 'id-2');
  assert.deepEqual(goneOf(listing(first, [other, B], ['b'], 15)), []);
});

test('everything missing at once is suspected, for as long as it lasts, and nothing goes', () => {
  let state = NOTHING_MISSING;
  for (let minutes = 0; minutes <= 600; minutes += 5) state = listing(state, [A, B, C], [], minutes);
  assert.deepEqual(goneOf(state), []);
  assert.match(suspicionText(state) ?? '', /^all 3 blueprints of this node \(a, b, c\) went missing/);
  const back = listing(state, [A, B, C], ['b'], 605);
  assert.equal(suspicionText(back), undefined);
  assert.deepEqual(goneOf(listing(back, [A, B, C], ['b'], 610)), [], 'the time of suspicion does not count');
  assert.deepEqual(goneOf(listing(back, [A, B, C], ['b'], 615)), ['a', 'c']);
});

test('the only blueprint of a node is all of them', () => {
  const state = listing(listing(NOTHING_MISSING, [A], [], 0), [A], [], 60);
  assert.deepEqual(goneOf(state), []);
  assert.match(suspicionText(state) ?? '', /^the only blueprint of this node \(a\) went missing/);
});

test('a confirmed suspicion takes effect with the next listing that still lacks them', () => {
  const state = confirm(listing(NOTHING_MISSING, [A, B], [], 0));
  assert.deepEqual(goneOf(state), []);
  const after = listing(state, [A, B], [], 1);
  assert.deepEqual(goneOf(after), ['a', 'b']);
  assert.equal(suspicionText(after), undefined);
});

test('what is back when the confirmation takes effect stays, and the confirmation is spent', () => {
  const state = confirm(listing(NOTHING_MISSING, [A, B], [], 0));
  const back = listing(state, [A, B], ['a'], 1);
  assert.deepEqual(goneOf(back), ['b']);
  assert.deepEqual([...back.confirmed], []);
});

test('a confirmation given while nothing is suspected confirms nothing', () => {
  const state = confirm(listing(NOTHING_MISSING, [A, B], ['a', 'b'], 0));
  assert.deepEqual(goneOf(listing(state, [A, B], [], 1)), []);
});

test('cleanup processes remove at once, one by one, and lift the suspicion when they came for all', () => {
  let state = listing(NOTHING_MISSING, [A, B], [], 0);
  state = afterCleanup(state, A);
  assert.deepEqual(goneOf(state), ['a']);
  state = listing(state, [A, B], [], 1);
  assert.match(suspicionText(state) ?? '', /^the only blueprint of this node \(b\)/);
  state = afterCleanup(state, B);
  assert.deepEqual(goneOf(state), ['a', 'b']);
  assert.equal(suspicionText(state), undefined);
});

test('what was gone and is seen again is not gone any more', () => {
  const gone = afterCleanup(NOTHING_MISSING, A);
  assert.deepEqual(goneOf(afterSight(gone, 'a')), []);
  assert.deepEqual(goneOf(listing(gone, [A, B], ['a', 'b'], 0)), []);
  assert.deepEqual(goneOf(listing(gone, [one('a', 'id-2'), B], ['b'], 0)), [], 'another id is not meant');
});

const NAMES = ['a', 'b', 'c', 'd'] as const;
const ALL = NAMES.map((name) => one(name));

/** A history of listings: minutes since the one before, what was listed, what was answered for the rest. */
const history = fc.array(
  fc.record({
    afterMinutes: fc.integer({ min: 0, max: 30 }),
    listed: fc.subarray([...NAMES]),
    answers: fc.record({
      a: fc.constantFrom<Answer>('there', 'none', 'unknown'),
      b: fc.constantFrom<Answer>('there', 'none', 'unknown'),
      c: fc.constantFrom<Answer>('there', 'none', 'unknown'),
      d: fc.constantFrom<Answer>('there', 'none', 'unknown'),
    }),
  }),
  { maxLength: 12 },
);

test('property: without cleanup or confirmation something of ours always stays, and what goes was missing twice', () => {
  fc.assert(
    fc.property(history, (steps) => {
      let state = NOTHING_MISSING;
      let inForce: readonly InForce[] = ALL;
      let minutes = 0;
      const firstMissing = new Map<string, number>();
      for (const { afterMinutes, listed, answers } of steps) {
        minutes += afterMinutes;
        state = listing(state, inForce, listed, minutes, answers);
        for (const { name } of inForce) {
          const isNone = !listed.includes(name as (typeof NAMES)[number]) && answers[name as 'a'] === 'none';
          const isThere = listed.includes(name as 'a') || answers[name as 'a'] === 'there';
          if (isThere) firstMissing.delete(name);
          else if (isNone && !firstMissing.has(name)) firstMissing.set(name, minutes);
          if (!state.gone.has(name)) continue;
          assert.ok(isNone, `${name} went although the server did not say that it is gone`);
          assert.ok((minutes - (firstMissing.get(name) ?? minutes)) * 60_000 >= TWICE_MISSING_MS);
        }
        inForce = inForce.filter(({ name }) => !state.gone.has(name));
        assert.ok(inForce.length > 0, 'not everything goes');
      }
    }),
  );
});

test('property: listings whose questions were not answered remove nothing', () => {
  fc.assert(
    fc.property(history, (steps) => {
      let state = NOTHING_MISSING;
      let minutes = 0;
      for (const { afterMinutes, listed } of steps) {
        minutes += afterMinutes;
        const answers = { a: 'unknown', b: 'unknown', c: 'unknown', d: 'unknown' } as const;
        state = listing(state, ALL, listed, minutes, answers);
        assert.equal(state.gone.size + state.suspects.size, 0);
      }
    }),
  );
});

test('property: the order of blueprints does not matter', () => {
  fc.assert(
    fc.property(history, fc.shuffledSubarray(ALL, { minLength: 4 }), (steps, shuffled) => {
      let [first, second] = [NOTHING_MISSING, NOTHING_MISSING];
      let minutes = 0;
      for (const { afterMinutes, listed, answers } of steps) {
        minutes += afterMinutes;
        first = listing(first, ALL, listed, minutes, answers);
        second = listing(second, shuffled, [...listed].reverse(), minutes, answers);
        assert.deepEqual(goneOf(first), goneOf(second));
        assert.deepEqual(suspicionText(first), suspicionText(second));
      }
    }),
  );
});
