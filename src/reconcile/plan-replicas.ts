import { LABEL } from '../model/container.ts';
import { type DesiredBlueprint, type DesiredState, type Service, serviceKey } from '../model/desired.ts';
import type { ObservedContainer, ObservedState } from '../model/observed.ts';
import { replicaName, replicaOf } from '../model/replica.ts';
import { isOurs, isPeers } from './ownership.ts';
import { readinessOf } from './readiness.ts';

/** More than any blueprint may ask for: a number beyond it is none of ours. */
const MOST_NUMBERS = 1000;

/** What the choice of replicas looks at. */
type Seen = Pick<ObservedState, 'containers' | 'adopted' | 'busy' | 'probes'>;

type Known = DesiredState & { known: true };

/** Containers of one instance by the number of their replica. */
type Numbers = ReadonlyMap<number, readonly ObservedContainer[]>;

/**
 * The desired state with the replicas that stay: of a DockerDeployment that has more of them than it asks for those that are
 * not ready go first, then the oldest versions, then the highest numbers. Who stays keeps number and name, and missing ones
 * take the lowest free numbers; so what exists is all the memory there is. The very same object where the numbers are those
 * from 0 on.
 */
export function withReplicas(desired: Known, seen: Seen): Known {
  return withNumbers(desired, seen.containers, (services, numbers, isTaken) =>
    chosen(services, numbers, seen, isTaken),
  );
}

/** The desired state with every replica that exists, also of those that will go, and with those that are asked for. */
export function withEveryReplica(desired: Known, containers: readonly ObservedContainer[]): Known {
  return withNumbers(desired, containers, (services, numbers) => [
    ...services.map(({ replica }) => replica),
    ...numbers.keys(),
  ]);
}

type Choice = (
  services: readonly [Service, ...Service[]],
  numbers: Numbers,
  isTaken: (name: string) => boolean,
) => readonly number[];

function withNumbers(desired: Known, containers: readonly ObservedContainer[], choose: Choice): Known {
  const byBlueprint = new Map<string, ObservedContainer[]>();
  for (const container of containers) {
    const name = container.labels[LABEL.deployment];
    if (name === undefined || !(isOurs(container, desired.owner) || isPeers(container))) continue;
    const own = byBlueprint.get(name);
    if (own === undefined) byBlueprint.set(name, [container]);
    else own.push(container);
  }
  let isChanged = false;
  const blueprints = desired.blueprints.map((blueprint) => {
    const own = byBlueprint.get(blueprint.name);
    if (own === undefined || blueprint.kind !== 'DockerDeployment' || blueprint.deleting) return blueprint;
    const services = servicesHere(blueprint, own, choose);
    isChanged ||= services !== blueprint.services;
    return services === blueprint.services ? blueprint : { ...blueprint, services };
  });
  return isChanged ? { ...desired, blueprints } : desired;
}

/** The services of one blueprint under the numbers chosen; the very same list when those are theirs already. */
function servicesHere(
  blueprint: DesiredBlueprint,
  own: readonly ObservedContainer[],
  choose: Choice,
): readonly Service[] {
  const keys = new Set(blueprint.services.map(({ key }) => key));
  const instances = [...new Set(blueprint.services.map(({ instance }) => instance))];
  let isChanged = false;
  const services = instances.flatMap((instance) => {
    const list = blueprint.services.filter((service) => service.instance === instance);
    const [first, ...rest] = list;
    if (first === undefined) return [];
    // A relay leads to number 0.
    if (first.handover !== undefined || first.relay !== undefined) return list;
    const numbers = numbersOf(blueprint, instance, own);
    if ([...numbers.keys()].every((number) => keys.has(serviceKey(blueprint.name, instance, number))))
      return list;
    const others = new Set(
      blueprint.services.filter((other) => other.instance !== instance).map((other) => other.containerName),
    );
    isChanged = true;
    const picked = choose([first, ...rest], numbers, (name) => others.has(name));
    const known = new Map(list.map((service) => [service.replica, service]));
    return [...new Set(picked)]
      .sort((a, b) => a - b)
      .map((number) => known.get(number) ?? replicaOf(first, number, list.length));
  });
  return isChanged ? services : blueprint.services;
}

function numbersOf(
  { services }: DesiredBlueprint,
  instance: string,
  own: readonly ObservedContainer[],
): Map<number, ObservedContainer[]> {
  const numbers = new Map<number, ObservedContainer[]>();
  for (const container of own) {
    const number = isPeers(container)
      ? services.find((service) => service.instance === instance && service.containerName === container.name)
          ?.replica
      : container.labels[LABEL.instance] === instance
        ? Number(container.labels[LABEL.replica] ?? Number.NaN)
        : undefined;
    if (number === undefined || !Number.isInteger(number) || number < 0 || number >= MOST_NUMBERS) continue;
    const list = numbers.get(number);
    if (list === undefined) numbers.set(number, [container]);
    else list.push(container);
  }
  return numbers;
}

/** As many numbers as there are services: the best of those that exist, then the lowest free ones. */
function chosen(
  services: readonly [Service, ...Service[]],
  numbers: Numbers,
  seen: Seen,
  isTaken: (name: string) => boolean,
): number[] {
  const [first] = services;
  const count = services.length;
  const born = ages(numbers, first);
  const ranks = [...numbers]
    .filter(([number]) => !isTaken(replicaName(first.instance, number, count)))
    .map(([number, containers]) => rankOf(replicaOf(first, number, count), containers, seen, born));
  const picked = new Set(
    ranks
      .sort(byRank)
      .slice(-count)
      .map(({ number }) => number),
  );
  for (let number = 0; picked.size < count; number += 1) picked.add(number);
  return [...picked];
}

/** When the first container of each former version was made, by its spec hash; epoch milliseconds. */
function ages(numbers: Numbers, { specHash }: Service): ReadonlyMap<string, number> {
  const born = new Map<string, number>();
  for (const { labels, createdAt } of [...numbers.values()].flat()) {
    const hash = labels[LABEL.specHash] ?? '';
    if (hash !== specHash) born.set(hash, Math.min(born.get(hash) ?? createdAt, createdAt));
  }
  return born;
}

/** What is lower goes first, the first difference counts. */
interface Rank {
  number: number;
  order: readonly number[];
}

const READINESS = { down: 0, unhealthy: 1, starting: 2, unchecked: 3, healthy: 3, completed: 3 } as const;

function rankOf(
  service: Service,
  containers: readonly ObservedContainer[],
  seen: Seen,
  born: ReadonlyMap<string, number>,
): Rank {
  const [best = []] = containers
    .map((container) => {
      const hash = container.labels[LABEL.specHash] ?? '';
      const isWanted = hash === service.specHash || seen.adopted.get(container.id) === service.specHash;
      const age = isWanted ? Number.MAX_SAFE_INTEGER : (born.get(hash) ?? 0);
      return [READINESS[readinessOf(service, container, seen)], age];
    })
    .sort((a, b) => compare(b, a));
  // What is being stopped goes on to its end, however the others fare meanwhile.
  const isBusy = seen.busy.has(service.key);
  return { number: service.replica, order: [isBusy ? 0 : 1, ...best, -service.replica] };
}

function byRank(a: Rank, b: Rank): number {
  return compare(a.order, b.order);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i += 1) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
