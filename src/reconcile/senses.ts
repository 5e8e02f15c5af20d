import type { Outcome } from '../model/action.ts';
import type { DesiredState } from '../model/desired.ts';
import type { EngineSnapshot, ObservedState } from '../model/observed.ts';
import type { AgentParts } from './agent-parts.ts';
import { HealthKeeper, NO_HEALTH } from './health-keeper.ts';
import type { Journal } from './journal.ts';
import { RelayKeeper } from './relay-keeper.ts';

type Sensed = Pick<ObservedState, 'probes' | 'ailing' | 'relays'>;

/** Before anything was asked. */
export const NO_SENSES: Sensed = { ...NO_HEALTH, relays: new Map() };

/** What is observed without the engine: how containers answer the agent's probes, and what relays say. */
export class Senses {
  readonly #health: HealthKeeper;
  readonly #relays: RelayKeeper;

  /** `onChange`: there is something new. */
  constructor(parts: AgentParts, journal: Journal, onChange: () => void) {
    this.#health = new HealthKeeper(parts, journal, onChange);
    this.#relays = new RelayKeeper(parts, onChange);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#health.run(signal), this.#relays.run(signal)]);
  }

  /** After a look at the engine. */
  observe(desired: DesiredState, snapshot: EngineSnapshot): Sensed {
    return { ...this.#health.observe(desired, snapshot), ...this.#relays.observe(desired, snapshot) };
  }

  record(outcome: Outcome): void {
    this.#health.record(outcome);
    this.#relays.record(outcome);
  }
}
