import type { ServerResponse } from 'node:http';
import type { AgentEvent, AgentView } from '../model/status.ts';

/** Readers of the event stream. */
export interface Followers {
  /** Number of readers now. */
  readonly count: number;
  /** Sends events with a number greater than `after` to this response, now and as they happen. */
  add(response: ServerResponse, after: number): void;
  /** Ends all streams. */
  close(): void;
}

interface Stream {
  response: ServerResponse;
  /** Number of the last event sent. */
  lastSeq: number;
  /** Runs while the reader's buffer is full; nothing is written until it has drained. */
  stall: NodeJS.Timeout | undefined;
}

/** One event as a line of newline-delimited JSON. */
export function eventLine(event: AgentEvent): string {
  return `${JSON.stringify(event)}\n`;
}

/**
 * The agent's ring of events is the only buffer: a slow reader catches up from it, and is told with `{"dropped":n}`
 * when events left the ring meanwhile. A reader that takes nothing for `stallMs` is dropped.
 */
export function createFollowers(view: AgentView, stallMs: number): Followers {
  const streams = new Set<Stream>();
  let unsubscribe: (() => void) | undefined;

  const pump = (stream: Stream) => {
    if (stream.stall !== undefined) return;
    for (const event of view.events(stream.lastSeq)) {
      const lost = stream.lastSeq === 0 ? 0 : event.seq - stream.lastSeq - 1;
      const gap = lost > 0 ? `${JSON.stringify({ dropped: lost })}\n` : '';
      stream.lastSeq = event.seq;
      if (stream.response.write(gap + eventLine(event))) continue;
      stream.stall = setTimeout(() => stream.response.destroy(), stallMs);
      return;
    }
  };

  const remove = (stream: Stream) => {
    clearTimeout(stream.stall);
    streams.delete(stream);
    if (streams.size > 0) return;
    unsubscribe?.();
    unsubscribe = undefined;
  };

  return {
    get count() {
      return streams.size;
    },
    add(response, after) {
      const stream: Stream = { response, lastSeq: after, stall: undefined };
      streams.add(stream);
      response.on('drain', () => {
        clearTimeout(stream.stall);
        stream.stall = undefined;
        pump(stream);
      });
      response.on('close', () => remove(stream));
      unsubscribe ??= view.onEvent(() => {
        for (const each of streams) pump(each);
      });
      pump(stream);
    },
    close() {
      for (const stream of streams) stream.response.end();
    },
  };
}
