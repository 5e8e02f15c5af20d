import type { Service, UpdateSpec } from '../model/desired.ts';

/** How a new version takes the place of the old one. */
export type Strategy = Exclude<UpdateSpec['strategy'], 'auto'>;

/** A strategy and what speaks for it. */
export interface Choice {
  strategy: Strategy;
  /** One clause: why the old one has to go first; undefined where nothing has to be said. */
  because?: string;
  /** true: the blueprint asks for start-first, which is not possible. */
  isFallback: boolean;
}

/** What holds for a service whose blueprint says nothing about updates. */
const DEFAULT_UPDATE: UpdateSpec = {
  strategy: 'auto',
  parallelism: 1,
  healthyAfterMs: 5_000,
  deadlineMs: 300_000,
  onFailure: 'rollback',
};

export function updateOf(service: Service): UpdateSpec {
  return service.update ?? DEFAULT_UPDATE;
}

/** start-first wherever two of it can exist, unless the blueprint asks for another; decided by the service alone, so that
 *  it stays the same over the whole replacement and over a restart of the agent. */
export function strategyOf(service: Service): Choice {
  const { strategy } = updateOf(service);
  if (strategy === 'stop-first' || strategy === 'recreate') return { strategy, isFallback: false };
  const because = onlyOnce(service);
  if (because === undefined) return { strategy: 'start-first', isFallback: false };
  return { strategy: 'stop-first', because, isFallback: strategy === 'start-first' };
}

/** `start-first`, or `stop-first: host port 80/tcp can be held only once`. */
export function strategyText({ strategy, because }: Choice): string {
  return because === undefined ? strategy : `${strategy}: ${because}`;
}

/** What of a service cannot exist twice, as a clause; undefined when all of it can. */
function onlyOnce({ container, exclusive = [], executorName }: Service): string | undefined {
  const { network } = container;
  if (network.mode === 'host') return 'the network of the host exists only once';
  if (network.mode === 'container') return `the network of ${network.container} exists only once`;
  const port = container.ports.find(({ publish, hostPort }) => publish && hostPort !== undefined);
  if (port !== undefined) return `host port ${port.hostPort}/${port.protocol} can be held only once`;
  const [device] = container.devices ?? [];
  if (device !== undefined) return `device ${device.hostPath} can be held only once`;
  const [first] = exclusive;
  if (first !== undefined) return `${first} can be held only once`;
  return executorName === undefined ? undefined : `executor ${executorName} can work only once`;
}
