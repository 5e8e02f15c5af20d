import { EdgeError } from '../base/errors.ts';
import { createAgentClient } from '../local/client.ts';
import type { LinkClass } from '../model/link.ts';
import type { Call } from './call.ts';
import { EXIT, usageError, writeJson } from './io.ts';

/** `colonies-edge link-class [normal|metered]`: asks the running agent, which has to have a server. */
export async function linkClass(call: Call): Promise<number> {
  const [wanted] = call.args;
  if (wanted !== undefined && wanted !== 'normal' && wanted !== 'metered')
    throw usageError(
      [`the link class must be normal or metered, got ${JSON.stringify(wanted)}`],
      'link-class',
    );
  const { socket } = await call.config();
  const { out, signal } = call.io;
  const agent = createAgentClient(socket);
  const present = await ask();
  if (wanted !== undefined) await agent.setLinkClass(wanted, { signal });
  if (call.json) writeJson(out, { linkClass: wanted ?? present });
  else out.write(`${wanted ?? present}\n`);
  return EXIT.ok;

  async function ask(): Promise<LinkClass> {
    const { server } = await agent.status({ signal });
    if (server !== undefined) return server.linkClass;
    throw new EdgeError('no server is configured, so there is no link', {
      code: 'NO_SERVER',
      retry: 'permanent',
    });
  }
}
