import { errorCode, errorText } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { silentLogger } from '../base/log.ts';
import type { Config } from '../config/table.ts';
import { openDirectory } from '../directory/directory.ts';
import { createAgentClient } from '../local/client.ts';
import type { Check } from './doctor-check.ts';
import type { Io } from './io.ts';
import { createResolver } from './resolver.ts';

interface FileParts {
  env: Io['env'];
  log: Logger;
  signal: AbortSignal;
  io: Pick<Io, 'clock' | 'random'>;
}

/** Do policy, overlays and slots parse, and can the blueprints be read? */
export async function checkFiles(config: Config, parts: FileParts): Promise<Check[]> {
  const warnings: string[] = [];
  const log = {
    ...silentLogger,
    warn: (_: string, fields?: object) => warnings.push(JSON.stringify(fields)),
  };
  const only = (keep: Partial<Config>): Config => ({
    ...config,
    policy: undefined,
    overlays: [],
    slots: undefined,
    ...keep,
  });
  const tryOut = async (name: string, shown: string, narrowed: Config): Promise<Check> => {
    const resolverParts = { config: narrowed, env: parts.env, log };
    const resolver = createResolver({
      ...resolverParts,
      storedSlots: async () => [],
      strict: true,
    });
    try {
      await resolver();
    } catch (error) {
      const advice = `mend the file, or give --${name} another one; until then no new blueprint is taken`;
      return { name, state: 'fail', message: errorText(error), advice };
    }
    const [warning] = warnings.splice(0);
    if (warning !== undefined)
      return { name, state: 'warn', message: warning, advice: `chmod 0600 ${shown}` };
    return { name, state: 'ok', message: shown };
  };
  return [
    await tryOut('policy', config.policy ?? 'built-in', only({ policy: config.policy })),
    await tryOut('overlays', config.overlays.join(', ') || 'none', only({ overlays: config.overlays })),
    await tryOut('slots', config.slots ?? 'none', only({ slots: config.slots })),
    await checkBlueprints(config.blueprints, parts),
  ];
}

async function checkBlueprints(path: string | undefined, parts: FileParts): Promise<Check> {
  const name = 'blueprints';
  if (path === undefined) return { name, state: 'ok', message: 'none: only the checkpoint counts' };
  const { clock, random } = parts.io;
  try {
    const listing = await openDirectory({ path, clock, random, log: parts.log }).read(parts.signal);
    const { documents, broken } = listing;
    const text = `${documents.length} documents in ${path}`;
    if (broken.length === 0) return { name, state: 'ok', message: text };
    return {
      name,
      state: 'warn',
      message: `${text}, and ${broken.length} files that cannot be read`,
      advice: `colonies-edge validate ${path}`,
    };
  } catch (error) {
    const advice = `make the directory (mkdir -p ${path}), or set --blueprints`;
    return { name, state: 'fail', message: errorText(error), advice };
  }
}

/** Does an agent answer on its socket, and may we ask it? */
export async function checkSocket(path: string, signal: AbortSignal): Promise<Check> {
  const name = 'agent';
  try {
    const { agent, converged } = await createAgentClient(path).status({ signal, timeoutMs: 5000 });
    const state = converged ? 'converged' : 'not converged';
    return { name, state: 'ok', message: `version ${agent.version} runs (pid ${agent.pid}), ${state}` };
  } catch (error) {
    switch (errorCode(error)) {
      case 'AGENT_NOT_RUNNING':
        return { name, state: 'warn', message: errorText(error), advice: 'systemctl start colonies-edge' };
      case 'AGENT_FORBIDDEN':
        return { name, state: 'fail', message: errorText(error), advice: 'sudo colonies-edge doctor' };
      default:
        return { name, state: 'fail', message: errorText(error), advice: 'journalctl -u colonies-edge' };
    }
  }
}
