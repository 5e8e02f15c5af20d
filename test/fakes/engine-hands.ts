import type { ContainerSpec, LimitSpec, RestartSpec } from '../../src/model/container.ts';
import type { Box, FakeImage } from './engine-types.ts';
import { image, normalReference } from './engine-types.ts';
import type { EngineWorld } from './engine-world.ts';

/** What people and other programs do to an engine behind the agent's back. All by container name, all at once. */
export class ByHand {
  readonly #world: EngineWorld;

  constructor(world: EngineWorld) {
    this.#world = world;
  }

  /** The container of this name; fails when there is none. */
  box(name: string): Box {
    const box = this.#world.byName(name);
    if (box === undefined) throw new Error(`no container ${name}; there are ${this.names().join(', ')}`);
    return box;
  }

  names(): string[] {
    return [...this.#world.boxes.values()].map((box) => box.name).sort();
  }

  /** `docker kill`: leaves it exited with 137, whatever its restart policy. */
  kill(name: string): void {
    this.#world.kill(this.box(name));
  }

  /** `docker rm -f`. */
  remove(name: string): void {
    this.#world.remove(this.box(name), true);
  }

  pause(name: string): void {
    this.#world.pause(this.box(name));
  }

  /** `docker stop`; resolves when the process is gone. */
  stop(name: string, timeoutMs = 10_000): Promise<void> {
    return this.#world.stop(this.box(name), timeoutMs);
  }

  /** The main process ends by itself; the engine restarts it where the policy says so. */
  crash(name: string, exitCode = 1, oomKilled = false): void {
    this.#world.die(this.box(name), exitCode, oomKilled);
  }

  rename(name: string, to: string): void {
    this.#world.rename(this.box(name), to);
  }

  /** `docker update`. */
  update(name: string, change: { restart?: RestartSpec; limits?: LimitSpec }): void {
    const box = this.box(name);
    this.#world.update(box, change.restart ?? box.spec.restart, change.limits ?? box.spec.limits);
  }

  /** Somebody made the container anew with another description but the same labels (unless given) and name. */
  recreate(name: string, change: Partial<ContainerSpec>, labels?: Record<string, string>): Box {
    const old = this.box(name);
    this.#world.remove(old, true);
    const box = this.#world.create(name, { ...old.spec, ...change }, labels ?? old.labels);
    this.#world.start(box);
    return box;
  }

  disconnect(name: string, network: string): void {
    this.#world.disconnect(this.box(name), network);
  }

  removeNetwork(name: string): void {
    for (const box of this.#world.boxes.values()) this.#world.disconnect(box, name);
    this.#world.removeNetwork(name);
  }

  /** The reference names nothing any more; containers of the image stay. */
  removeImage(reference: string): void {
    this.#world.tags.delete(normalReference(reference));
    this.#world.onEvent({ type: 'image', action: 'untag', id: reference });
  }

  /** The reference names another image from now on, as after a pull by hand. */
  retag(reference: string, to: FakeImage): void {
    this.#world.tag(reference, to);
  }

  health(name: string, health: 'starting' | 'healthy' | 'unhealthy'): void {
    const box = this.box(name);
    box.health = health;
    this.#world.onEvent({
      type: 'container',
      action: `health_status: ${health}`,
      id: box.id,
      name: box.name,
    });
  }

  /** Its process hangs: its port takes connections and says nothing. */
  hang(name: string): void {
    this.box(name).isHung = true;
  }

  /** `iptables -t nat -F DOCKER`, for this container's published ports. */
  cutOff(name: string): void {
    this.box(name).isCutOff = true;
  }

  /** A container of somebody else, running unless said otherwise. */
  addForeign(
    name: string,
    options: {
      labels?: Record<string, string>;
      spec?: Partial<ContainerSpec>;
      start?: boolean;
    } = {},
  ): Box {
    const reference = options.spec?.image ?? 'foreign:1';
    if (this.#world.findImage(reference) === undefined)
      this.#world.tags.set(normalReference(reference), image(`foreign-${reference}`));
    const spec: ContainerSpec = {
      image: reference,
      env: {},
      labels: {},
      ports: [],
      mounts: [],
      network: { mode: 'bridge' },
      privileged: false,
      restart: { name: 'no', maxRetries: 0 },
      limits: {},
      ...options.spec,
    };
    const box = this.#world.create(name, spec, options.labels ?? {});
    if (options.start !== false) this.#world.start(box);
    return box;
  }
}
