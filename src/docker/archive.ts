import { EdgeError } from '../base/errors.ts';
import type { ContainerFile } from '../model/update.ts';
import type { Deadlines } from './deadlines.ts';
import { engineError } from './errors.ts';
import { numberAt, textAt } from './json.ts';
import type { Transport } from './transport.ts';

const BLOCK_BYTES = 512;

/** Go's `fs.ModeType`: any of these bits is no plain file. */
const NO_PLAIN_FILE = 0x8f28_0000;

/**
 * A file in a container (Docker Engine API v1.52, `GET /containers/{id}/archive`: its description in a header, then a tar);
 * undefined when it is not there. Of the content no more than `headBytes` is read, and nothing of what is no plain file.
 */
export async function readContainerFile(
  { transport, api, deadlines }: { transport: Transport; api: string; deadlines: Deadlines },
  { id, path, headBytes }: { id: string; path: string; headBytes: number },
  signal: AbortSignal,
): Promise<ContainerFile | undefined> {
  try {
    const stream = await transport.open({
      method: 'GET',
      path: `/v${api}/containers/${id}/archive`,
      query: { path },
      deadlineMs: deadlines.inspectMs,
      signal,
      subject: 'container',
      target: id,
    });
    stream.deadline.extend(deadlines.inspectMs);
    const stat = decodeStat(stream.header('x-docker-container-path-stat'), id);
    const isPlain = (stat.mode & NO_PLAIN_FILE) === 0;
    // Read in either case: leaving the loop is what closes the stream.
    const bytes = await firstBytes(stream.chunks, isPlain ? BLOCK_BYTES + headBytes : 0);
    const length = Math.min(headBytes, stat.sizeBytes);
    const head = isPlain ? bytes.subarray(BLOCK_BYTES, BLOCK_BYTES + length).toString('utf8') : '';
    return { changedAt: stat.changedAt, head };
  } catch (error) {
    if (error instanceof EdgeError && error.code === 'ENGINE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** `{"name":"busy","size":12,"mode":420,"mtime":"2026-01-02T03:04:05Z","linkTarget":""}` in base64. */
function decodeStat(header: string, id: string): { changedAt: number; mode: number; sizeBytes: number } {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
  } catch {
    json = undefined;
  }
  const changedAt = Date.parse(textAt(json, 'mtime'));
  if (Number.isNaN(changedAt))
    throw engineError('ENGINE_PROTOCOL', 'the engine does not tell how old a file in a container is', id);
  return { changedAt, mode: numberAt(json, 'mode'), sizeBytes: numberAt(json, 'size') };
}

async function firstBytes(chunks: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    if (size < most) parts.push(chunk);
    size += chunk.length;
    if (size >= most) break;
  }
  return Buffer.concat(parts).subarray(0, most);
}
