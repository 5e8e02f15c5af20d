import type { Away, Connection } from '../../src/link/parts.ts';
import { Listeners, Waiters } from '../../src/link/waiters.ts';
import type { Colony } from '../../src/model/colony.ts';
import type { LinkClass, LinkState } from '../../src/model/link.ts';

/** A connection whose state the test sets; calls reach the colony in every state. */
export class HandConnection implements Connection {
  state: LinkState = 'Connecting';
  linkClass: LinkClass = 'normal';
  /** A user's key works, whatever the state. */
  isUser = false;
  readonly #waiters = new Waiters();
  readonly #ups = new Listeners<Away | undefined>();

  constructor(readonly colony: Colony) {}

  goUp(away?: Away): void {
    this.state = 'Connected';
    this.#ups.tell(away);
    this.#waiters.check();
  }

  goTo(state: LinkState): void {
    this.state = state;
    this.#waiters.check();
  }

  whenUp(signal: AbortSignal): Promise<void> {
    return this.#waiters.until(() => this.state === 'Connected', signal);
  }

  whenMember(signal: AbortSignal): Promise<void> {
    return this.#waiters.until(() => this.state === 'Connected' || this.isUser, signal);
  }

  call<T>(work: (colony: Colony, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return work(this.colony, signal);
  }

  memberCall<T>(work: (colony: Colony, signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    return work(this.colony, signal);
  }

  onUp(listener: (away: Away | undefined) => void): () => void {
    return this.#ups.add(listener);
  }
}
