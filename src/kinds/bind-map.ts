import { isWithin, normalizePath } from '../base/posix-path.ts';

/** Host path prefixes to replace: [from, to]. */
export type BindPrefixMap = readonly (readonly [from: string, to: string])[];

/** The path with its longest matching prefix replaced; prefixes end at path segments, so `/a/b` does not match `/a/bc`. */
export function mapBindPath(path: string, map: BindPrefixMap): string {
  const source = normalizePath(path);
  let best: readonly [string, string] | undefined;
  for (const [from, to] of map) {
    const prefix = normalizePath(from);
    if (isWithin(source, prefix) && (best === undefined || prefix.length > best[0].length))
      best = [prefix, to];
  }
  if (best === undefined) return source;
  const rest = best[0] === '/' ? source : source.slice(best[0].length);
  return normalizePath(`${best[1]}/${rest}`);
}
