import type { Config } from '../config/table.ts';
import { createRegistryAuth } from '../docker/registry-auth.ts';
import type { Check } from './doctor-check.ts';
import type { Io } from './io.ts';

/** Which registries have credentials, from where, and what is wrong with them. No registry and no helper is asked. */
export async function checkRegistries(config: Config, io: Pick<Io, 'env' | 'clock'>): Promise<Check> {
  const { registries: folder, dockerConfig } = config;
  const sources = createRegistryAuth({ folder, dockerConfig, env: io.env, clock: io.clock });
  const { registries, problems, exposed } = await sources.survey();
  const name = 'registries';
  const known = registries.map(({ registry, from }) => `${registry} (${from})`).join(', ');
  const message = known === '' ? 'no credentials: pulls are anonymous' : `credentials for ${known}`;
  const faults = [...problems, ...exposed];
  if (faults.length === 0) return { name, state: 'ok', message };
  const places = [folder, dockerConfig].filter((place) => place !== undefined).join(' and ');
  return {
    name,
    state: 'warn',
    message: `${message}; ${faults.join('; ')}`,
    advice: problems.length > 0 ? `mend the files in ${places}` : 'chmod 0600 the files',
  };
}
