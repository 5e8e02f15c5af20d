import { pad, printable } from '../base/text.ts';
import { describe, exampleFile, optionsMarkdown } from '../config/describe.ts';
import type { Call } from './call.ts';
import { EXIT, painterFor, writeJson } from './io.ts';

/** `colonies-edge config [--example | --markdown]`: every value, and where it came from. */
export async function config(call: Call): Promise<number> {
  const { out, env } = call.io;
  if (call.has('example')) out.write(`${exampleFile()}\n`);
  else if (call.has('markdown')) out.write(`${optionsMarkdown()}\n`);
  else {
    const loaded = await call.settings();
    const settings = describe(loaded.config, loaded.origins);
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
