/** An absolute path without `.`, `..`, doubled and trailing slashes; symbolic links are not followed. "/" stays "/". */
export function normalizePath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') kept.pop();
    else kept.push(part);
  }
  return `/${kept.join('/')}`;
}

/** Whether a normalized path is `folder` itself or lies below it; borders are whole path segments. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}
