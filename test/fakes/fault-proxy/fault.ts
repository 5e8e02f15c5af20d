/** What a link does to what passes over it. */
export type Fault =
  | { mode: 'pass' }
  /** The port is closed, open connections are reset. */
  | { mode: 'refuse' }
  /** Open connections are reset, new ones at their first byte. */
  | { mode: 'reset' }
  /** Connections are accepted, and nothing ever comes out of them on either side. */
  | { mode: 'blackHole' }
  /** Requests arrive, answers do not. */
  | { mode: 'halfOpen' }
  /** Nothing moves and nothing is lost: bytes wait until the link is back, as TCP's repetitions make them. */
  | { mode: 'freeze' }
  /** Answers come at this rate; default 1 byte/s. */
  | { mode: 'slow'; bytesPerSecond?: number }
  /** Half of the body, then the connection ends; with `isFitting` the length in the head is that of the half. */
  | { mode: 'truncate'; isFitting?: boolean }
  /** The body comes twice, under a length that fits. */
  | { mode: 'duplicate' }
  /** Every request is answered by a log-in page. */
  | { mode: 'captivePortal' }
  /** Every request is answered by a gateway's error page. */
  | { mode: 'status'; status: 502 | 503; retryAfterS?: number }
  /** TLS with this certificate, PEM; without one, bytes that are no TLS. */
  | { mode: 'tlsFailure'; certificate?: { cert: string; key: string } };

export type Mode = Fault['mode'];

/** How good a link is while it is there. */
export interface LinkShape {
  /** There and back; each direction takes half of it, and a new connection one round more. */
  latencyMs?: number;
  /** Up to so much more for each piece; pieces never overtake one another. */
  jitterMs?: number;
  /** Share of lost packets. A loss shows as a stall until the packet was sent again: TCP loses nothing. */
  lossPercent?: number;
  /** How long a sender waits before it repeats, on top of the latency. Default 200 ms, as Linux has it. */
  retransmitMs?: number;
  /** Towards the client, bit/s; absent: unlimited. */
  rateDown?: number;
  /** Towards the server, bit/s; absent: unlimited. */
  rateUp?: number;
}

export type Direction = 'up' | 'down';

/** Whether bytes in this direction vanish. */
export function isSwallowed({ mode }: Fault, direction: Direction): boolean {
  return mode === 'blackHole' || (mode === 'halfOpen' && direction === 'down');
}

/** Whether not even the end of a connection is told in this direction. */
export function isSilent(fault: Fault, direction: Direction): boolean {
  return fault.mode === 'freeze' || isSwallowed(fault, direction);
}

/** Whether connections that are open when the fault begins are reset. */
export function isBreaking({ mode }: Fault): boolean {
  return mode === 'refuse' || mode === 'reset' || mode === 'tlsFailure';
}

/** Bit/s in this direction: 0 means nothing moves, undefined means no limit. */
export function rateOf(fault: Fault, shape: LinkShape, direction: Direction): number | undefined {
  if (fault.mode === 'freeze') return 0;
  if (fault.mode === 'slow' && direction === 'down') return 8 * (fault.bytesPerSecond ?? 1);
  return direction === 'up' ? shape.rateUp : shape.rateDown;
}
