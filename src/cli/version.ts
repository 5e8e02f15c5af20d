import { buildInfo } from '../base/build-info.ts';
import type { Call } from './call.ts';
import { EXIT, writeJson } from './io.ts';

/** `colonies-edge version`. */
export async function version(call: Call): Promise<number> {
  const target = `${process.platform}-${process.arch}`;
  const facts = { ...buildInfo, target, node: process.versions.node };
  if (call.json) writeJson(call.io.out, facts);
  else {
    const built = facts.buildDate === '' ? '' : `, ${facts.buildDate}`;
    call.io.out.write(
      `colonies-edge ${facts.version} (${facts.commit}${built}) ${target}, Node ${facts.node}\n`,
    );
  }
  return EXIT.ok;
}
