import { runRelay } from '../relay/run.ts';
import type { Call } from './call.ts';
import { EXIT, usageError } from './io.ts';

/** `colonies-edge relay FOLDER LISTEN:TO...`: passes connections on until SIGTERM. The agent makes containers that run it. */
export async function relay(call: Call): Promise<number> {
  const [folder = '', ...pairs] = call.args;
  const ports = pairs.map((pair) => {
    const [listen, to] = pair.split(':').map(Number);
    if (!isPort(listen) || !isPort(to))
      throw usageError([`${JSON.stringify(pair)} must be LISTEN:TO, two port numbers`], 'relay');
    return { listen, to };
  });
  await runRelay(folder, ports, call.io.signal);
  return EXIT.ok;
}

function isPort(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0 && value < 65_536;
}
