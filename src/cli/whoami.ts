import { isoTime } from '../base/clock.ts';
import { errorCode, errorText } from '../base/errors.ts';
import { printable } from '../base/text.ts';
import type { Call } from './call.ts';
import { requireColony } from './colony-settings.ts';
import { EXIT, painterFor, writeJson } from './io.ts';
import { standing } from './known-key.ts';
import { differences, type Standing } from './registration.ts';

const WORDS = {
  approved: 'approved',
  pending: 'pending: waits for the approval of the owner',
  rejected: 'rejected by the owner',
  unregistered: 'unregistered after a silence: the owner must approve it again',
  unknown: 'unknown: run colonies-edge register',
} as const;

/** `colonies-edge whoami`: who this node is, and what the server makes of it; 0 approved, 3 not, 1 when it cannot be asked. */
export async function whoami(call: Call): Promise<number> {
  const { io } = call;
  const settings = requireColony(await call.config(), io.env);
  const own = await settings.keys.executor();
  const { server, colony, executorName, executorType, location } = settings;
  const local = { id: own.id, key: own.source, server, colony, executorName, executorType, location };
  let seen: Standing | { state: 'unreachable'; code: string; error: string };
  try {
    seen = await standing(settings, own, io);
  } catch (error) {
    if (io.signal.aborted) throw error;
    seen = { state: 'unreachable', code: errorCode(error), error: errorText(error) };
  }
  const record = 'executor' in seen ? seen.executor : undefined;
  const heardAt = record?.lastheardfromtime;
  const lastHeard = heardAt === undefined ? undefined : isoTime(heardAt);
  const notes = seen.state === 'unreachable' ? [] : notesOf(settings, seen);
  if (call.json)
    writeJson(io.out, {
      ...local,
      state: seen.state,
      ...(seen.state === 'unreachable' ? { code: seen.code, error: seen.error } : {}),
      ...(lastHeard === undefined ? {} : { lastHeard }),
      notes,
    });
  else {
    const state = seen.state === 'unreachable' ? `cannot be asked: ${seen.error}` : WORDS[seen.state];
    const rows: [string, string][] = [
      ['id', own.id],
      ['key', own.source.from === 'environment' ? `environment: ${own.source.where}` : own.source.where],
      ['executor', `${executorName}, type ${executorType}, location ${location}`],
      ['colony', `${colony} at ${server}`],
      ['heard', lastHeard ?? 'never'],
      ['state', state],
      ...notes.map((note): [string, string] => ['note', note]),
    ];
    const paint = painterFor(io.out, io.env);
    for (const [name, text] of rows) {
      const style = name !== 'state' ? undefined : seen.state === 'approved' ? 'green' : 'yellow';
      const shown = printable(text);
      io.out.write(`${name.padEnd(10)}${style === undefined ? shown : paint(style, shown)}\n`);
    }
  }
  if (seen.state === 'unreachable') return EXIT.failed;
  return seen.state === 'approved' ? EXIT.ok : EXIT.notConverged;
}

function notesOf(settings: Parameters<typeof differences>[0], seen: Standing): readonly string[] {
  if (seen.state === 'unknown')
    return seen.isMember ? ["the key is a user's; an executor needs one of its own"] : [];
  const { executorname } = seen.executor;
  const renamed =
    executorname === settings.executorName ? [] : [`the colony has this key under the name ${executorname}`];
  return [...renamed, ...differences(settings, seen)];
}
