import { EdgeError, errorCode, errorText } from '../base/errors.ts';
import { loadConfig } from '../config/load.ts';
import { parseArgs } from './args.ts';
import type { Call } from './call.ts';
import { configError, EXIT, type Io, painterFor, usageError, writeJson } from './io.ts';

/** Runs one command line (without node and script); resolves to the exit code and never rejects. */
export async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArgs(argv);
  try {
    // Help is given even when something else on the line is wrong.
    if (parsed.help || parsed.command === undefined) {
      if (parsed.problems.length > 0 && !parsed.help) throw usageError(parsed.problems);
      const { showHelp } = await import('./help.ts');
      showHelp({ io: parsed.help ? io : { ...io, out: io.err }, json: parsed.json }, parsed.command);
      return parsed.help ? EXIT.ok : EXIT.usage;
    }
    if (parsed.problems.length > 0) throw usageError(parsed.problems, parsed.command.name);
    const { options } = parsed.command;
    const settings = onceAsked(async () => {
      const flags = Object.fromEntries(parsed.flags);
      // A look at the running agent must not fail for what its environment lacks of the server's settings.
      const usesServer = options === 'all' || options.includes('server');
      const loaded = await loadConfig({ flags, env: io.env, cwd: io.cwd, usesServer });
      if (!loaded.ok) throw configError(loaded.problems);
      return loaded;
    });
    const call: Call = {
      io,
      args: parsed.args,
      json: parsed.json,
      has: (flag) => parsed.flags.has(flag),
      value: (flag) => parsed.flags.get(flag)?.at(-1),
      settings,
      config: async () => (await settings()).config,
    };
    return await parsed.command.run(call);
  } catch (error) {
    return report(error, io, parsed.json);
  }
}

function onceAsked<T>(load: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= load();
    return asked;
  };
}

function report(error: unknown, io: Io, json: boolean): number {
  const code = errorCode(error);
  // Interrupted by the operator, or the reader of a pipe has seen enough.
  if (io.signal.aborted && (code === 'CANCELLED' || code === 'ABORT_ERR' || error === io.signal.reason))
    return EXIT.ok;
  if (json) writeJson(io.out, { error: { code, message: errorText(error) } });
  else {
    const text = error instanceof EdgeError ? error.message : `unexpected: ${errorText(error)}`;
    io.err.write(`${painterFor(io.err, io.env)('red', 'colonies-edge:')} ${text}\n`);
  }
  if (code === 'USAGE') return EXIT.usage;
  return code === 'CONFIG_INVALID' ? EXIT.config : EXIT.failed;
}
