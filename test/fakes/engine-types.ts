import { EdgeError } from '../../src/base/errors.ts';
import type { ContainerSpec } from '../../src/model/container.ts';
import { isPermanentCode } from '../../src/model/engine-codes.ts';
import type { BoundPort, ObservedContainer, ObservedImage } from '../../src/model/observed.ts';
import type { EngineAction } from '../../src/model/ports.ts';
import type { ContainerFile } from '../../src/model/update.ts';

/** What the process of an image does once it is started. */
export interface Program {
  /** Ends by itself after this time; absent: runs for ever. */
  exitsAfterMs?: number;
  exitCode?: number;
  /** Time it takes to end after SIGTERM (default 100 ms); `Infinity`: it does not listen. */
  stopMs?: number;
  /** Exit code after SIGTERM; default 143. */
  stopCode?: number;
  /** What its health check comes to, and when, after each start; absent: it stays "starting". */
  health?: { becomes: 'healthy' | 'unhealthy'; afterMs: number };
  /** Its port answers only after this time; default: at once. */
  listensAfterMs?: number;
  /** What commands run in it come to; absent: they end well and say nothing. */
  exec?(command: readonly string[], env: Readonly<Record<string, string>>): Executed;
  /** true: it neither greets nor ends a connection that the other side has ended. */
  isSilent?: boolean;
  /** The engine's start call fails with this code, for example `COMMAND_NOT_FOUND`. */
  startFails?: string;
}

/** What a command run in a container comes to. */
export interface Executed {
  exitCode?: number;
  output?: string;
  /** Time it takes, milliseconds; longer than its timeout: it goes on, and there is no exit code. */
  takesMs?: number;
}

export interface FakeImage extends ObservedImage {
  /** Unpacked; default 10 MB. */
  sizeBytes?: number;
  /** What containers of it do, by their description. */
  program(spec: ContainerSpec): Program;
}

/** A container as the fake engine keeps it. */
export interface Box {
  id: string;
  name: string;
  /** Reference as given at creation. */
  imageRef: string;
  image: FakeImage;
  /** As asked for; limits and restart policy follow updates. */
  spec: ContainerSpec;
  labels: Record<string, string>;
  state: ObservedContainer['state'];
  exitCode: number;
  error: string;
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  startedMonoMs: number;
  restartCount: number;
  restartDelayMs: number;
  oomKilled: boolean;
  manuallyStopped: boolean;
  health: ObservedContainer['health'];
  ports: BoundPort[];
  networks: Map<string, { aliases: readonly string[]; ip: string; networkId: string }>;
  /** Files that a test has put into it, by path. */
  files: Map<string, ContainerFile>;
  /** Counts starts, so that a timer of an earlier process does not end a later one. */
  run: number;
  /** Of the present or last process. */
  program: Program;
  /** true: its port takes connections and says nothing, until it is started anew. */
  isHung: boolean;
  /** true: nothing gets through its published ports, until the engine binds them anew. */
  isCutOff: boolean;
}

export type CallKind = EngineAction['kind'] | 'snapshot' | 'pullImage' | 'readFile' | 'exec';

/** One call of the port, as the journal keeps it. */
export interface Call {
  /** Counts up from 1. */
  seq: number;
  /** Monotonic milliseconds at which it was made. */
  atMs: number;
  kind: CallKind;
  /** Name of the container, network or volume; reference of the image; empty for a snapshot. */
  target: string;
  /** Id of the container or network, where the call names one. */
  id: string;
  mutating: boolean;
  /** Absent while under way. */
  result?: 'ok' | string;
}

/** Calls that match fail with `code`, `times` of them (default: one). */
export interface Fault {
  code: string;
  when?: (call: Call) => boolean;
  times?: number;
  /** true: the call takes effect and the failure is only in the answer, as when a connection breaks after the request. */
  afterEffect?: boolean;
}

/** What a registry does with one reference. */
export interface Pullable {
  image: FakeImage;
  /** Time of a whole pull; default 1 s. */
  takesMs?: number;
  sizeBytes?: number;
  /** Fails with this code after `takesMs`. */
  code?: string;
  /** Nothing moves after this part of the way (0..1); ends in `PULL_STALLED` after the stall time. */
  stallsAt?: number;
}

/** An error as the real adapter throws it. */
export function engineError(code: string, target: string, text?: string): EdgeError {
  return new EdgeError(text ?? `the fake engine answers ${code} for ${target}`, {
    code,
    retry: code === 'CANCELLED' ? 'cancelled' : isPermanentCode(code) ? 'permanent' : 'transient',
    target,
  });
}

/** An image with the members given and nothing else. */
export function image(id: string, partial: Partial<FakeImage> = {}): FakeImage {
  return {
    id: id.startsWith('sha256:') ? id : `sha256:${id}`,
    os: 'linux',
    arch: 'amd64',
    variant: '',
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
    labels: {},
    command: ['sleep', '1000000'],
    entrypoint: [],
    workingDir: '',
    user: '',
    exposedPorts: [],
    volumes: [],
    program: () => ({}),
    ...partial,
  };
}

/** `repo`, `repo:latest` and `docker.io/library/repo:latest` are one thing. */
export function normalReference(reference: string): string {
  if (reference.startsWith('sha256:')) return reference;
  const short = reference.replace(/^docker\.io\//, '').replace(/^library\//, '');
  if (short.includes('@')) return short;
  return short.slice(short.lastIndexOf('/') + 1).includes(':') ? short : `${short}:latest`;
}
