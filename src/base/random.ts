import { randomBytes } from 'node:crypto';

/** Randomness as a dependency, so that tests can seed it. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `digits` lower-case hexadecimal digits. */
  hex(digits: number): string;
}

/** Randomness from the operating system. */
export const systemRandom: Random = {
  next: () => randomBytes(4).readUInt32BE() / 2 ** 32,
  hex: (digits) =>
    randomBytes(Math.ceil(digits / 2))
      .toString('hex')
      .slice(0, digits),
};
