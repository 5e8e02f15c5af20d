import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Opening,
  openingAt,
  parseWindows,
  UTC,
  windowsText,
  type Zone,
} from '../../../src/model/window.ts';

function windows(...texts: string[]) {
  const parsed = parseWindows(texts);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problem);
  return parsed.windows;
}

/** Central European time of 2026: summer from 29 March 01:00 UTC to 25 October 01:00 UTC. */
const berlin: Zone = (at) =>
  at >= Date.parse('2026-03-29T01:00Z') && at < Date.parse('2026-10-25T01:00Z') ? 7_200_000 : 3_600_000;

/** "open until ...", "closed until ..." */
function at(text: string, moment: string, zone: Zone = UTC): string {
  const opening: Opening = openingAt(windows(...text.split('|')), Date.parse(moment), zone);
  const until = opening.isOpen ? opening.closesAt : opening.opensAt;
  const when = until === undefined ? 'ever' : new Date(until).toISOString().slice(0, 16);
  return `${opening.isOpen ? 'open' : 'closed'} until ${when}`;
}

test('windows are read in every form, and written in one', () => {
  const forms: [string, string][] = [
    ['Mon-Fri 22:00-05:00', 'Mon-Fri 22:00-05:00'],
    ['Sat,Sun', 'Sat,Sun 00:00-24:00'],
    ['daily 01:00-04:00 UTC', 'daily 01:00-04:00 UTC'],
    ['always', 'daily 00:00-24:00'],
    ['1:30 - 02:00 local', 'daily 01:30-02:00'],
    ['  monday , Wed-friday,SUN  6:00-7:00 ', 'Mon,Wed-Fri,Sun 06:00-07:00'],
    ['Fri-Mon 00:00-24:00', 'Mon,Fri-Sun 00:00-24:00'],
    ['Sat 22:00-00:00', 'Sat 22:00-24:00'],
    ['Mon 12:00-13:00,22:00-23:00 utc', 'Mon 12:00-13:00 UTC; Mon 22:00-23:00 UTC'],
    ['Mon-Fri 22:00-05:00; Sat,Sun', 'Mon-Fri 22:00-05:00; Sat,Sun 00:00-24:00'],
  ];
  for (const [given, written] of forms) {
    assert.equal(windowsText(windows(given)), written);
    assert.deepEqual(windows(written), windows(given), 'what is written is read as the same');
  }
});

test('what is no window is refused with what would be one', () => {
  const refused: [string, RegExp][] = [
    ['', /such as "Mon-Fri 22:00-05:00", "Sat,Sun" or .* separated by ";"; "" is none/],
    ['nightly', /name days as Mon, Tue, .* or daily; "nightly" is none/],
    ['Mon-Fri-Sun 01:00-02:00', /"mon-fri-sun" is none/],
    ['Mon 25:00-26:00', /HH:MM-HH:MM from 00:00 to 24:00, such as 22:00-05:00; "25:00-26:00" is none/],
    ['Mon 01:60-02:00', /"01:60-02:00" is none/],
    ['Mon 01:00', /"01:00" is none/],
    ['Mon 05:00-05:00', /"05:00-05:00" has no length; 00:00-24:00 is the whole day/],
    ['Mon 24:00-05:00', /"24:00-05:00" has no length/],
    ['Mon 01:00-02:00, Tue', /"tue" is none/],
    ['Mon 01:00-02:00 CET', /"Mon 01:00-02:00 CET" is none/],
    ['UTC', /"UTC" is none/],
  ];
  for (const [given, problem] of refused) {
    const parsed = parseWindows([given]);
    assert.ok(!parsed.ok, given);
    assert.match(parsed.problem, problem);
  }
  const many = parseWindows(Array.from({ length: 65 }, () => 'Sat'));
  assert.ok(!many.ok && /at most 64 windows, has 65/.test(many.problem));
  assert.ok(!parseWindows([]).ok);
});

