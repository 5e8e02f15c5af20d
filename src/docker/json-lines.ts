import { engineError } from './errors.ts';

const NEWLINE = 0x0a;

/** Longest line that is kept in memory: a pull's or an event's line is a few hundred bytes. */
const MAX_LINE_BYTES = 1024 * 1024;

/**
 * Newline-delimited JSON out of chunks that may be cut anywhere, also inside a character. Blank lines are skipped, a last
 * line without newline counts. Throws `ENGINE_PROTOCOL` for a line that is not JSON or is too long.
 */
export async function* jsonLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<unknown> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (): unknown => {
    const text = Buffer.concat(parts).toString('utf8').trim();
    parts = [];
    size = 0;
    return text === '' ? undefined : parse(text);
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      parts.push(chunk.subarray(from, at));
      from = at + 1;
      const value = take();
      if (value !== undefined) yield value;
    }
    if (from < chunk.length) {
      // A copy: the rest of a line must not keep the whole chunk alive.
      parts.push(Uint8Array.prototype.slice.call(chunk, from));
      size += chunk.length - from;
      if (size > maxLineBytes)
        throw engineError('ENGINE_PROTOCOL', `a line of the stream is longer than ${maxLineBytes} bytes`);
    }
  }
  const value = take();
  if (value !== undefined) yield value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw engineError(
      'ENGINE_PROTOCOL',
      `a line of the stream is not JSON: "${text.slice(0, 40)}"`,
      undefined,
      error,
    );
  }
}
