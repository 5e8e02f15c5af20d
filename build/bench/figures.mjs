// Figures as people read them and as programs do.
import { bold, green, red } from '../lib/project.mjs';

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {string} unit
 * @property {number[]} values one for each run
 * @property {{ text: string, met: boolean }} [target]
 */

/** The value below which a part of all values lies (nearest rank); NaN of nothing. @param {readonly number[]} values @param {number} part */
export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** @param {readonly number[]} values */
export function summary(values) {
  return {
    runs: values.length,
    min: Math.min(...values),
    median: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    max: Math.max(...values),
  };
}

const short = (/** @type {number} */ value) =>
  Math.abs(value) >= 100 || Number.isInteger(value)
    ? String(Math.round(value))
    : value.toFixed(Math.abs(value) < 1 ? 3 : 1);

/** A table with a line for each figure. @param {readonly Figure[]} figures @returns {string} */
export function table(figures) {
  const head = ['figure', 'unit', 'runs', 'min', 'median', 'p95', 'max', 'target'];
  const rows = figures.map((figure) => {
    const { runs, min, median, p95, max } = summary(figure.values);
    const numbers = [min, median, p95, max].map(short);
    const target =
      figure.target === undefined ? '' : `${figure.target.met ? 'met' : 'MISSED'}: ${figure.target.text}`;
    return [figure.name, figure.unit, String(runs), ...numbers, target];
  });
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (/** @type {readonly string[]} */ row) =>
    row
      .map((cell, at) => (at >= 2 && at < 7 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  const painted = rows.map((row) =>
    row[7]?.startsWith('MISSED') ? red(line(row)) : row[7] === '' ? line(row) : green(line(row)),
  );
  return [bold(line(head)), ...painted].join('\n');
}
