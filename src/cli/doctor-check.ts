/** One line of the doctor's. */
export interface Check {
  name: string;
  state: 'ok' | 'warn' | 'fail';
  /** What was found. */
  message: string;
  /** What to do about it; only when it is not ok. */
  advice?: string;
}
