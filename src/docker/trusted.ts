import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';

/** Where systems keep the certificates they trust: Debian, Red Hat, Alpine and openSUSE. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
  '/etc/ssl/ca-bundle.pem',
];

/** Where Docker keeps what it trusts besides, one folder for each registry (Docker: "Verify repository client"). */
export const CERTS_DIR = '/etc/docker/certs.d';

const MAX_BYTES = 4 * 1024 * 1024;

/** What the engine trusts when it speaks to a registry: the system's certificates, and those of the registry's own
 *  folder where it can be read. */
export async function trustedBy(registry: string, certsDir = CERTS_DIR): Promise<readonly string[]> {
  const system = await firstReadable(SYSTEM_FILES);
  return [...(system === undefined ? rootCertificates : [system]), ...(await ownOf(registry, certsDir))];
}

async function ownOf(registry: string, certsDir: string): Promise<string[]> {
  // A host with a port or an address at most: it cannot lead out of the folder.
  if (registry.includes('/') || registry.startsWith('.')) return [];
  const folder = join(certsDir, registry);
  const names = await readdir(folder).catch((): string[] => []);
  const texts = await Promise.all(
    names.filter((name) => name.endsWith('.crt')).map((name) => readable(join(folder, name))),
  );
  return texts.filter((text) => text !== undefined);
}

async function firstReadable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const text = await readable(path);
    if (text !== undefined) return text;
  }
  return undefined;
}

/** The text of a file with certificates; undefined when there is none to be had. */
async function readable(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'latin1').catch(() => undefined);
  return text?.includes('-----BEGIN CERTIFICATE-----') && text.length <= MAX_BYTES ? text : undefined;
}
