import type { Clock } from '../base/clock.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import { Doorbell, Limiter, within } from '../base/lanes.ts';
import type { ColonyProcess } from '../model/colony.ts';
import type { ForceResult, LinkHost } from '../model/link.ts';
import type { OutboxKeeper } from './outbox.ts';
import type { Connection, LinkSettings, Looks } from './parts.ts';
import { isOurs, isReported, outcome, type ProcessResult, type View } from './rule-process.ts';
import type { Tasks } from './tasks.ts';

/** What is queued comes one by one; so long is waited for more, before one look at all, milliseconds. */
const GATHER_MS = 100;

/** A process is closed after this long, whether the look is over or not, milliseconds. */
const LOOK_WITHIN_MS = 30_000;

/** The same for a forced run, which pulls first: it holds up no schedule, but nothing is held for hours. */
const FORCE_WITHIN_MS = 600_000;

/** How long the agent's report may take to show a new version, milliseconds. */
const REPORT_WITHIN_MS = 1_500;

/** A stalled disk, or a log line on its way, must not keep the work waiting for longer, milliseconds. */
const PATIENCE_MS = 5_000;

/** A process between its assignment and its accepted close. */
export interface Entry {
  process: ColonyProcess;
  /** Counts up: which ones came before a list was asked for. */
  order: number;
  /** Something is being done for it. */
  isBusy: boolean;
  /** A schedule's, which is closed later. */
  isHeld?: boolean;
  /** Set: all is done but telling the server. */
  result?: ProcessResult;
}

interface HandlingParts {
  clock: Clock;
  settings: LinkSettings;
  connection: Connection;
  outbox: OutboxKeeper;
  looks: Looks;
  tasks: Tasks;
  host: LinkHost;
  signal: AbortSignal;
  close(entry: Entry, result: ProcessResult): void;
}

/** Does what processes ask for, each written down before, and closed early. One look at a time: what comes meanwhile is
 *  the next one, so that twenty updates of a night are two looks. */
export class Handling {
  readonly #parts: HandlingParts;
  readonly #bell: Doorbell;
  readonly #toLookAt = new Set<Entry>();
  readonly #forcing = new Map<string, Promise<ForceResult>>();
  readonly #narrow = new Limiter(4);

  constructor(parts: HandlingParts) {
    this.#parts = parts;
    this.#bell = new Doorbell(parts.clock);
  }

  look(entry: Entry): void {
    this.#toLookAt.add(entry);
    this.#bell.ring();
  }

