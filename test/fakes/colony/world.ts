import { Faults } from './faults.ts';
import { BadMessage, Fields, type Handler } from './handler.ts';
import { Operator } from './operator.ts';
import { createParts, HANDLERS } from './parts.ts';
import { type Answer, goodBody, linkBroken, NoWords, Refusal, refusalBody } from './reply.ts';
import { isNull, Opener, type Request } from './request.ts';
import type { Settings } from './state.ts';
import type { Timers } from './timers.ts';
import { type Count, Traffic } from './traffic.ts';

/** What is done with a request, before it is known how that is written. */
interface Result {
  status: number;
  body: string;
}

/**
 * A ColonyOS server in memory that behaves as the recorded one: `handle` is all of its HTTP endpoint, the rest is for
 * whoever runs the colony.
 */
export class ColonyWorld extends Operator {
  readonly faults = new Faults();
  readonly traffic: Traffic;
  /** Behaves as a cluster's node that is not the leader: assign calls are passed on and always answered with 200. */
  isFollower = false;
  readonly #settings: Settings;
  readonly #timers: Timers;
  readonly #opener = new Opener();
  /** One for each call under way; listeners on one signal for all would be searched one by one. */
  readonly #calls = new Set<AbortController>();
  #isUp = true;

  constructor(settings: Settings) {
    const { parts, timers } = createParts(settings);
    super(parts);
    this.#settings = settings;
    this.#timers = timers;
    this.traffic = new Traffic(settings.keepEnded);
    timers.start();
  }

  /** Nothing is answered any more, calls under way break, and nothing happens by itself; the data stay. */
  stop(): void {
    this.#isUp = false;
    this.#timers.stop();
    for (const call of this.#calls) call.abort(linkBroken('ECONNRESET'));
  }

  start(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#timers.start();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Requests and bytes of one type of message, or of all. */
  count(type?: string): Count {
    return this.traffic.count(type);
  }

  countRequests(type?: string): number {
    return this.traffic.count(type).requests;
  }

  /**
   * Answers the body of one `POST /api`. Rejects with the signal's reason when the caller goes (who then gets nothing
   * assigned), with `ECONNRESET` when the answer gets lost, with `ECONNREFUSED` while stopped. A link that knows who
   * sends through it may vouch for the caller's id: recovering it from a signature takes milliseconds.
   */
  async handle(requestBody: string, signal?: AbortSignal, vouchedId?: string): Promise<Answer> {
    if (!this.#isUp) throw linkBroken('ECONNREFUSED');
    const call = new AbortController();
    const onAbort = () => call.abort(signal?.reason);
    this.#calls.add(call);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#answer(requestBody, call.signal, vouchedId);
    } finally {
      this.#calls.delete(call);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #answer(requestBody: string, signal: AbortSignal, vouchedId?: string): Promise<Answer> {
    const bytesIn = Buffer.byteLength(requestBody);
    const opened = this.#open(requestBody, vouchedId);
    if (!('type' in opened)) {
      this.traffic.asked('', bytesIn);
      return this.#written('', '', opened);
    }
    const { type, callerId } = opened;
    this.traffic.asked(type, bytesIn);
    const result = this.faults.takeAnswer(type) ?? (await this.#forwarded(opened, signal));
    const delayMs = this.faults.delayOf(type);
    if (delayMs > 0) await this.#settings.clock.sleep(delayMs, signal);
    if (!this.faults.takeDrop(type)) return this.#written(type, callerId, result);
    this.traffic.answered({ at: this.now(), type, callerId, status: 0 }, 0);
    throw linkBroken('ECONNRESET');
  }

  #open(requestBody: string, vouchedId: string | undefined): Request | Result {
    try {
      return this.#opener.open(requestBody, (type) => type in HANDLERS, vouchedId);
    } catch (error) {
      return said(error);
    }
  }

  /** A follower passes assign calls on, says 200 to everything, and does not notice that its caller has gone. */
  async #forwarded(request: Request, signal: AbortSignal): Promise<Result> {
    if (!this.isFollower || request.type !== 'assignprocessmsg') return this.#result(request, signal);
    const call = new AbortController();
    this.#calls.add(call);
    try {
      return { ...(await this.#result(request, call.signal)), status: 200 };
    } finally {
      this.#calls.delete(call);
    }
  }

  async #result(request: Request, signal: AbortSignal): Promise<Result> {
    try {
      const payload = await this.#run(request, signal);
      const { indent = false, replyType = request.type } = HANDLERS[request.type] ?? {};
      return { status: 200, body: goodBody(replyType, payload === undefined ? {} : payload, indent) };
    } catch (error) {
      return said(error);
    }
  }

  async #run({ type, callerId, message }: Request, signal: AbortSignal): Promise<unknown> {
    const handler: Handler | undefined = HANDLERS[type];
    // Its payload is not even looked at.
    if (handler === undefined || type === 'getserverinfomsg') return handler?.run(this.parts, NOBODY);
    if (message === undefined) throw new Refusal(400, `Failed to ${handler.what}, invalid JSON`);
    if (isNull(message)) throw new NoWords(500);
    if (message.msgtype !== type)
      throw new Refusal(400, `Failed to ${handler.what}, msg.MsgType does not match payloadType`);
    try {
      return await handler.run(this.parts, { callerId, fields: new Fields(message), signal });
    } catch (error) {
      if (error instanceof BadMessage) throw new Refusal(400, `Failed to ${handler.what}, invalid JSON`);
      throw error;
    }
  }

  #written(type: string, callerId: string, { status, body }: Result): Answer {
    const bytes = Buffer.byteLength(body);
    this.traffic.answered({ at: this.now(), type, callerId, status }, bytes);
    return {
      status,
      headers: {
        ...(body === '' ? {} : { 'content-type': 'text/plain; charset=utf-8' }),
        'content-length': String(bytes),
        date: new Date(this.now()).toUTCString(),
      },
      body,
    };
  }
}

const NOBODY = { callerId: '', fields: new Fields({}), signal: new AbortController().signal };

/** What is written for a refusal; anything else is a mistake of the fake, or the caller's going, and goes on. */
function said(error: unknown): Result {
  if (error instanceof Refusal) return { status: error.status, body: refusalBody(error) };
  if (error instanceof NoWords) return { status: error.status, body: '' };
  throw error;
}
