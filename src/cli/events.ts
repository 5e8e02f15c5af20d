import { pad, printable } from '../base/text.ts';
import { createAgentClient } from '../local/client.ts';
import type { AgentEvent } from '../model/status.ts';
import type { Call } from './call.ts';
import { EXIT, type Painter, painterFor, usageError } from './io.ts';

/** `colonies-edge events [-f] [-n N]`: newest last. JSON is one object a line. */
export async function events(call: Call): Promise<number> {
  const count = call.value('number');
  if (count !== undefined && !/^\d{1,9}$/.test(count))
    throw usageError([`--number must be a whole number, got ${JSON.stringify(count)}`], 'events');
  const config = await call.config();
  const { out, env, signal } = call.io;
  const client = createAgentClient(config.socket);
  const paint = painterFor(out, env);
  const show = (event: AgentEvent) =>
    out.write(call.json ? `${JSON.stringify(event)}\n` : `${eventText(event, paint)}\n`);

  const kept: AgentEvent[] = [];
  for await (const line of client.events(0, { signal, follow: false }))
    if ('event' in line) kept.push(line.event);
  const first = count === undefined ? 0 : Math.max(0, kept.length - Number(count));
  for (const event of kept.slice(first)) show(event);
  if (!call.has('follow')) return EXIT.ok;
  for await (const line of client.events(kept.at(-1)?.seq ?? 0, { signal, follow: true })) {
    if ('event' in line) show(line.event);
    else out.write(call.json ? `${JSON.stringify(line)}\n` : `... ${line.dropped} events were lost here\n`);
  }
  return EXIT.ok;
}

/** `2026-01-02T03:04:05.678Z container started c1-database: container is not running (exited 137)` */
export function eventText(event: AgentEvent, paint: Painter): string {
  const style = event.level === 'error' ? 'red' : event.level === 'warn' ? 'yellow' : 'green';
  const subject = event.container ?? event.blueprint ?? '';
  const details = [event.cause, event.reason, event.detail].filter((part) => part !== undefined);
  const head = [
    paint('dim', printable(event.time)),
    paint(style, pad(printable(event.message), 22)),
    printable(subject),
  ];
  return `${head.join(' ').trimEnd()}${details.length === 0 ? '' : `: ${printable(details.join(', '))}`}`;
}
