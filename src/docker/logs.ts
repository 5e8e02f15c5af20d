import { StringDecoder } from 'node:string_decoder';
import { engineError } from './errors.ts';
import { booleanAt, objectAt } from './json.ts';
import type { Transport } from './transport.ts';

export type LogStream = 'stdout' | 'stderr';

/** One line of a container's output, without its line end. */
export interface LogLine {
  stream: LogStream;
  line: string;
}

export interface LogOptions {
  /** Keep reading as the container writes; ends when it stops. */
  follow?: boolean;
  /** Last lines only; absent: all. */
  tail?: number;
  /** Seconds since 1970; absent: from the beginning. */
  sinceS?: number;
  /** Each line starts with the engine's RFC 3339 time. */
  timestamps?: boolean;
  signal: AbortSignal;
}

/** A longer line comes in pieces of this many bytes, so that memory stays bounded. */
const MAX_LINE_BYTES = 64 * 1024;
const HEADER_BYTES = 8;

/**
 * Takes the multiplexed stream apart (Docker Engine API v1.52, "Stream format": one byte of stream type, three of zero,
 * four of big-endian length, then the payload), however it is cut into chunks. Throws `ENGINE_PROTOCOL` for a bad header.
 */
export async function* frames(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ stream: LogStream; bytes: Uint8Array }> {
  const header = new Uint8Array(HEADER_BYTES);
  let filled = 0;
  let left = 0;
  let stream: LogStream = 'stdout';
  for await (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const bytes = chunk.subarray(at, at + left);
        at += bytes.length;
        left -= bytes.length;
        yield { stream, bytes };
        continue;
      }
      const part = chunk.subarray(at, at + HEADER_BYTES - filled);
      header.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < HEADER_BYTES) continue;
      filled = 0;
      const type = header[0] ?? 255;
      if (type > 2 || header[1] !== 0 || header[2] !== 0 || header[3] !== 0)
        throw engineError(
          'ENGINE_PROTOCOL',
          `the log stream has a bad frame header (${[...header].join(' ')})`,
        );
      stream = type === 2 ? 'stderr' : 'stdout';
      left = new DataView(header.buffer).getUint32(4);
    }
  }
  if (left > 0 || filled > 0) throw engineError('ENGINE_RESET', 'the log stream ended inside a frame');
}

/** Lines out of pieces, each stream for itself; a character cut in two comes out whole. */
export async function* lines(
  pieces: AsyncIterable<{ stream: LogStream; bytes: Uint8Array }>,
): AsyncGenerator<LogLine> {
  const open = {
    stdout: { decoder: new StringDecoder('utf8'), text: '' },
    stderr: { decoder: new StringDecoder('utf8'), text: '' },
  };
  for await (const { stream, bytes } of pieces) {
    const state = open[stream];
    const parts = (state.text + state.decoder.write(Buffer.from(bytes))).split('\n');
    state.text = parts.pop() ?? '';
    for (const part of parts) yield { stream, line: part.replace(/\r$/, '') };
    if (state.text.length > MAX_LINE_BYTES) {
      yield { stream, line: state.text };
      state.text = '';
    }
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const rest = open[stream].text + open[stream].decoder.end();
    if (rest !== '') yield { stream, line: rest };
  }
}

/** A container's output as lines (`GET /containers/{id}/logs`); with a terminal everything is `stdout`. Throws
 *  `ENGINE_NOT_FOUND`, and `ENGINE_REFUSED` when the log driver cannot be read. */
export async function* readLogs(
  transport: Transport,
  api: string,
  id: string,
  options: LogOptions,
  deadlineMs: number,
): AsyncGenerator<LogLine> {
  const about = { subject: 'container', target: id, signal: options.signal, deadlineMs } as const;
  const path = `/v${api}/containers/${encodeURIComponent(id)}`;
  const inspected = await transport.send({ method: 'GET', path: `${path}/json`, ...about });
  const tty = booleanAt(objectAt(inspected.json, 'Config'), 'Tty');
  const stream = await transport.open({
    method: 'GET',
    path: `${path}/logs`,
    query: {
      stdout: 1,
      stderr: 1,
      follow: options.follow === true ? 1 : undefined,
      tail: options.tail,
      since: options.sinceS,
      timestamps: options.timestamps === true ? 1 : undefined,
    },
    ...about,
  });
  yield* lines(tty ? raw(stream.chunks) : frames(stream.chunks));
}

async function* raw(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ stream: LogStream; bytes: Uint8Array }> {
  for await (const bytes of chunks) yield { stream: 'stdout', bytes };
}
