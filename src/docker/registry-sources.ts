import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { errorText } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import { askHelper, helperProgram } from './credential-helper.ts';
import { type DockerConfig, readDockerConfig } from './docker-config.ts';
import {
  type CredentialPlaces,
  type CredentialSurvey,
  type FoundCredentials,
  type RegistryCredentials,
  serverAddress,
} from './registry-auth.ts';
import { type CredentialProblem, readRegistryFolder } from './registry-files.ts';

/** Searches all sources for one registry. Never fails for what is in the files; rejects only when aborted. */
export async function findCredentials(
  places: CredentialPlaces,
  registry: string,
  signal: AbortSignal | undefined,
): Promise<FoundCredentials & { exposed: readonly string[] }> {
  const folder = await readRegistryFolder(places.folder);
  const own = folder.entries.find((entry) => entry.registry === registry);
  const folderProblems = about(registry, folder.problems);
  if (own !== undefined)
    return { credentials: own.credentials, problems: folderProblems, exposed: folder.exposed };
  const config = await readDockerConfig(places.dockerConfig);
  const problems = [...folderProblems, ...about(registry, config.problems)];
  const exposed = [...folder.exposed, ...config.exposed];
  for (const { name, field } of helpersFor(config, registry)) {
    try {
      const credentials = await fromHelper(places, name, field, config, registry, signal);
      if (credentials !== undefined) return { credentials, problems, exposed };
    } catch (error) {
      signal?.throwIfAborted();
      problems.push(`${config.file}: ${field}: ${errorText(error)}`);
    }
  }
  const credentials = config.auths.get(registry)?.credentials;
  return { ...(credentials === undefined ? {} : { credentials }), problems, exposed };
}

/** The helpers that are asked for a registry, the one made for it first; each with its field in the file. */
function helpersFor(config: DockerConfig, registry: string): { name: string; field: string }[] {
  const own = config.credHelpers.get(registry);
  return [
    ...(own === undefined ? [] : [{ name: own.name, field: `credHelpers[${JSON.stringify(own.key)}]` }]),
    ...(config.credsStore === undefined ? [] : [{ name: config.credsStore, field: 'credsStore' }]),
  ];
}

async function fromHelper(
  { env, clock }: CredentialPlaces,
  name: string,
  field: string,
  config: DockerConfig,
  registry: string,
  signal: AbortSignal | undefined,
): Promise<RegistryCredentials | undefined> {
  // A helper knows a registry by the very text with which somebody logged in.
  const address = config.auths.get(registry)?.key ?? serverAddress(registry);
  const answer = await askHelper(name, address, { env, clock, signal });
  if (answer === undefined) return undefined;
  const from = `${helperProgram(name)} (${field} of ${config.file})`;
  return answer.username === '<token>'
    ? { from, identityToken: new Secret(answer.secret) }
    : { from, username: answer.username, password: new Secret(answer.secret) };
}

/** Problems that may be the reason why nothing was found for this registry. */
function about(registry: string, problems: readonly CredentialProblem[]): string[] {
  return problems
    .filter((problem) => problem.registry === undefined || problem.registry === registry)
    .map(({ text }) => text);
}

/** Everything there is, without asking the helpers. */
export async function surveyCredentials(places: CredentialPlaces): Promise<CredentialSurvey> {
  const folder = await readRegistryFolder(places.folder);
  const config = await readDockerConfig(places.dockerConfig);
  const problems = [...folder.problems, ...config.problems].map(({ text }) => text);
  const found = new Map<string, string>();
  const add = (registry: string, from: string) => found.has(registry) || found.set(registry, from);
  for (const { registry, credentials } of folder.entries) add(registry, credentials.from);
  const helpers = new Set<string>();
  for (const [registry, { name }] of config.credHelpers) {
    add(registry, helperProgram(name));
    helpers.add(name);
  }
  for (const [registry, { credentials }] of config.auths)
    if (credentials !== undefined) add(registry, credentials.from);
  if (config.credsStore !== undefined) {
    add('any other', helperProgram(config.credsStore));
    helpers.add(config.credsStore);
  }
  for (const name of helpers)
    if (!(await isProgram(helperProgram(name), places.env.PATH ?? '')))
      problems.push(`${config.file}: there is no program ${helperProgram(name)} in PATH`);
  return {
    registries: [...found].map(([registry, from]) => ({ registry, from })),
    problems,
    exposed: [...folder.exposed, ...config.exposed],
  };
}

async function isProgram(name: string, path: string): Promise<boolean> {
  for (const folder of path.split(delimiter).filter((one) => one !== ''))
    if (
      await access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return true;
  return false;
}
