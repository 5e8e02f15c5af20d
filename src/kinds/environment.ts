import { errorCode, errorText } from '../base/errors.ts';
import { normalizePath } from '../base/posix-path.ts';
import type { Fields } from './fields.ts';
import { hostPathRefusal } from './policy.ts';
import { decimalText, jsonText } from './quantity.ts';
import type { Scope } from './scope.ts';

/** The colony owner's key: whoever holds it rules the colony (FIELDS.md 6.2). */
export const OWNER_KEY = 'COLONIES_COLONY_PRVKEY';

/** Whether an owner's key in a container's environment is refused or only warned about. */
type OwnerKeyRule = 'refuse' | 'warn';

/**
 * The variables a blueprint gives: those of `envFile`, overridden by those of `key`. Numbers become plain decimals; with
 * `structured`, objects and lists become JSON text (ExecutorDeployment), otherwise they are errors.
 */
export function readEnvironment(
  fields: Fields,
  key: string,
  scope: Scope,
  rule: { ownerKey: OwnerKeyRule; structured: boolean },
): ReadonlyMap<string, string> {
  const env = new Map<string, string>();
  const put = (name: string, value: string, path: string) => {
    if (name === OWNER_KEY) noteOwnerKey(fields, path, rule.ownerKey);
    env.set(name, value);
  };
  for (const line of readEnvFile(fields, scope)) put(line.name, line.value, fields.at('envFile'));
  for (const { key: name, value, path } of fields.entries(key, 'an object of names and values')) {
    if (name === '' || name.includes('=')) {
      fields.problems.error(path, 'must have a variable name that is not empty and has no "="');
      continue;
    }
    const text = variableText(value, rule.structured);
    if (text === undefined)
      fields.problems.error(path, `must be a string, number or boolean`, { value: shape(value) });
    else put(name, text, path);
  }
  return env;
}

function noteOwnerKey(fields: Fields, path: string, rule: OwnerKeyRule): void {
  if (rule === 'refuse')
    fields.problems.error(
      path,
      `must not set ${OWNER_KEY}: the colony owner's key never goes to an executor, which has a key of its own`,
    );
  else fields.problems.warn(path, `sets ${OWNER_KEY}: whoever reaches this container then owns the colony`);
}

function variableText(value: unknown, structured: boolean): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? decimalText(value) : undefined;
  return structured && typeof value === 'object' && value !== null ? jsonText(value) : undefined;
}

/** What stands in place of a variable, without its content: that may be a secret. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : value;
}

function readEnvFile(fields: Fields, scope: Scope): readonly { name: string; value: string }[] {
  const path = fields.textLike('envFile', /^\//, 'the absolute path of a file on the node');
  if (path === undefined) return [];
  const at = fields.at('envFile');
  const refusal = hostPathRefusal(scope.context.policy, scope.context.protectedPaths, path);
  if (refusal !== undefined) {
    fields.problems.error(at, refusal, { value: path }, 'PolicyRefused');
    return [];
  }
  let content: string;
  try {
    content = scope.context.readFile(normalizePath(path));
  } catch (error) {
    const why = errorCode(error) === 'ENV_FILE_MISSING' ? 'does not exist on this node' : errorText(error);
    fields.problems.error(at, `must be a readable file: ${why}`, { value: path }, 'EnvFileMissing');
    return [];
  }
  return parseEnvFile(content, (line, message) =>
    fields.problems.error(at, `has an error in line ${line}: ${message}`, { value: path }),
  );
}

/**
 * The `NAME=value` lines of an environment file as `docker run --env-file` reads them: `#` starts a comment line, values
 * are taken as they are (no quotes, no expansion). A line without `=` is an error instead of a look into our own
 * environment. Errors name the line, never its content.
 */
export function parseEnvFile(
  content: string,
  onError: (line: number, message: string) => void,
): { name: string; value: string }[] {
  const found: { name: string; value: string }[] = [];
  content
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .forEach((raw, i) => {
      const line = raw.trimStart();
      if (line === '' || line.startsWith('#')) return;
      const equals = line.indexOf('=');
      const name = line.slice(0, Math.max(equals, 0));
      if (equals < 1 || /\s/.test(name)) onError(i + 1, 'must be NAME=value');
      else if (line.includes('\0')) onError(i + 1, 'must not contain a NUL sign');
      else found.push({ name, value: line.slice(equals + 1) });
    });
  return found;
}