test('a window past midnight belongs to the day on which it begins', () => {
  // 2026-03-06 is a Friday.
  assert.equal(at('Mon-Fri 22:00-05:00', '2026-03-06T21:59Z'), 'closed until 2026-03-06T22:00');
  assert.equal(at('Mon-Fri 22:00-05:00', '2026-03-06T22:00Z'), 'open until 2026-03-07T05:00');
  assert.equal(at('Mon-Fri 22:00-05:00', '2026-03-07T04:59Z'), 'open until 2026-03-07T05:00');
  assert.equal(at('Mon-Fri 22:00-05:00', '2026-03-07T05:00Z'), 'closed until 2026-03-09T22:00');
  assert.equal(at('Mon-Fri 22:00-05:00', '2026-03-09T01:00Z'), 'closed until 2026-03-09T22:00');
});

test('windows that touch are one, and a week without an end is always open', () => {
  assert.equal(at('Sat,Sun', '2026-03-07T12:00Z'), 'open until 2026-03-09T00:00');
  assert.equal(at('Sat|Sun 00:00-06:00', '2026-03-07T12:00Z'), 'open until 2026-03-08T06:00');
  assert.equal(at('Sat 10:00-20:00|Sat 12:00-13:00', '2026-03-07T12:30Z'), 'open until 2026-03-07T20:00');
  assert.equal(at('daily', '2026-03-07T12:00Z'), 'open until ever');
  assert.equal(at('Mon-Fri|Sat,Sun', '2026-03-07T12:00Z', berlin), 'open until ever');
});

test('local time counts with its summer time, UTC without', () => {
  assert.equal(at('daily 01:00-04:00', '2026-07-01T22:30Z', berlin), 'closed until 2026-07-01T23:00');
  assert.equal(at('daily 01:00-04:00', '2026-01-01T23:30Z', berlin), 'closed until 2026-01-02T00:00');
  assert.equal(at('daily 01:00-04:00 UTC', '2026-07-01T22:30Z', berlin), 'closed until 2026-07-02T01:00');
  // Five hours by the clock are four in the night in which it goes forwards, and six when it goes back.
  assert.equal(at('Sat 23:00-04:00', '2026-03-28T22:30Z', berlin), 'open until 2026-03-29T02:00');
  assert.equal(at('Sat 23:00-04:00', '2026-10-24T21:30Z', berlin), 'open until 2026-10-25T03:00');
});

test('an hour that the clock skips is skipped, one that it shows twice counts twice', () => {
  // On 29 March 02:00 is followed by 03:00.
  assert.equal(at('Sun 02:10-02:50', '2026-03-28T12:00Z', berlin), 'closed until 2026-04-05T00:10');
  assert.equal(at('Sun 02:30-04:00', '2026-03-29T00:59Z', berlin), 'closed until 2026-03-29T01:00');
  assert.equal(at('Sun 02:30-04:00', '2026-03-29T01:00Z', berlin), 'open until 2026-03-29T02:00');
  assert.equal(at('Sun 01:00-02:30', '2026-03-29T00:30Z', berlin), 'open until 2026-03-29T01:00');
  // On 25 October 02:00 to 03:00 comes twice.
  assert.equal(at('Sun 02:00-03:00', '2026-10-25T00:00Z', berlin), 'open until 2026-10-25T02:00');
  assert.equal(at('Sun 02:30-02:45', '2026-10-25T01:40Z', berlin), 'open until 2026-10-25T01:45');
  assert.equal(at('Sun 03:00-04:00', '2026-10-25T01:30Z', berlin), 'closed until 2026-10-25T02:00');
});

test('zones far from UTC have their own days', () => {
  const auckland: Zone = () => 13 * 3_600_000;
  assert.equal(at('Mon 00:00-06:00', '2026-03-08T11:30Z', auckland), 'open until 2026-03-08T17:00');
  assert.equal(
    at('Sun 18:00-24:00', '2026-03-09T09:00Z', () => -10 * 3_600_000),
    'open until 2026-03-09T10:00',
  );
  // The clock of 1970 has days before its first.
  assert.equal(
    at('Wed 22:00-24:00', '1970-01-01T00:30Z', () => -2 * 3_600_000),
    'open until 1970-01-01T02:00',
  );
});
