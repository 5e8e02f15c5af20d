import { errorCode } from '../../src/base/errors.ts';
import type { ContainerSpec, LimitSpec, RestartSpec } from '../../src/model/container.ts';
import type { BoundPort } from '../../src/model/observed.ts';
import { EngineStock } from './engine-stock.ts';
import { type Box, engineError } from './engine-types.ts';

/** Docker waits 100 ms before the first restart, doubles up to a minute, and forgets after 10 s of running. */
const FIRST_RESTART_MS = 100;
const LONGEST_RESTART_MS = 60_000;
const LASTING_RUN_MS = 10_000;

/** What is on the host: containers, images, networks, volumes, and what happens to them, as Docker 20.10 does it. */
export class EngineWorld extends EngineStock {
  arch = 'amd64';
  /** false: the engine is down and restarts nothing. */
  up = true;
  /** Commands that were run in containers, oldest first. */
  readonly executed: {
    container: string;
    id: string;
    command: readonly string[];
    env: Readonly<Record<string, string>>;
  }[] = [];
  #ephemeral = 32_768;
  #addresses = 0;

  byName(name: string): Box | undefined {
    for (const box of this.boxes.values()) if (box.name === name) return box;
    return undefined;
  }

  /** By id, or fails with `ENGINE_NOT_FOUND`. */
  need(id: string): Box {
    const box = this.boxes.get(id);
    if (box === undefined) throw engineError('ENGINE_NOT_FOUND', id, `No such container: ${id}`);
    return box;
  }

  create(name: string, spec: ContainerSpec, labels: Readonly<Record<string, string>>): Box {
    this.#checkBinds(spec);
    const found = this.findImage(spec.image);
    if (found === undefined) throw engineError('IMAGE_NOT_FOUND', spec.image, `No such image: ${spec.image}`);
    if (found.arch !== this.arch)
      throw engineError('PLATFORM_MISMATCH', spec.image, `image is for ${found.arch}, not ${this.arch}`);
    if (this.byName(name) !== undefined)
      throw engineError('NAME_TAKEN', name, `The container name "/${name}" is already in use`);
    for (const mount of spec.mounts)
      if (mount.type === 'volume' && !this.volumes.has(mount.source)) {
        this.volumes.add(mount.source);
        this.onEvent({ type: 'volume', action: 'create', id: mount.source });
      }
    const box: Box = {
      id: this.newId(),
      name,
      imageRef: spec.image,
      image: found,
      spec: structuredClone(spec),
      labels: { ...labels },
      state: 'created',
      exitCode: 0,
      error: '',
      createdAt: this.clock.now(),
      startedAt: 0,
      finishedAt: 0,
      startedMonoMs: 0,
      restartCount: 0,
      restartDelayMs: 0,
      oomKilled: false,
      manuallyStopped: false,
      health: undefined,
      ports: [],
      networks: firstNetwork(spec),
      files: new Map(),
      run: 0,
      program: {},
      isHung: false,
      isCutOff: false,
    };
    this.boxes.set(box.id, box);
    this.#emit(box, 'create');
    return box;
  }

  /** `POST /containers/{id}/start`; throws as Docker refuses, and then leaves the container `created` or `exited`. */
  start(box: Box, byEngine = false): void {
    if (box.state === 'running') return;
    if (box.state === 'paused')
      throw engineError('ENGINE_CONFLICT', box.name, 'cannot start a paused container, try unpause instead');
    this.#checkBinds(box.spec);
    for (const mount of box.spec.mounts)
      if (mount.type === 'bind' && !mount.readOnly) this.hostPaths.add(mount.source);
    try {
      for (const name of box.networks.keys())
        if (!this.networks.has(name))
          throw engineError('NETWORK_NOT_FOUND', name, `network ${name} not found`);
      box.ports = this.#bindPorts(box);
      box.program = box.image.program(box.spec);
      if (box.program.startFails !== undefined) throw engineError(box.program.startFails, box.name);
    } catch (error) {
      box.ports = [];
      box.error = error instanceof Error ? error.message : String(error);
      if (box.exitCode === 0) box.exitCode = errorCode(error) === 'COMMAND_NOT_FOUND' ? 127 : 128;
      if (box.state === 'restarting') box.state = 'exited';
      throw error;
    }
    box.state = 'running';
    box.exitCode = 0;
    box.error = '';
    box.oomKilled = false;
    box.manuallyStopped = false;
    box.startedAt = this.clock.now();
    box.startedMonoMs = this.clock.monoMs();
    if (!byEngine) {
      box.restartCount = 0;
      box.restartDelayMs = 0;
    }
    const check = box.spec.healthcheck ?? box.image.healthcheck;
    box.health = check !== undefined && check.test[0] !== 'NONE' ? 'starting' : undefined;
    for (const [name, endpoint] of box.networks) {
      const network = this.networks.get(name);
      const ip = name === 'host' || name === 'none' ? '' : this.#newAddress();
      const { hostname } = box.spec;
      const aliases = [...endpoint.aliases];
      // Docker makes the host name an alias of its own accord.
      if (hostname !== undefined && network?.driver === 'bridge' && name !== 'bridge')
        if (!aliases.includes(hostname)) aliases.push(hostname);
      box.networks.set(name, { aliases, ip, networkId: network?.id ?? '' });
    }
    box.run += 1;
    box.isHung = false;
    box.isCutOff = false;
    this.#emit(box, 'start');
    this.#beginCheck(box);
    const { exitsAfterMs, exitCode } = box.program;
    if (exitsAfterMs !== undefined) {
      const run = box.run;
      this.clock.after(exitsAfterMs, () => {
        if (box.run === run && box.state === 'running') this.die(box, exitCode ?? 0);
      });
    }
  }

