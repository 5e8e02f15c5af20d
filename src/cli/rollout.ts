import { printable } from '../base/text.ts';
import { createAgentClient } from '../local/client.ts';
import type { RolloutCommand } from '../model/rollout.ts';
import type { Call } from './call.ts';
import { EXIT, writeJson } from './io.ts';

/** `colonies-edge rollback|retry|pause|resume NAME`: prints what came of it; 1 when that was nothing. */
export async function rollout(call: Call, command: RolloutCommand): Promise<number> {
  const config = await call.config();
  const { out, err, signal } = call.io;
  const [name = ''] = call.args;
  const client = createAgentClient(config.socket);
  if (call.has('override-locks')) await client.commandLock({ command: 'override', name }, { signal });
  const answer = await client.commandRollout(command, name, { signal });
  if (call.json) writeJson(out, answer);
  else (answer.ok ? out : err).write(`${printable(answer.text)}\n`);
  return answer.ok ? EXIT.ok : EXIT.failed;
}
