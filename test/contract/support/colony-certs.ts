import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, PEM. */
export interface Pair {
  cert: string;
  key: string;
}

/** Certificates of a private authority, made by openssl for one test run. */
export interface Certificates {
  ca: string;
  /** Of an authority that signed nothing here. */
  otherCa: string;
  /** For localhost and 127.0.0.1. */
  server: Pair;
  expired: Pair;
  /** For another name only. */
  misnamed: Pair;
  /** Valid from the year 2090 on. */
  future: Pair;
  client: Pair;
}

/** Makes everything in a temporary folder that is gone afterwards. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'colony-certs-'));
  const at = (file: string) => join(folder, file);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const keyPair = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = (name: string) =>
    openssl(
      ...['req', '-x509', ...keyPair, '-keyout', `${name}.key`, '-out', `${name}.crt`],
      ...['-subj', `/CN=${name}`, '-days', '2'],
    );
  const issue = (name: string, names: string, from: string, until: string): Pair => {
    writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`);
    openssl('req', ...keyPair, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    openssl(
      ...['ca', '-batch', '-config', 'ca.cnf', '-cert', 'ca.crt', '-keyfile', 'ca.key', '-in', `${name}.csr`],
      ...['-out', `${name}.crt`, '-extfile', `${name}.ext`, '-startdate', from, '-enddate', until],
    );
    return { cert: readFileSync(at(`${name}.crt`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') };
  };
  try {
    writeFileSync(at('index.txt'), '');
    writeFileSync(
      at('ca.cnf'),
      '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n' +
        'unique_subject=no\n[p]\ncommonName=supplied\n',
    );
    authority('ca');
    authority('other');
    const here = 'DNS:localhost,IP:127.0.0.1';
    return {
      ca: readFileSync(at('ca.crt'), 'utf8'),
      otherCa: readFileSync(at('other.crt'), 'utf8'),
      server: issue('server', here, '20200101000000Z', '20900101000000Z'),
      expired: issue('expired', here, '20200101000000Z', '20210101000000Z'),
      misnamed: issue('misnamed', 'DNS:other.example', '20200101000000Z', '20900101000000Z'),
      future: issue('future', here, '20900101000000Z', '20950101000000Z'),
      client: issue('client', 'DNS:client', '20200101000000Z', '20900101000000Z'),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
