import type { BackoffRule } from '../base/backoff.ts';

/** After failures of one service: 1 s doubling to 5 min. */
export const SERVICE_BACKOFF: BackoffRule = { minMs: 1_000, maxMs: 300_000 };

/** While the engine next door is away: it must be noticed within seconds of its return. */
export const ENGINE_BACKOFF: BackoffRule = { minMs: 200, maxMs: 4_000 };
