import { setMaxListeners } from 'node:events';
import { EdgeError } from '../base/errors.ts';

/** The network that calls go through now. When the machine's addresses change, calls on the way would wait for answers
 *  that cannot come; they end with the old network's signal. */
export class Network {
  #present = newController();

  /** Aborted when this network is left. */
  get signal(): AbortSignal {
    return this.#present.signal;
  }

  leave(): void {
    const before = this.#present;
    this.#present = newController();
    before.abort(new EdgeError('The network changed', { code: 'COLONY_RESET', retry: 'transient' }));
  }
}

/** As many calls may be under way as there are things to tell: that is no leak to be warned of. */
function newController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** What became of a call whose network or key is not in use any more. */
export function movedError(error: unknown): unknown {
  if (error instanceof EdgeError && error.code !== 'CANCELLED') return error;
  return new EdgeError('The call was given up: network or key changed', {
    code: 'COLONY_RESET',
    retry: 'transient',
    cause: error,
  });
}
