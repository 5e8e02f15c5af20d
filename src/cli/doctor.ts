import { silentLogger } from '../base/log.ts';
import { printable, wrap } from '../base/text.ts';
import type { Call } from './call.ts';
import type { Check } from './doctor-check.ts';
import { checkColony } from './doctor-colony.ts';
import { checkEngine } from './doctor-engine.ts';
import { checkFiles, checkSocket } from './doctor-files.ts';
import { checkCgroup, checkClock, checkStateDir } from './doctor-machine.ts';
import { checkRegistries } from './doctor-registries.ts';
import { EXIT, painterFor, writeJson } from './io.ts';

/** `colonies-edge doctor`: every check is made, whatever the others found; 1 when one fails. */
export async function doctor(call: Call): Promise<number> {
  const config = await call.config();
  const { io } = call;
  const checks: Check[] = [
    ...(await checkEngine(config, io)),
    await checkRegistries(config, io),
    await checkCgroup(),
    checkClock(io.clock.now()),
    ...(await checkStateDir(config.stateDir)),
    ...(await checkFiles(config, { env: io.env, log: silentLogger, signal: io.signal, io })),
    ...(await checkColony(config, io)),
    await checkSocket(config.socket, io.signal),
  ];
  const failed = checks.filter(({ state }) => state === 'fail').length;
  if (call.json) writeJson(io.out, { healthy: failed === 0, checks });
  else for (const check of checks) io.out.write(`${checkText(check, call)}\n`);
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

const STYLE = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

function checkText(check: Check, call: Call): string {
  const { out, env } = call.io;
  const paint = painterFor(out, env);
  const head = `${paint(STYLE[check.state], check.state.padEnd(4))}  ${check.name.padEnd(12)}`;
  const columns = Math.max(30, Math.min(out.columns, 120) - 20);
  const [first = '', ...rest] = wrap(printable(check.message), columns);
  const indent = ' '.repeat(20);
  const lines = [`${head}  ${first}`, ...rest.map((line) => indent + line)];
  if (check.advice !== undefined)
    lines.push(...wrap(`-> ${printable(check.advice)}`, columns).map((line) => indent + paint('bold', line)));
  return lines.join('\n');
}
