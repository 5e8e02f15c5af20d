import type { SourceFile } from './source.ts';
import { onlyCode } from './source.ts';

/** Lines of a file that match, as "path:line: what". */
function lines(file: SourceFile, text: string, pattern: RegExp, what: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line) ? [`${file.path}:${index + 1}: ${what}: ${line.trim()}`] : [],
    );
}

/** Marks of postponed work, and tests that were switched off or singled out. */
export function testMarks(file: SourceFile): string[] {
  // In pieces, or this file would break its own rule.
  const marks = ['TO', 'DO|FIX', 'ME|XX', 'X'].join('');
  const switched =
    /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\b|\b(?:only|skip|todo):\s*(?:true|['"`])/;
  return [
    ...lines(file, file.text, new RegExp(`\\b(?:${marks})\\b`), 'postponed work'),
    ...lines(file, onlyCode(file.text), switched, 'a test that does not run as the others do'),
  ];
}

/** Paths that exist on one machine only. */
export function outsideNames(file: SourceFile): string[] {
  return lines(file, file.text, /(?<![\w.$}-])\/(?:work|root)\/\w|\/tmp\/briefs/, 'a path of one machine');
}

/** Addresses of package registries other than the public one in the lock file. */
export function registryHosts(file: SourceFile): string[] {
  const pattern = file.path.endsWith('package-lock.json')
    ? /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/
    : /registry\.npmjs|\bnpm\.pkg\.|\bartifactory\b|\bnexus\b/i;
  return lines(file, file.text, pattern, 'a package registry');
}
