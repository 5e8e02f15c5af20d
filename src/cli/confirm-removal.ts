import { printable } from '../base/text.ts';
import { createAgentClient } from '../local/client.ts';
import type { Call } from './call.ts';
import { EXIT, writeJson } from './io.ts';

/** `colonies-edge confirm-removal`: prints what will be removed; 0 also when nothing waits for it. */
export async function confirmRemoval(call: Call): Promise<number> {
  const config = await call.config();
  const { out, signal } = call.io;
  const names = await createAgentClient(config.socket).confirmRemoval({ signal });
  if (call.json) writeJson(out, { names });
  else if (names.length === 0) out.write('nothing waits for a confirmation\n');
  else {
    out.write('these will be removed, unless the server has them when it is asked again:\n');
    for (const name of names) out.write(`  ${printable(name)}\n`);
  }
  return EXIT.ok;
}
