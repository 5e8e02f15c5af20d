import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { type FileSystem, readIfExists, writeDurably } from '../base/file.ts';
import { canonicalJson } from '../model/hash.ts';

/** What a pair of slots holds and how it is read. */
export interface SlotFileOptions<T> {
  fs: FileSystem;
  directory: string;
  /** Stem of the two file names: `checkpoint` lives in `checkpoint.a` and `checkpoint.b`. */
  name: string;
  /** Version of the content's form. A slot of a later version is understood by a later agent, not by this one. */
  version: number;
  encode(value: T): unknown;
  /** Throws when the content is not what it should be; the slot then counts as damaged. */
  decode(content: unknown): T;
  /** The part of the encoded content whose change is worth a write; default: all of it. */
  essence?(content: unknown): unknown;
  /** true: both slots get every save, so that losing one loses nothing; for what cannot be made again. */
  mirrored?: boolean;
}

/** What is in the two slots. `value` is undefined when neither can be used. */
export interface Loaded<T> {
  value: T | undefined;
  /** One line for each slot that could not be used, and what stands in for it. */
  notes: readonly string[];
  /** true: there is something that could not be read, so an absent `value` must not be taken for "nothing yet". */
  unreadable: boolean;
}

type SlotState<T> =
  | { state: 'absent' }
  | { state: 'valid'; seq: number; value: T; essence: string }
  | { state: 'newer'; seq: number; why: string }
  | { state: 'damaged'; why: string };

type Side = 'a' | 'b';
const SIDES: readonly Side[] = ['a', 'b'];
const HEAD = /^sha256:([0-9a-f]{64})\n/;

/**
 * A value kept in two files that are written in turn, each with version, sequence number and checksum, so that
 * whatever happens to one the other stands.
 *
 * A file is a line `sha256:<64 hex>` over all that follows, then one line of JSON
 * `{"kind","version","seq","content"}`. The valid one with the highest `seq` counts. A write goes to the other one.
 * A file that cannot be used (damaged, or of a later version) is never overwritten: it is put aside as `*.kept`.
 */
