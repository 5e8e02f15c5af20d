import type { Reason } from './reason.ts';

/**
 * Something wrong with a document from outside, said so that its author can mend it:
 * where, what stands there, and what would be right.
 */
export interface Problem {
  severity: 'error' | 'warning';
  reason: Reason;
  /** Path of the field, as written in code: `spec.instances[0].ports[1].container`; empty for the whole. */
  path: string;
  /** The refused value, shortened for display; absent where there is none. */
  value?: string;
  /** One clause: what is wrong and what would be right. */
  message: string;
}

/** `spec.instances[0].image must be a non-empty string, got 5`: a problem as one line. */
export function problemText(problem: Problem): string {
  const where = problem.path === '' ? '' : `${problem.path} `;
  const got = problem.value === undefined ? '' : `, got ${problem.value}`;
  return `${where}${problem.message}${got}`;
}

/** Two documents ask for one name; the one in `file` has it. */
export function duplicateName(name: string, file: string): Problem {
  return {
    severity: 'error',
    reason: 'SpecInvalid',
    path: 'metadata.name',
    value: JSON.stringify(name),
    message: `must be unique; ${file} has a blueprint of this name already`,
  };
}

/** A value for an error text: JSON, at most 60 characters; `undefined` shows as `nothing`. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    text = String(value);
  }
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
