import { existsSync } from 'node:fs';
import { pad, printable } from '../base/text.ts';
import { describe, exampleFile, optionsMarkdown } from '../config/describe.ts';
import type { Config } from '../config/table.ts';
import type { Call } from './call.ts';
import { EXIT, type Io, painterFor, writeJson } from './io.ts';
import { keySource } from './key-sources.ts';

/** `colonies-edge config [--example | --markdown]`: every value, and where it came from. */
export async function config(call: Call): Promise<number> {
  const { out, env } = call.io;
  if (call.has('example')) out.write(`${exampleFile()}\n`);
  else if (call.has('markdown')) out.write(`${optionsMarkdown()}\n`);
  else {
    const loaded = await call.settings();
    const settings = [...describe(loaded.config, loaded.origins), ...keyRows(loaded.config, env)];
    const paint = painterFor(out, env);
    if (call.json) writeJson(out, settings);
    else
      for (const { flag, value, from, where } of settings) {
        const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
        const origin = from === 'default' ? 'default' : `${from}: ${where}`;
        out.write(`${pad(flag, 18)}${printable(text)}  ${paint('dim', `(${printable(origin)})`)}\n`);
      }
  }
  return EXIT.ok;
}

/** The keys: where they come from, never what they are. */
function keyRows(config: Config, env: Io['env']) {
  return (['executor', 'user', 'owner'] as const).map((role) => {
    const source = keySource(role, config, env);
    const isThere = source !== undefined && (source.from !== 'file' || existsSync(source.where));
    const flag = `${role}-key`;
    if (!isThere) return { flag, key: '', value: 'none', from: 'default', where: '' };
    return { flag, key: '', value: '[redacted]', from: source.from, where: source.where };
  });
}