export class SlotFile<T> {
  readonly #options: SlotFileOptions<T>;
  #slots: Record<Side, SlotState<T>> | undefined;
  /** The next save is written even if the content did not change: one of the two copies is not good. */
  #repair = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: SlotFileOptions<T>) {
    this.#options = options;
  }

  path(side: Side): string {
    return join(this.#options.directory, `${this.#options.name}.${side}`);
  }

  /** Reads both slots. Never throws for what is in them. */
  load(): Promise<Loaded<T>> {
    return this.#exclusive(() => this.#load());
  }

  /**
   * Writes the value when its essence differs from the newest valid one; false when there was nothing to write.
   * Durable when it returns. Throws the system's error, or `STORE_INVALID` for a value that could not be read back;
   * in both cases the newest valid slot is untouched.
   */
  save(value: T): Promise<boolean> {
    return this.#exclusive(() => this.#save(value));
  }

  #exclusive<R>(work: () => Promise<R>): Promise<R> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #load(): Promise<Loaded<T>> {
    const slots = { a: await this.#read('a'), b: await this.#read('b') };
    this.#slots = slots;
    const newest = newestValid(slots);
    const value = newest === undefined ? undefined : readValue(slots[newest]);
    const notes: string[] = [];
    for (const side of SIDES) {
      const slot = slots[side];
      if (slot.state !== 'newer' && slot.state !== 'damaged') continue;
      const instead = newest === undefined ? 'there is no other' : `using ${this.#options.name}.${newest}`;
      notes.push(`${this.#options.name}.${side} ${slot.why}; ${instead}`);
    }
    this.#repair = notes.length > 0;
    return { value, notes, unreadable: notes.length > 0 };
  }

  async #read(side: Side): Promise<SlotState<T>> {
    let bytes: Buffer | undefined;
    try {
      bytes = await readIfExists(this.#options.fs, this.path(side));
    } catch (error) {
      return { state: 'damaged', why: `cannot be read (${errorCode(error)})` };
    }
    return bytes === undefined ? { state: 'absent' } : this.#parse(bytes);
  }

  #parse(bytes: Buffer): SlotState<T> {
    const head = HEAD.exec(bytes.toString('latin1', 0, 72));
    const body = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(72);
    if (head === null || sha256(body) !== head[1])
      return { state: 'damaged', why: 'is damaged (its checksum does not match)' };
    try {
      const { kind, version, seq, content } = JSON.parse(bytes.toString('utf8', 72));
      if (kind !== this.#options.name || !Number.isSafeInteger(version) || !Number.isSafeInteger(seq))
        return { state: 'damaged', why: `is not a ${this.#options.name} slot` };
      if (version > this.#options.version)
        return { state: 'newer', seq, why: `was written by a later agent (form ${version})` };
      const value = this.#options.decode(content);
      return { state: 'valid', seq, value, essence: this.#essence(content) };
    } catch (error) {
      return { state: 'damaged', why: `does not decode (${errorText(error)})` };
    }
  }

  async #save(value: T): Promise<boolean> {
    if (this.#slots === undefined) await this.#load();
    const slots = this.#slots;
    if (slots === undefined) throw new Error('slots are loaded');
    const content = this.#checked(value);
    const essence = this.#essence(content);
    const newest = newestValid(slots);
    const current = newest === undefined ? undefined : slots[newest];
    if (current?.state === 'valid' && current.essence === essence && !this.#repair) return false;

    const target = writeTarget(slots, newest);
    await this.#write(slots, target, content, value, essence);
    this.#repair = false;
    if (this.#options.mirrored === true) {
      const other = target === 'a' ? 'b' : 'a';
      // Until the second copy is good the first one holds; a failure here is made up for by the next save.
      this.#repair = true;
      await this.#write(slots, other, content, value, essence);
      this.#repair = false;
    }
    return true;
  }

  /** The encoded content, proved to be readable: what does not decode must be noticed now, not at the next start. */
  #checked(value: T): unknown {
    const { encode, decode, name } = this.#options;
    const content = encode(value);
    try {
      decode(JSON.parse(JSON.stringify(content)));
    } catch (error) {
      throw new EdgeError(`Cannot save ${name}: ${errorText(error)}`, {
        code: 'STORE_INVALID',
        retry: 'permanent',
        target: name,
        cause: error,
      });
    }
    return content;
  }

  async #write(
    slots: Record<Side, SlotState<T>>,
    side: Side,
    content: unknown,
    value: T,
    essence: string,
  ): Promise<void> {
    const { fs, name, version } = this.#options;
    const path = this.path(side);
    if (slots[side].state === 'newer' || slots[side].state === 'damaged') {
      await fs.rename(path, `${path}.kept`);
      slots[side] = { state: 'absent' };
    }
    const seq = Math.max(seqOf(slots.a), seqOf(slots.b)) + 1;
    const body = `${JSON.stringify({ kind: name, version, seq, content })}\n`;
    await writeDurably(fs, path, new TextEncoder().encode(`sha256:${sha256(body)}\n${body}`), 0o600);
    slots[side] = { state: 'valid', seq, value, essence };
  }

  #essence(content: unknown): string {
    return sha256(canonicalJson(this.#options.essence?.(content) ?? content));
  }
}

function newestValid<T>(slots: Record<Side, SlotState<T>>): Side | undefined {
  const valid = SIDES.filter((side) => slots[side].state === 'valid');
  return valid.length === 2 ? (seqOf(slots.b) > seqOf(slots.a) ? 'b' : 'a') : valid[0];
}

/** Never the newest valid one; with none valid, the one that loses least: absent, then damaged, then the older. */
function writeTarget<T>(slots: Record<Side, SlotState<T>>, newest: Side | undefined): Side {
  if (newest !== undefined) return newest === 'a' ? 'b' : 'a';
  for (const state of ['absent', 'damaged'])
    for (const side of SIDES) if (slots[side].state === state) return side;
  return seqOf(slots.a) <= seqOf(slots.b) ? 'a' : 'b';
}

function seqOf(slot: { state: string; seq?: number }): number {
  return slot.seq ?? 0;
}

function readValue<T>(slot: SlotState<T>): T | undefined {
  return slot.state === 'valid' ? slot.value : undefined;
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
