import { printable } from '../base/text.ts';
import { createAgentClient } from '../local/client.ts';
import { bytesText, type GcReport } from '../model/disk.ts';
import type { Call } from './call.ts';
import { EXIT, writeJson } from './io.ts';
import { diskText } from './render-status.ts';

/** `colonies-edge gc [--dry-run]`: prints what went or would go; 1 when something could not be removed. */
export async function gc(call: Call): Promise<number> {
  const config = await call.config();
  const { out, signal } = call.io;
  const report = await createAgentClient(config.socket).collectGarbage(call.has('dry-run'), { signal });
  if (call.json) writeJson(out, report);
  else out.write(`${reportLines(report).map(printable).join('\n')}\n`);
  return report.failed.length === 0 ? EXIT.ok : EXIT.failed;
}

function reportLines(report: GcReport): string[] {
  const { dryRun, disk, startPercent, images, containers, kept, failed } = report;
  const lines: string[] = [];
  const sum = images.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  if (images.length + containers.length === 0) lines.push('there is nothing that may go');
  else {
    const size = images.length === 0 ? '' : `, at most ${bytesText(sum)}`;
    lines.push(`${dryRun ? 'these would go' : 'removed'}${size}:`);
    for (const name of containers) lines.push(`  container ${name}`);
    for (const { name, sizeBytes } of images) lines.push(`  image ${name}, ${bytesText(sizeBytes)}`);
  }
  if (failed.length > 0) lines.push('could not be removed:');
  for (const { name, message } of failed) lines.push(`  ${name}: ${message}`);
  if (dryRun && kept.length > 0) {
    lines.push('these stay:');
    for (const { name, sizeBytes, why } of kept)
      lines.push(`  image ${name}, ${bytesText(sizeBytes)}: ${why}`);
  }
  const rule = startPercent === undefined ? 'unasked nothing goes' : `unasked from ${startPercent}% on`;
  lines.push(disk === undefined ? "the engine's disk cannot be seen" : `disk ${diskText(disk)} (${rule})`);
  return lines;
}
