/** A text pattern: `*` stands for any signs but `/`, `**` for any signs, `?` for one sign but `/`; all else for itself. */
export function globMatches(pattern: string, text: string): boolean {
  return globRegExp(pattern).test(text);
}

function globRegExp(pattern: string): RegExp {
  const source = pattern
    // Runs of stars are one wildcard: neighbours that can match the same text would make the search exponential.
    .replace(/\*{2,}/g, '**')
    .split(/(\*\*|\*|\?)/)
    .map((part) => {
      if (part === '**') return '.*';
      if (part === '*') return '[^/]*';
      if (part === '?') return '[^/]';
      return part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    })
    .join('');
  return new RegExp(`^${source}$`, 's');
}
