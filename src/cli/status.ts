import { EdgeError, errorText } from '../base/errors.ts';
import { closest } from '../base/text.ts';
import { type AgentClient, createAgentClient } from '../local/client.ts';
import type { AgentStatus, BlueprintReport } from '../model/status.ts';
import type { Call } from './call.ts';
import { EXIT, painterFor, writeJson } from './io.ts';
import { renderBlueprint } from './render-blueprint.ts';
import { type Look, renderStatus } from './render-status.ts';

const WATCH_EVERY_MS = 1000;

/** `colonies-edge status [NAME] [--watch]`: 0 converged, 3 not, 1 when no agent answers. */
export async function status(call: Call): Promise<number> {
  const config = await call.config();
  const client = createAgentClient(config.socket);
  return call.has('watch') ? watch(call, client) : once(call, client);
}

async function once(call: Call, client: AgentClient): Promise<number> {
  const answer = await client.status({ signal: call.io.signal });
  const [name] = call.args;
  if (name === undefined) {
    if (call.json) writeJson(call.io.out, answer);
    else call.io.out.write(renderStatus(answer, lookOf(call)));
    return answer.converged ? EXIT.ok : EXIT.notConverged;
  }
  const report = blueprintOf(answer, name);
  if (call.json) writeJson(call.io.out, report);
  else call.io.out.write(renderBlueprint(report, lookOf(call)));
  const settled = report.phase === 'Running' && report.waiting.length === 0 && report.refused === undefined;
  return settled ? EXIT.ok : EXIT.notConverged;
}

/** Until interrupted. An agent that does not answer is shown, and asked again. */
async function watch(call: Call, client: AgentClient): Promise<number> {
  const { io } = call;
  let before = '';
  while (!io.signal.aborted) {
    const text = await client.status({ signal: io.signal }).then(
      (answer) => (call.json ? `${JSON.stringify(pick(call, answer))}\n` : shown(call, answer)),
      (error: unknown) =>
        call.json ? `${JSON.stringify({ error: errorText(error) })}\n` : `${errorText(error)}\n`,
    );
    if (io.signal.aborted) break;
    // Home, the text with each line's old rest erased, and everything below erased: no flicker.
    if (io.out.isTTY) io.out.write(`\u001b[H${text.replaceAll('\n', '\u001b[K\n')}\u001b[J`);
    else if (text !== before) io.out.write(before === '' || call.json ? text : `\n${text}`);
    before = text;
    await io.clock.sleep(WATCH_EVERY_MS, io.signal).catch(() => undefined);
  }
  return EXIT.ok;
}

function shown(call: Call, answer: AgentStatus): string {
  const picked = pick(call, answer);
  if ('blueprints' in picked) return renderStatus(picked, lookOf(call));
  return renderBlueprint(picked, lookOf(call));
}

function pick(call: Call, answer: AgentStatus): AgentStatus | BlueprintReport {
  const [name] = call.args;
  return name === undefined ? answer : blueprintOf(answer, name);
}

function blueprintOf(answer: AgentStatus, name: string): BlueprintReport {
  const report = answer.blueprints.find((each) => each.name === name);
  if (report !== undefined) return report;
  const near = closest(
    name,
    answer.blueprints.map((each) => each.name),
  );
  const hint = near === undefined ? 'colonies-edge status lists all' : `did you mean ${near}?`;
  throw new EdgeError(`there is no blueprint ${JSON.stringify(name)}; ${hint}`, {
    code: 'NO_SUCH_BLUEPRINT',
    retry: 'permanent',
    target: name,
  });
}

function lookOf(call: Call): Look {
  const { out, env, clock } = call.io;
  const columns = Math.max(40, Math.min(out.columns, 120));
  return { columns, nowMs: clock.now(), paint: painterFor(out, env) };
}
