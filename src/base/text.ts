/** Control characters (C0, DEL, C1), line separators, bidirectional marks, zero-width and other invisible signs: text
 *  from outside could use them to redraw the terminal or to hide. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** Text from outside made safe for a terminal: whitespace becomes a space, every other control sign `?`. */
export function printable(text: string): string {
  return text
    .replace(/[\t\n\v\f\r]+/g, ' ')
    .replace(UNSAFE, '?')
    .replace(/\p{Surrogate}/gu, '?');
}

/** Text cut to at most so many UTF-16 units, `…` for the rest; never through the middle of a character. */
export function bounded(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** First code points of ranges that terminals draw two columns wide, with their last ones (Unicode UAX #11, W and F). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x23e9, 0x23ec],
  [0x2614, 0x2615],
  [0x26a1, 0x26a1],
  [0x2705, 0x2705],
  [0x274c, 0x274c],
  [0x2753, 0x2755],
  [0x2795, 0x2797],
  [0x2b1b, 0x2b1c],
  [0x2b50, 0x2b50],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f1e6, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

function charWidth(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^(?:\p{Mark}|\p{Emoji_Modifier})$/u.test(char)) return 0;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/** Columns that printable text takes on a terminal; without escape sequences in it. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** The text cut to at most `columns`, with `…` as its last sign when something was cut. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const char of text) {
    width += charWidth(char);
    if (width > columns - 1) break;
    kept += char;
  }
  return columns < 1 ? '' : `${kept}…`;
}

/** The text filled up with spaces to `columns`; longer text stays as it is. */
export function pad(text: string, columns: number, side: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, columns - displayWidth(text)));
  return side === 'left' ? text + fill : fill + text;
}

/** Lines of at most `columns`, broken at spaces; a word that is longer is broken inside. Empty text is one empty line. */
export function wrap(text: string, columns: number): string[] {
  const room = Math.max(1, columns);
  const lines: string[] = [];
  let line = '';
  for (const whole of text.split(/ +/)) {
    let word = whole;
    const gap = line === '' ? 0 : 1;
    if (displayWidth(line) + gap + displayWidth(word) <= room) {
      line += `${gap === 1 ? ' ' : ''}${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    while (displayWidth(word) > room) {
      const head = takeColumns(word, room);
      lines.push(head);
      word = word.slice(head.length);
    }
    line = word;
  }
  lines.push(line);
  return lines;
}

/** The longest start of at most `columns`, at least one sign. */
function takeColumns(text: string, columns: number): string {
  let taken = '';
  let width = 0;
  for (const char of text) {
    width += charWidth(char);
    if (taken !== '' && width > columns) break;
    taken += char;
  }
  return taken;
}

/** The candidate that is most like the word, when it is near enough to have been meant; else undefined. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? candidates.find((candidate) => word.length >= 3 && candidate.startsWith(word));
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + same,
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      line.push(cost);
    }
    beforeLast = last;
    last = line;
  }
  return last[b.length] ?? 0;
}
