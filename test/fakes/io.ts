import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { Io } from '../../src/cli/io.ts';

/** An `Io` that keeps what is written; no terminal, empty environment, this machine's clock. */
export function fakeIo(change: Partial<Io> & { isTTY?: boolean; columns?: number } = {}) {
  const { isTTY = false, columns = 80, ...rest } = change;
  const written = { out: '', err: '' };
  const output = (name: 'out' | 'err') => ({
    isTTY,
    columns,
    write(text: string) {
      written[name] += text;
    },
  });
  const io: Io = {
    out: output('out'),
    err: output('err'),
    env: { COLONIES_EDGE_CONFIG: 'none' },
    cwd: process.cwd(),
    clock: systemClock,
    random: systemRandom,
    errIsJournal: false,
    onHangup: () => undefined,
    signal: AbortSignal.timeout(30_000),
    ...rest,
  };
  return { io, written };
}
