import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import type { Action } from '../model/action.ts';
import { isEngineOutage } from '../model/engine-codes.ts';
import type { Engine, HookRunner } from '../model/ports.ts';
import type { HookResult, HookSpec } from '../model/update.ts';

/** Last lines of a hook's output that are shown, and most letters of them. */
const LINES_SHOWN = 5;
const MOST_SHOWN = 500;

/**
 * Runs a hook to its end. Throws `HOOK_FAILED` for one that fails, is not there or does not end in time, with its exit code and
 * last words; an outage of the engine is thrown as it is.
 */
export async function runHook(
  { engine, hooks }: { engine: Engine; hooks: HookRunner | undefined },
  action: Action & { kind: 'runHook' },
  signal: AbortSignal,
): Promise<{ output: string }> {
  const { spec, env, hook } = action;
  const what = `${hook} hook ${nameOf(spec)}`;
  let result: HookResult;
  try {
    const { timeoutMs } = spec;
    if ('exec' in spec) result = await engine.exec(action.id, { command: spec.exec, env, timeoutMs }, signal);
    else if (hooks !== undefined) result = await hooks.run(spec.run, { env, timeoutMs }, signal);
    else throw new EdgeError('there is no hooks directory', { code: 'HOOK_REFUSED', retry: 'transient' });
  } catch (error) {
    const code = errorCode(error);
    if (signal.aborted || isEngineOutage(code)) throw error;
    throw failed(`${what} could not be run: ${errorText(error)}`, error);
  }
  const output = lastWords(result.output);
  const said = output === '' ? '' : `: ${output}`;
  if (result.exitCode === 0) return { output };
  if (result.exitCode !== undefined)
    throw failed(`${what} failed with exit code ${result.exitCode}${said}`, undefined);
  const end = 'exec' in spec ? 'it may still run in the container' : 'it was ended';
  throw failed(`${what} did not end within ${spec.timeoutMs / 1000} s (${end})${said}`, undefined);
}

function nameOf(spec: HookSpec): string {
  return 'exec' in spec ? `(exec ${spec.exec[0] ?? ''})` : `(run ${spec.run})`;
}

function failed(message: string, cause: unknown): EdgeError {
  return new EdgeError(message, { code: 'HOOK_FAILED', retry: 'transient', cause });
}

function lastWords(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(-LINES_SHOWN).join(' | ').slice(-MOST_SHOWN);
}
