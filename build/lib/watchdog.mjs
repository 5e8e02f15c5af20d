// Loaded into every test file's process: one that does not come to its end says what it waits for, and ends.
// Without it such a file would use up the time of all that come after it, and nobody would know why.

/** Milliseconds that one test file may take; set by run-tests. */
export const FILE_LIMIT = 'EDGE_TEST_FILE_LIMIT_MS';

const limitMs = Number(process.env[FILE_LIMIT]);
// The runner itself loads it as well; only its children are files.
if (limitMs > 0 && (process.env.NODE_TEST_CONTEXT ?? '').startsWith('child')) {
  setTimeout(() => {
    /** @type {Map<string, number>} */
    const open = new Map();
    for (const kind of process.getActiveResourcesInfo()) open.set(kind, (open.get(kind) ?? 0) + 1);
    const list = [...open].map(([kind, count]) => `${count} ${kind}`).join(', ');
    process.stderr.write(`${process.argv[1]}: not finished after ${limitMs} ms; still open: ${list}\n`);
    process.exit(1);
  }, limitMs).unref();
}
