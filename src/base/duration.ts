const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration as Go writes it ("1m30s", "1.5h", "300ms", "0"), not negative; undefined when it is none.
 *  Source: Go's time.ParseDuration. */
export function parseDurationMs(text: string): number | undefined {
  const bare = text.startsWith('+') ? text.slice(1) : text;
  if (bare === '0') return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(bare)) return undefined;
  let total = 0;
  for (const part of bare.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
    total += Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? Number.NaN);
  return Number.isFinite(total) ? total : undefined;
}

/** A duration for people, its two largest units: "3m12s", "2h5m", "4d1h", "12s", "850ms"; below zero counts as "0s". */
export function formatDuration(ms: number): string {
  if (ms < 0 || !Number.isFinite(ms)) return '0s';
  if (ms > 0 && ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}