  /** Looks as long as there is something to look at, until aborted. */
  async run(): Promise<void> {
    const { clock, signal } = this.#parts;
    while (!signal.aborted) {
      await this.#bell.wait(PATIENCE_MS * 1000, signal);
      if (this.#toLookAt.size === 0) continue;
      await clock.sleep(GATHER_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      const batch = [...this.#toLookAt];
      this.#toLookAt.clear();
      await this.#lookFor(batch);
    }
  }

  async #lookFor(batch: readonly Entry[]): Promise<void> {
    const { looks, signal, settings, close } = this.#parts;
    await this.#note(batch);
    const isAll = batch.some(({ process }) => process.blueprintName === '');
    const names = isAll ? [] : [...new Set(batch.map(({ process }) => process.blueprintName))];
    const logged = batch.map((entry) =>
      this.#log(entry, `taken by ${settings.executorName}: ${words(entry.process)}`),
    );
    const isRead = await this.#inTime(LOOK_WITHIN_MS, looks.lookNow(names, signal));
    if (signal.aborted) return;
    if (isRead) await this.#reported(names);
    // A log line after the close would be refused.
    await within(this.#parts.clock, PATIENCE_MS, Promise.all(logged));
    for (const entry of batch) close(entry, isRead ? this.#outcome(entry) : GOES_ON);
  }

  #outcome({ process: { blueprintName } }: Entry): ProcessResult {
    return blueprintName === ''
      ? { ok: true, texts: ['accepted: all blueprints were read'] }
      : outcome(blueprintName, this.#view());
  }

  /** Pulls anew, then recreates; two forced runs of one blueprint at a time are one. */
  force(entry: Entry): void {
    const { signal, settings, looks, close, tasks } = this.#parts;
    const name = entry.process.blueprintName;
    tasks.start(signal, async () => {
      await this.#note([entry]);
      await this.#log(entry, `taken by ${settings.executorName}: forced run of ${name}`);
      const isRead = await this.#inTime(LOOK_WITHIN_MS, looks.lookNow([name], signal));
      if (signal.aborted) return;
      if (isRead && !isOurs(name, this.#view())) {
        close(entry, outcome(name, this.#view()));
        return;
      }
      await this.#log(entry, 'its images are pulled, then its containers are replaced');
      const result = await within(this.#parts.clock, FORCE_WITHIN_MS, this.#forceOnce(name));
      if (!signal.aborted)
        close(entry, result === undefined ? PULLS_ON : { ok: result.ok, texts: [result.text] });
    });
  }

  #forceOnce(name: string): Promise<ForceResult> {
    const { host, signal } = this.#parts;
    const under = this.#forcing.get(name);
    if (under !== undefined) return under;
    const begun = host
      .force(name, signal)
      .catch((error): ForceResult => {
        if (!(error instanceof EdgeError)) throw error;
        return { ok: false, text: errorText(error) };
      })
      .finally(() => this.#forcing.delete(name));
    this.#forcing.set(name, begun);
    return begun;
  }

  /** Open until it is decided what it means: it is no schedule's, and only it tells a removal from an empty database. */
  cleanup(entry: Entry): void {
    const { signal, settings, looks, close, tasks } = this.#parts;
    const name = entry.process.blueprintName;
    tasks.start(signal, () =>
      this.#narrow.run(signal, async () => {
        await this.#note([entry]);
        await this.#log(entry, `taken by ${settings.executorName}: is ${name} gone?`);
        const text = await looks.cleanup(name, signal);
        close(entry, { ok: true, texts: [text] });
      }),
    );
  }

  /** Written down before anything is done. */
  async #note(entries: readonly Entry[]): Promise<void> {
    const { outbox, clock } = this.#parts;
    await within(clock, PATIENCE_MS, outbox.note(entries.map(({ process }) => process)));
  }

  /** A line in the process's log, if it can be had. */
  async #log(entry: Entry, message: string): Promise<void> {
    const { connection, signal } = this.#parts;
    if (connection.state !== 'Connected') return;
    try {
      await connection.call((colony, inner) => colony.logProcess(entry.process.id, message, inner), signal);
    } catch (error) {
      if (!(error instanceof EdgeError) && !signal.aborted) throw error;
    }
  }

  /** Whether the work was done in time; it goes on in any case. */
  async #inTime(ms: number, work: Promise<void>): Promise<boolean> {
    const { signal, clock } = this.#parts;
    const done = work.then(
      () => true,
      (error) => {
        if (!signal.aborted && !(error instanceof EdgeError)) throw error;
        return false;
      },
    );
    return (await within(clock, ms, done)) === true;
  }

  /** Waits a moment for the agent's look at what was taken over, so that there is something to say. */
  async #reported(names: readonly string[]): Promise<void> {
    const { host, clock } = this.#parts;
    const isThere = () => names.every((name) => isReported(name, this.#view()));
    if (isThere()) return;
    let stop: () => void = () => undefined;
    const there = new Promise<void>((resolve) => {
      stop = host.onReports(() => isThere() && resolve());
    });
    await within(clock, REPORT_WITHIN_MS, there);
    stop();
  }

  #view(): View {
    const { host } = this.#parts;
    return { desired: host.desired(), reports: host.reports(), elsewhere: host.elsewhere() };
  }
}

const GOES_ON: ProcessResult = {
  ok: true,
  texts: ['accepted: the blueprints cannot be read now, the look goes on'],
};

const PULLS_ON: ProcessResult = {
  ok: true,
  texts: ["accepted: the images are still being pulled; the result comes with the blueprint's status"],
};

function words({ blueprintName, kind }: ColonyProcess): string {
  return blueprintName === '' ? `reading all of kind ${kind}` : `reading ${blueprintName}`;
}
