import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock.ts';

/** How often the machine's own addresses are looked at, milliseconds. */
const EVERY_MS = 5_000;

/** Interfaces that container engines make and remove all the time; they are no way to a server. */
const OF_CONTAINERS = /^(?:veth|br-|docker|podman|cni|virbr|lxc|flannel|cali)/;

/** The machine's addresses as one text, without loopback, link-local ones and what container engines make. */
export function ownAddresses(): string {
  return Object.entries(networkInterfaces())
    .filter(([name]) => !OF_CONTAINERS.test(name))
    .flatMap(([name, all = []]) =>
      all
        .filter(({ internal, address }) => !internal && !/^(?:fe[89ab]|169\.254\.)/i.test(address))
        .map(({ address }) => `${name} ${address}`),
    )
    .sort()
    .join('\n');
}

/** Calls back when the text changes, until aborted; never rejects. */
export async function watchAddresses(
  addresses: () => string,
  clock: Clock,
  onChange: () => void,
  signal: AbortSignal,
): Promise<void> {
  let known = addresses();
  while (!signal.aborted) {
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    const now = addresses();
    if (now !== known && !signal.aborted) onChange();
    known = now;
  }
}
