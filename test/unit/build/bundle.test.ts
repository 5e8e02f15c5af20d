import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { bundle } from '../../../build/bundle.mjs';

const entry = existsSync('src/main.ts') ? 'src/main.ts' : 'src/base/build-info.ts';

it('builds the same bytes twice, as one executable CommonJS file with the licences beside it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  try {
    const digest = async (name: string) => {
      const built = await bundle({ outdir: join(folder, name), entry });
      return createHash('sha256').update(readFileSync(built.file, 'utf8')).digest('hex');
    };
    assert.equal(await digest('a'), await digest('b'));
    const file = join(folder, 'a', 'colonies-edge.cjs');
    accessSync(file, constants.X_OK);
    // Only the first line: a failure would print all of it.
    assert.match(readFileSync(file, 'utf8').split('\n', 1)[0] ?? '', /^#!\/usr\/bin\/env .*\bnode\b/);
    assert.match(readFileSync(join(folder, 'a', 'LICENSES.txt'), 'utf8'), /^colonies-edge \d/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
