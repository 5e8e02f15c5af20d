import type { ValueOrigin } from './load.ts';
import { ownEnv } from './option.ts';
import type { Config, OptionName } from './table.ts';
import { EXECUTOR_NAME } from './table-server.ts';

/** What is wrong with settings only because of each other, one line each. */
export function problemsTogether(
  config: Partial<Config>,
  origins: Readonly<Record<OptionName, ValueOrigin>>,
): string[] {
  const problems: string[] = [];
  const { server, colony, executorName, clientCertFile, clientKeyFile } = config;
  if (server !== undefined && colony === '')
    problems.push(
      `${origins.server.name} names a server, and no colony is set: set COLONIES_COLONY_NAME or --colony`,
    );
  if (server !== undefined && executorName !== undefined && !EXECUTOR_NAME.test(executorName))
    problems.push(
      `the node's name ${JSON.stringify(executorName)} cannot be an executor's (it holds ":"): ` +
        'set COLONIES_EXECUTOR_NAME or --executor-name',
    );
  if (clientCertFile !== undefined && clientKeyFile === undefined)
    problems.push(`${origins.clientCertFile.name} needs ${ownEnv('client-key-file')} or --client-key-file`);
  if (clientKeyFile !== undefined && clientCertFile === undefined)
    problems.push(`${origins.clientKeyFile.name} needs ${ownEnv('client-cert-file')} or --client-cert-file`);
  const { gcStartPercent, gcTargetPercent } = config;
  if (gcStartPercent !== undefined && gcTargetPercent !== undefined && gcTargetPercent >= gcStartPercent)
    problems.push(`--gc-target (${gcTargetPercent}) must be below --gc-start (${gcStartPercent})`);
  return problems;
}
