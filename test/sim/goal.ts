import { blueprintOf } from '../../src/model/blueprint.ts';
import { LABEL } from '../../src/model/container.ts';
import type { Service } from '../../src/model/desired.ts';
import { CONTAINER_NAME_VARIABLE, canonicalJson } from '../../src/model/hash.ts';
import { replicaOf } from '../../src/model/replica.ts';
import type { FakeEngine } from '../fakes/engine.ts';
import type { Box } from '../fakes/engine-types.ts';
import type { EngineWorld } from '../fakes/engine-world.ts';
import type { DeploymentDocument } from './blueprints.ts';
import { resolver, SIM_NODE } from './resolver.ts';

/** What the node should come to, judged on the engine's own state and not on anything the agent says. */
export class Goal {
  readonly #engine: FakeEngine;
  readonly #world: EngineWorld;
  readonly #wanted = new Map<string, Service[]>();
  readonly #foreign = new Map<string, string>();
  /** Ids of containers of the Go reconciler that count as the wanted ones although they carry no hash. */
  readonly adopted = new Set<string>();
  /** Services that are not expected to run, by container name: something outside keeps them from it. */
  readonly excused = new Set<string>();

  constructor(engine: FakeEngine) {
    this.#engine = engine;
    this.#world = engine.world;
  }

  want(document: DeploymentDocument): void {
    const blueprint = blueprintOf(document, { source: 'directory', file: '/goal.json' });
    const resolution = resolver()(blueprint);
    if (resolution.result !== 'ours')
      throw new Error(`the test's blueprint is not valid: ${JSON.stringify(resolution)}`);
    this.#wanted.set(document.metadata.name, [...resolution.desired.services]);
  }

  drop(name: string): void {
    this.#wanted.delete(name);
  }

  wants(name: string): boolean {
    return this.#wanted.has(name);
  }

  /** What should run; where as many replicas exist as are asked for, under their numbers, whichever these are. */
  services(): Service[] {
    return [...this.#wanted.values()].flatMap((services) => {
      const instances = new Set(services.map(({ instance }) => instance));
      return [...instances].flatMap((instance) =>
        this.#underTheirNumbers(services.filter((service) => service.instance === instance)),
      );
    });
  }

  #underTheirNumbers(services: Service[]): Service[] {
    const [first] = services;
    if (first === undefined || first.executorName !== undefined) return services;
    const numbers = new Set<number>();
    for (const { labels } of this.#world.boxes.values())
      if (
        labels[LABEL.node] === SIM_NODE &&
        labels[LABEL.deployment] === first.blueprint &&
        labels[LABEL.instance] === first.instance
      )
        numbers.add(Number(labels[LABEL.replica]));
    if (numbers.size !== services.length) return services;
    return [...numbers].map((number) => replicaOf(first, number, services.length));
  }

  /** Remembers everything that is not the agent's; `problems` reports when any of it was touched since. */
  protectForeign(): void {
    for (const box of this.#world.boxes.values())
      if (box.labels[LABEL.node] !== SIM_NODE && !this.adopted.has(box.id))
        this.#foreign.set(box.id, foreignText(box));
  }

  forgetForeign(): void {
    this.#foreign.clear();
  }

  met(): boolean {
    for (const service of this.services())
      if (!this.excused.has(service.containerName))
        if (this.#world.byName(service.containerName)?.state !== 'running') return false;
    return this.problems().length === 0;
  }

  /** Every way in which the engine is not as wanted, one clause each; empty when the goal is met. */
  problems(): string[] {
    const found: string[] = [];
    const services = new Map(this.services().map((service) => [service.containerName, service]));
    for (const [name, service] of services) {
      if (this.excused.has(name)) continue;
      const box = this.#world.byName(name);
      if (box === undefined) found.push(`${name} is missing`);
      else found.push(...this.#judge(box, service).map((clause) => `${name} ${clause}`));
    }
    for (const box of this.#world.boxes.values())
      if (box.labels[LABEL.node] === SIM_NODE && !services.has(box.name))
        found.push(`${box.name} should not exist`);
    for (const [id, text] of this.#foreign) {
      const box = this.#world.boxes.get(id);
      if (this.#engine.touched.has(id)) found.push(`foreign container was touched: ${text}`);
      else if (box === undefined) found.push(`foreign container is gone: ${text}`);
      else if (foreignText(box) !== text)
        found.push(`foreign container was ${text} and is now ${foreignText(box)}`);
    }
    return found;
  }

  #judge(box: Box, service: Service): string[] {
    const found: string[] = [];
    const check = (good: boolean, clause: string) => good || found.push(clause);
    const wanted = service.container;
    check(box.state === 'running', `is ${box.state}`);
    if (!this.adopted.has(box.id)) {
      check(box.labels[LABEL.specHash] === service.specHash, 'has another spec hash');
      check(variablesOf(box.spec.env) === variablesOf(wanted.env), 'has other variables');
    }
    check(canonicalJson(box.spec.restart) === canonicalJson(wanted.restart), 'has another restart policy');
    check(box.spec.limits.memoryBytes === wanted.limits.memoryBytes, 'has another memory limit');
    check(box.spec.limits.nanoCpus === wanted.limits.nanoCpus, 'has another CPU limit');
    check(box.image.id === this.#world.findImage(wanted.image)?.id, 'runs another image');
    const { network } = wanted;
    if (network.mode === 'network') {
      const id = this.#world.networks.get(network.name)?.id;
      check(
        id !== undefined && box.networks.get(network.name)?.networkId === id,
        `is not in ${network.name}`,
      );
    }
    return found;
  }
}

function foreignText(box: Box): string {
  return `${box.name} ${box.id.slice(0, 8)} ${canonicalJson(box.spec)} ${canonicalJson(box.labels)}`;
}

/** All but the container's own name, which a rename leaves as it was. */
function variablesOf(env: Readonly<Record<string, string>>): string {
  const known = variables.get(env);
  if (known !== undefined) return known;
  const text = canonicalJson({ ...env, [CONTAINER_NAME_VARIABLE]: undefined });
  variables.set(env, text);
  return text;
}

/** The goal is looked at after every step of time. */
const variables = new WeakMap<object, string>();