  #beginCheck(box: Box): void {
    const { program, run } = box;
    const { health } = program;
    if (health === undefined || box.health === undefined) return;
    this.clock.after(health.afterMs, () => {
      if (box.run !== run || box.state !== 'running') return;
      box.health = health.becomes;
      this.#emit(box, `health_status: ${health.becomes}`);
    });
  }

  #newAddress(): string {
    this.#addresses += 1;
    return `172.18.${(this.#addresses >> 8) & 255}.${this.#addresses & 255}`;
  }

  /** The main process ended; the engine starts it again where the policy says so. */
  die(box: Box, exitCode: number, oomKilled = false): void {
    if (box.state !== 'running' && box.state !== 'paused') return;
    const ranMs = this.clock.monoMs() - box.startedMonoMs;
    box.state = 'exited';
    box.exitCode = exitCode;
    box.oomKilled = oomKilled;
    box.finishedAt = this.clock.now();
    box.ports = [];
    for (const [name, endpoint] of box.networks) box.networks.set(name, { ...endpoint, ip: '' });
    this.#emit(box, 'die');
    if (!this.up || box.manuallyStopped || !policyRestarts(box.spec.restart, exitCode, box.restartCount))
      return;
    if (ranMs >= LASTING_RUN_MS) box.restartDelayMs = 0;
    box.restartDelayMs =
      box.restartDelayMs === 0 ? FIRST_RESTART_MS : Math.min(LONGEST_RESTART_MS, box.restartDelayMs * 2);
    box.state = 'restarting';
    box.restartCount += 1;
    const run = box.run;
    this.clock.after(box.restartDelayMs, () => {
      if (!this.up || box.state !== 'restarting' || box.run !== run || !this.boxes.has(box.id)) return;
      try {
        this.start(box, true);
      } catch {
        // the engine gives up on a start that fails; the error stays on the container
      }
    });
  }

  /** SIGTERM, and SIGKILL after the timeout; resolves when the process is gone. */
  async stop(box: Box, timeoutMs: number): Promise<void> {
    box.manuallyStopped = true;
    if (box.state === 'restarting') {
      box.state = 'exited';
      this.#emit(box, 'stop');
      return;
    }
    if (box.state !== 'running' && box.state !== 'paused') return;
    if (box.state === 'paused') this.unpause(box);
    this.#emit(box, 'kill');
    const run = box.run;
    const takesMs = box.program.stopMs ?? 100;
    await this.clock.sleep(Math.min(takesMs, timeoutMs));
    if (box.run !== run) return;
    this.die(box, takesMs <= timeoutMs ? (box.program.stopCode ?? 143) : 137);
    this.#emit(box, 'stop');
  }

  /** As `stop` and `start`; also starts what is not running. */
  async restart(box: Box, timeoutMs: number): Promise<void> {
    await this.stop(box, timeoutMs);
    this.start(box);
    this.#emit(box, 'restart');
  }

  /** `docker kill`. */
  kill(box: Box): void {
    if (box.state !== 'running' && box.state !== 'paused')
      throw engineError('ENGINE_CONFLICT', box.name, `Container ${box.name} is not running`);
    box.manuallyStopped = true;
    this.#emit(box, 'kill');
    this.die(box, 137);
  }

  pause(box: Box): void {
    if (box.state !== 'running') throw engineError('ENGINE_CONFLICT', box.name, 'Container is not running');
    box.state = 'paused';
    this.#emit(box, 'pause');
  }

  unpause(box: Box): void {
    if (box.state !== 'paused') return;
    box.state = 'running';
    this.#emit(box, 'unpause');
  }

  rename(box: Box, name: string): void {
    if (box.name === name) return;
    if (this.byName(name) !== undefined)
      throw engineError('NAME_TAKEN', name, `The container name "/${name}" is already in use`);
    box.name = name;
    this.#emit(box, 'rename');
  }

  update(box: Box, restart: RestartSpec, limits: LimitSpec): void {
    box.spec = { ...box.spec, restart: { ...restart }, limits: { ...limits } };
    this.#emit(box, 'update');
  }

  remove(box: Box, force: boolean): void {
    if (box.state === 'running' || box.state === 'paused' || box.state === 'restarting') {
      if (!force)
        throw engineError(
          'ENGINE_CONFLICT',
          box.name,
          'You cannot remove a running container; stop it first',
        );
      box.manuallyStopped = true;
      if (box.state === 'restarting') box.state = 'exited';
      this.die(box, 137);
    }
    this.boxes.delete(box.id);
    this.#emit(box, 'destroy');
  }

  connect(box: Box, network: string, aliases: readonly string[]): void {
    if (box.networks.has(network)) return;
    if (box.state !== 'running') {
      // Docker only writes it down, and looks for the network at start.
      box.networks.set(network, { aliases: [...aliases], ip: '', networkId: '' });
      return;
    }
    const found = this.networks.get(network);
    if (found === undefined) throw engineError('NETWORK_NOT_FOUND', network, `network ${network} not found`);
    const networkId = found.id;
    box.networks.set(network, { aliases: [...aliases], ip: this.#newAddress(), networkId });
    box.isCutOff = false;
    this.onEvent({ type: 'network', action: 'connect', id: networkId, name: network });
  }

  disconnect(box: Box, network: string): void {
    if (!box.networks.delete(network)) return;
    const id = this.networks.get(network)?.id ?? '';
    this.onEvent({ type: 'network', action: 'disconnect', id, name: network });
  }

  /** The daemon goes away and with it every process, as without live-restore; 255 after a power cut. */
  shutDown(exitCode: number): void {
    this.up = false;
    for (const box of this.boxes.values()) {
      if (box.state === 'restarting') box.state = 'exited';
      this.die(box, exitCode);
    }
  }

  /** The daemon starts and brings back what its policies say. */
  boot(): void {
    this.up = true;
    for (const box of this.boxes.values()) {
      const { restart } = box.spec;
      const wanted =
        restart.name === 'always' ||
        (restart.name === 'unless-stopped' && !box.manuallyStopped) ||
        (restart.name === 'on-failure' && box.exitCode !== 0 && !box.manuallyStopped);
      if (box.state !== 'exited' || !wanted) continue;
      try {
        this.start(box, true);
      } catch {
        // a start that fails at boot leaves the container as it is
      }
    }
  }

  /** A read-only bind is sent as a mount, whose source must exist, at creation and at every start. */
  #checkBinds(spec: ContainerSpec): void {
    for (const mount of spec.mounts)
      if (mount.type === 'bind' && mount.readOnly && !this.hostPaths.has(mount.source))
        throw engineError(
          'BIND_SOURCE_MISSING',
          mount.source,
          `bind source path does not exist: ${mount.source}`,
        );
  }

  #bindPorts(box: Box): BoundPort[] {
    const bound: BoundPort[] = [];
    if (box.spec.network.mode !== 'network' && box.spec.network.mode !== 'bridge') return bound;
    for (const port of box.spec.ports) {
      if (!port.publish) continue;
      if (port.hostPort !== undefined && this.#portHeld(port.hostPort, port.protocol, box))
        throw engineError(
          'PORT_CONFLICT',
          box.name,
          `Bind for 0.0.0.0:${port.hostPort} failed: port is already allocated`,
        );
      const { containerPort, protocol } = port;
      const addresses = port.hostIp === '' ? ['0.0.0.0', '::'] : [port.hostIp];
      for (const hostIp of addresses)
        bound.push({ containerPort, protocol, hostPort: port.hostPort ?? this.#nextEphemeral(), hostIp });
    }
    return bound;
  }

  #portHeld(hostPort: number, protocol: string, asking: Box): boolean {
    if (this.foreignPorts.has(`${hostPort}/${protocol}`)) return true;
    for (const box of this.boxes.values())
      if (
        box !== asking &&
        (box.state === 'running' || box.state === 'paused') &&
        box.ports.some((port) => port.hostPort === hostPort && port.protocol === protocol)
      )
        return true;
    return false;
  }

  #nextEphemeral(): number {
    this.#ephemeral = this.#ephemeral >= 60_999 ? 32_768 : this.#ephemeral + 1;
    return this.#ephemeral;
  }

  #emit(box: Box, action: string): void {
    this.onEvent({ type: 'container', action, id: box.id, name: box.name });
  }
}

function firstNetwork(spec: ContainerSpec): Box['networks'] {
  const { network } = spec;
  if (network.mode === 'container') return new Map();
  const name = network.mode === 'network' ? network.name : network.mode;
  const aliases = network.mode === 'network' ? [...network.aliases] : [];
  return new Map([[name, { aliases, ip: '', networkId: '' }]]);
}

function policyRestarts(restart: RestartSpec, exitCode: number, restartCount: number): boolean {
  switch (restart.name) {
    case 'no':
      return false;
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return exitCode !== 0 && (restart.maxRetries === 0 || restartCount < restart.maxRetries);
  }
}
