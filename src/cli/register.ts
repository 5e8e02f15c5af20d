import { errorCode, errorText } from '../base/errors.ts';
import { printable } from '../base/text.ts';
import type { Call } from './call.ts';
import { type ColonySettings, requireColony } from './colony-settings.ts';
import { EXIT, painterFor, writeJson } from './io.ts';
import { type OwnKey, ownKey } from './own-key.ts';
import { ownerSteps } from './owner-words.ts';
import { registerAsOwner } from './register-owner.ts';
import { type Outcome, timeoutOf, waitForApproval } from './register-wait.ts';
import { beHeard, checkKey, differences, standingOf, withClient } from './registration.ts';

/**
 * `colonies-edge register [--wait] [--owner-key-file F]`: 0 when the colony has approved this node, 3 when it has not
 * yet, 1 when it cannot. Makes the key at the first call; every further call goes on where the last one ended.
 */
export async function register(call: Call): Promise<number> {
  const config = await call.config();
  const { io } = call;
  const settings = requireColony(config, io.env);
  const timeoutMs = timeoutOf(call);
  // A key that was named and is missing is told before anything is made.
  const owner = await settings.keys.owner();
  const own = await ownKey(config, io.env);
  const view = { call, settings, own };
  if (!call.json) writeHead(view);
  if (owner !== undefined) return end(view, await registerAsOwner(settings, own, owner, io));
  const first = await look(view);
  if (first.state === 'approved') return end(view, first);
  if (!call.json) writeSteps(view, first);
  if (!call.has('wait')) return end(view, first);
  return end(view, await waitForApproval({ settings, own, io, timeoutMs, say: (line) => say(call, line) }));
}

interface View {
  call: Call;
  settings: ColonySettings;
  own: OwnKey;
}

/** A server that cannot be reached is no reason to keep the owner's commands back. */
async function look({ call, settings, own }: View): Promise<Outcome> {
  const { io } = call;
  try {
    return await withClient(settings, own.key, io, async (client) => {
      const standing = await standingOf(client, { ...settings, id: own.id }, io.signal);
      checkKey(settings, own, standing);
      if (standing.state !== 'approved') return { state: standing.state };
      // The approval may be new, and lasts only for one that is heard.
      await beHeard(client, settings.colony, io.signal);
      return { state: 'approved', notes: differences(settings, standing) };
    });
  } catch (error) {
    const code = errorCode(error);
    if (io.signal.aborted || !code.startsWith('COLONY_')) throw error;
    return { state: 'unreachable', code, error: errorText(error) };
  }
}

function say(call: Call, line: string): void {
  const output = call.json ? call.io.err : call.io.out;
  output.write(`${printable(line)}\n`);
}

function writeHead({ call, settings, own }: View): void {
  const { source } = own;
  const where = source.from === 'environment' ? `environment: ${source.where}` : source.where;
  const { executorName, executorType, location, colony, server } = settings;
  say(call, `id        ${own.id}`);
  say(call, `key       ${own.made ? 'made in' : 'is in'} ${where}`);
  if (own.exposed !== undefined) say(call, `warning   ${own.exposed}`);
  say(call, `executor  ${executorName}, type ${executorType}, location ${location}`);
  say(call, `colony    ${colony} at ${server}`);
}

function writeSteps({ call, settings, own }: View, now: Outcome): void {
  const isThere = ['pending', 'rejected', 'unregistered'].includes(now.state);
  const steps = ownerSteps(settings, own.id, isThere);
  say(call, '');
  say(call, "For the colony's owner, with COLONIES_COLONY_PRVKEY and COLONIES_SERVER_* set:");
  for (const command of steps.commands) say(call, `  ${command}`);
  say(call, '');
  say(call, "or as messages, signed with the owner's key:");
  for (const { payload } of steps.calls) say(call, `  ${JSON.stringify(payload)}`);
  say(call, '');
}

const WORDS: Readonly<Record<Outcome['state'], string>> = {
  approved: 'approved: the agent can start',
  pending: 'waits for the approval of the owner',
  rejected: 'was rejected; the owner may still approve it',
  unregistered: 'was unregistered after a silence; the owner must approve it again',
  unknown: 'the colony does not know this key yet',
  unreachable: 'the server cannot be asked',
};

function end({ call, settings, own }: View, outcome: Outcome): number {
  const { out, env } = call.io;
  if (call.json) {
    const isThere = ['pending', 'rejected', 'unregistered'].includes(outcome.state);
    const { server, colony, executorName, executorType, location } = settings;
    writeJson(out, {
      ...{ id: own.id, made: own.made, key: own.source, server, colony },
      ...{ executorName, executorType, location, ...outcome },
      ...(outcome.state === 'approved' ? {} : { owner: ownerSteps(settings, own.id, isThere) }),
    });
  } else {
    const style = outcome.state === 'approved' ? 'green' : 'yellow';
    const why = outcome.error === undefined ? '' : `: ${outcome.error}`;
    out.write(`${painterFor(out, env)(style, `state     ${WORDS[outcome.state]}`)}${printable(why)}\n`);
    for (const note of outcome.notes ?? []) out.write(`note      ${printable(note)}\n`);
  }
  return outcome.state === 'approved' ? EXIT.ok : EXIT.notConverged;
}
