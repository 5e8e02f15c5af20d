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
  #running = new AbortController();

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
    this.#timers.stop();
    this.#running.abort(linkBroken('ECONNRESET'));
  }

  start(): void {
    if (!this.#running.signal.aborted) return;
    this.#running = new AbortController();
    this.#timers.start();
  }

  get isUp(): boolean {
    return !this.#running.signal.aborted;
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
   * assigned), with `ECONNRESET` when the answer gets lost, with `ECONNREFUSED` while stopped.
   */
  async handle(requestBody: string, signal?: AbortSignal): Promise<Answer> {
    if (!this.isUp) throw linkBroken('ECONNREFUSED');
    const call = linked(this.#running.signal, signal);
    try {
      return await this.#answer(requestBody, call.signal);
    } finally {
      call.unlink();
    }
  }

  async #answer(requestBody: string, signal: AbortSignal): Promise<Answer> {
    const bytesIn = Buffer.byteLength(requestBody);
    const opened = this.#open(requestBody);
    if (!('type' in opened)) {
      this.traffic.asked('', bytesIn);
      return this.#written('', '', opened);
    }
    const { type, callerId } = opened;
    this.traffic.asked(type, bytesIn);
    const result = this.faults.takeAnswer(type) ?? (await this.#result(opened, signal));
    const delayMs = this.faults.delayOf(type);
    if (delayMs > 0) await this.#settings.clock.sleep(delayMs, signal);
    if (!this.faults.takeDrop(type)) return this.#written(type, callerId, result);
    this.traffic.answered({ at: this.now(), type, callerId, status: 0 }, 0);
    throw linkBroken('ECONNRESET');
  }

  #open(requestBody: string): Request | Result {
    try {
      return this.#opener.open(requestBody, (type) => type in HANDLERS);
    } catch (error) {
      return said(error);
    }
  }

  async #result(request: Request, signal: AbortSignal): Promise<Result> {
    const isForwarded = this.isFollower && request.type === 'assignprocessmsg';
    try {
      // The node that passes the call on does not notice that its caller has gone.
      const payload = await this.#run(request, isForwarded ? this.#running.signal : signal);
      const { indent = false, replyType = request.type } = HANDLERS[request.type] ?? {};
      return { status: 200, body: goodBody(replyType, payload ?? (payload === null ? null : {}), indent) };
    } catch (error) {
      const result = said(error);
      return isForwarded ? { ...result, status: 200 } : result;
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

/** A signal that follows both others until it is unlinked; `AbortSignal.any` keeps what it is made of for too long. */
function linked(one: AbortSignal, other: AbortSignal | undefined): { signal: AbortSignal; unlink(): void } {
  const controller = new AbortController();
  const sources = other === undefined ? [one] : [one, other];
  const onAborts = sources.map((source) => {
    const onAbort = () => controller.abort(source.reason);
    if (source.aborted) onAbort();
    else source.addEventListener('abort', onAbort, { once: true });
    return { source, onAbort };
  });
  return {
    signal: controller.signal,
    unlink() {
      for (const { source, onAbort } of onAborts) source.removeEventListener('abort', onAbort);
    },
  };
}
