// What the kernel knows of a process (Linux /proc).
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Clock ticks of /proc/PID/stat per second. */
const TICKS = Number(execFileSync('getconf', ['CLK_TCK']).toString());

/** Seconds of processor time that a process has used so far. @param {number} pid @returns {number} */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Memory in MiB; anonymous is what the kernel cannot take back. @param {number} pid */
export function memory(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (/** @type {string} */ word) =>
    Number(text.match(new RegExp(`^${word}: +(\\d+)`, 'm'))?.[1] ?? 0) / 1024;
  return { rss: mib('Rss'), pss: mib('Pss'), anonymous: mib('Anonymous') };
}

/** Bytes that a process has sent to storage so far. @param {number} pid @returns {number} */
export function writtenBytes(pid) {
  return Number(readFileSync(`/proc/${pid}/io`, 'utf8').match(/^write_bytes: (\d+)/m)?.[1] ?? 0);
}

/** Names, sizes and times of everything in a folder as one text: equal texts, nothing was written. @param {string} folder */
export function folderState(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .map((entry) => {
      const path = join(entry.path, entry.name);
      const { size, mtimeMs, ino } = statSync(path);
      return `${path} ${size} ${mtimeMs} ${ino}`;
    })
    .sort()
    .join('\n');
}
