import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes durations of a process shorter: its timers and its monotonic clock run `factor` times as fast. */
const FASTER = (factor: number) => `
const { setTimeout: timeout, setInterval: interval } = globalThis;
const begin = performance.now();
const now = performance.now.bind(performance);
performance.now = () => begin + (now() - begin) * ${factor};
const faster = (make) => Object.assign((work, ms, ...args) => make(work, (ms ?? 0) / ${factor}, ...args), make);
globalThis.setTimeout = faster(timeout);
globalThis.setInterval = faster(interval);
`;

/** Makes the wall clock of a process begin at this time, as after a power cut without a battery. */
const WALL = (epochMs: number) => `
const Real = Date;
const offset = ${epochMs} - Real.now();
const now = () => Real.now() + offset;
globalThis.Date = class Date extends Real {
  constructor(...args) {
    if (args.length === 0) super(now());
    else super(...args);
  }
  static now() {
    return now();
  }
};
`;

/** At SIGUSR2 a process collects its garbage and writes the bytes that are left into this file. */
const HEAP = (path: string) => `
const { renameSync, writeFileSync } = require('node:fs');
require('node:v8').setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
process.on('SIGUSR2', () => {
  collect();
  writeFileSync(${JSON.stringify(`${path}.tmp`)}, String(process.memoryUsage().heapUsed));
  renameSync(${JSON.stringify(`${path}.tmp`)}, ${JSON.stringify(path)});
});
`;

/** Where a process that lives in another time writes how much memory it really needs. */
export const heapFile = (folder: string) => join(folder, 'heap');

/**
 * NODE_OPTIONS for a program that lives faster or at another time; `folder` gets the file that does it. The program is the
 * built one all the same.
 */
export function otherTime(folder: string, { factor, wallMs }: { factor?: number; wallMs?: number }): string {
  const path = join(folder, `time-${factor ?? 1}-${wallMs ?? 'now'}.cjs`);
  const code = [
    HEAP(heapFile(folder)),
    factor === undefined ? '' : FASTER(factor),
    wallMs === undefined ? '' : WALL(wallMs),
  ];
  writeFileSync(path, code.map((one) => `{${one}}`).join('\n'));
  return `--require ${path}`;
}
