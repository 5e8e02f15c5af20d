import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { signText } from '../../../src/colony/crypto.ts';
import { ManualClock } from '../../fakes/clock.ts';
import {
  type Answer,
  type ColonyWorld,
  createColonyWorld,
  type FakeColonyOptions,
  type JsonMap,
} from '../../fakes/colony/index.ts';

export interface Recording {
  name: string;
  signer: string | null;
  request: { method: string; path: string; body: string };
  request_decoded?: { payloadtype: string; payload: JsonMap };
  response: { status: number; headers: Record<string, string>; body: string };
}

const FOLDER = 'test/vectors/wire';
export const KEYS: Record<string, { prvkey: string; id: string }> = JSON.parse(
  readFileSync('test/vectors/colonyos.json', 'utf8'),
).dev_keys;

export const RECORDINGS: ReadonlyMap<string, Recording> = new Map(
  readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file): Recording => JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')))
    .map((one) => [one.name, one]),
);

/** Names of recordings that some stage has replayed. */
export const replayed = new Set<string>();

function recording(name: string): Recording {
  return RECORDINGS.get(name) ?? assert.fail(`there is no recording ${name}`);
}

function idOf(role: string): string {
  return KEYS[role]?.id ?? assert.fail(`no key ${role}`);
}

/** A fake brought step by step to where the recorded server was, on a clock that stands still. */
export class Stage {
  readonly clock = new ManualClock('2026-11-22T16:48:54Z');
  readonly world: ColonyWorld;

  constructor(options: FakeColonyOptions = {}) {
    this.world = createColonyWorld({
      clock: this.clock,
      ownerId: idOf('colony-owner'),
      users: [{ id: idOf('user'), name: 'myuser' }],
      ...options,
    });
  }

  /** Sends what a role says, signed with its key; returns the payload of a good answer. */
  async send(role: string, type: string, message: JsonMap): Promise<unknown> {
    const answer = await this.world.handle(bodyOfMessage(role, type, message));
    const envelope = JSON.parse(answer.body);
    const payload = Buffer.from(envelope.payload, 'base64').toString();
    assert.equal(envelope.error, false, `${type}: ${payload}`);
    return JSON.parse(payload);
  }

  /**
   * Sends a recorded request and holds the answer to the recorded one: status, content type, envelope and the text of the
   * payload, where ids, times and nanoseconds are taken out. `id` replaces the one the message is about, which
   * differs from run to run; `meanwhile` runs while the call is under way. Returns the id of the answer's process.
   */
  async replay(
    name: string,
    options: { id?: string; meanwhile?: () => void | Promise<void> } = {},
  ): Promise<string> {
    const one = recording(name);
    replayed.add(name);
    const pending = this.world.handle(bodyOf(one, options.id));
    await options.meanwhile?.();
    const answer = await pending;
    compare(one, answer);
    return /"processid": ?"([0-9a-f]{64})"/.exec(textOf(answer.body))?.[1] ?? '';
  }

  /** Recorded requests one after another, in the state as it is. */
  async replayAll(...names: string[]): Promise<void> {
    for (const name of names) await this.replay(name);
  }

  /** Recorded requests that are about one process, attribute or function. */
  async replayAbout(id: string, ...names: string[]): Promise<void> {
    for (const name of names) await this.replay(name, { id });
  }

  /** Registers an executor of a role, approved. */
  approved(role: string, name: string, location = 'barn'): void {
    this.world.addExecutor({ id: idOf(role), name, type: 'docker-reconciler', location });
    this.world.approve(name);
  }
}

/** What a role sends to say a message. */
export function bodyOfMessage(role: string, type: string, message: JsonMap): string {
  return signed(role, type, JSON.stringify({ ...message, msgtype: type }));
}

function signed(role: string, type: string, text: string): string {
  const payload = Buffer.from(text).toString('base64');
  const key = KEYS[role]?.prvkey ?? assert.fail(`no key ${role}`);
  return JSON.stringify({ payloadtype: type, payload, signature: signText(payload, key) });
}

/** The recorded body, byte by byte unless an id is replaced. */
function bodyOf(one: Recording, id: string | undefined): string {
  if (id === undefined) return one.request.body;
  const sent = JSON.parse(one.request.body);
  const message = JSON.parse(Buffer.from(sent.payload, 'base64').toString());
  const old = message.processid || message.attribute?.targetid || message.attributeid || message.functionid;
  assert.equal(typeof old, 'string', `${one.name} is about nothing that has an id`);
  const text = Buffer.from(sent.payload, 'base64').toString().replace(old, id);
  return signed(one.signer ?? '', sent.payloadtype, text);
}

export function compare(one: Recording, answer: Answer): void {
  assert.equal(answer.status, one.response.status, one.name);
  assert.equal(answer.headers['content-type'], one.response.headers['content-type'], one.name);
  assert.equal(comparable(answer.body), comparable(one.response.body), one.name);
}

/** An answer with its payloads opened, and what differs from run to run taken out. */
function comparable(body: string): string {
  const known = new Set(Object.values(KEYS).map((key) => key.id));
  return inOrder(textOf(body))
    .replace(/"[0-9a-f]{64}"/g, (id) => (known.has(id.slice(1, -1)) ? id : '"<id>"'))
    .replace(/<[0-9a-f]{64}>/g, (id) => (known.has(id.slice(1, -1)) ? id : '<id>'))
    .replace(/"(?!0001)\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"<time>"')
    .replace(/\b\d{19}\b/g, '<ns>');
}

/** Every envelope with its payload as text in place. */
function textOf(body: string): string {
  return body.replace(
    /"payload":"([A-Za-z0-9+/=]*)"/g,
    (_all, payload: string) => `"payload":${Buffer.from(payload, 'base64').toString()}`,
  );
}

/** Lists of executors come in the order in which the database last wrote them; here that of their names will do. */
function inOrder(text: string): string {
  if (!text.startsWith('{"payloadtype":"getexecutorsmsg"')) return text;
  const answer = JSON.parse(text);
  if (!Array.isArray(answer.payload)) return text;
  answer.payload.sort((a: JsonMap, b: JsonMap) => (String(a.executorname) < String(b.executorname) ? -1 : 1));
  return JSON.stringify(answer);
}
