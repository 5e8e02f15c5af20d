import { buildInfo } from '../base/build-info.ts';
import { errorCode } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { printable } from '../base/text.ts';
import type { PlanReport } from '../model/status.ts';
import type { Call } from './call.ts';
import { EXIT, painterFor, writeJson } from './io.ts';

/** `colonies-edge plan [--offline]`: 0 nothing to do, 3 otherwise. Changes nothing, takes no lock. */
export async function plan(call: Call): Promise<number> {
  // Who names a directory asks about that one, whatever the running agent has.
  const isHere = call.has('offline') || call.has('blueprints');
  const report = (isHere ? undefined : await fromAgent(call)) ?? (await fromHere(call));
  if (call.json) writeJson(call.io.out, report);
  else {
    const paint = painterFor(call.io.out, call.io.env);
    for (const line of report.text.split('\n')) {
      const text = printable(line);
      call.io.out.write(`${text.startsWith('hold ') ? paint('yellow', text) : text}\n`);
    }
  }
  return report.converged ? EXIT.ok : EXIT.notConverged;
}

/** undefined when no agent is running. */
async function fromAgent(call: Call): Promise<PlanReport | undefined> {
  const { createAgentClient } = await import('../local/client.ts');
  const config = await call.config();
  try {
    return await createAgentClient(config.socket).plan({ signal: call.io.signal });
  } catch (error) {
    if (errorCode(error) !== 'AGENT_NOT_RUNNING') throw error;
    call.io.err.write('no agent is running: this is what one would do now\n');
    return undefined;
  }
}

async function fromHere(call: Call): Promise<PlanReport> {
  const { openRooms, settingsOf } = await import('./rooms.ts');
  const { planOnce } = await import('../reconcile/plan-once.ts');
  const config = await call.config();
  const rooms = await openRooms(config, { io: call.io, log: silentLogger, access: 'read' });
  try {
    // A file that is wrong is worth an error here, not a plan from the checkpoint.
    await rooms.parts.resolver();
    return await planOnce(
      { ...rooms.parts, log: silentLogger, settings: settingsOf(config, buildInfo.version) },
      call.io.signal,
    );
  } finally {
    await rooms.close();
  }
}
