// A client of a service, for the bench: asks it 50 times a second, each time by name and over a new connection.
// Usage: node build/bench/prober.mjs NAME PORT, where NAME may be an address; ends on SIGTERM and prints its findings as a line of JSON.
import { Resolver } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { basename } from 'node:path';

/** Time between two probes, milliseconds. */
const EVERY_MS = 20;

/** Time that an address has to take the connection and answer, milliseconds. */
const TIMEOUT_MS = 500;

/**
 * What came of one probe.
 * @typedef {object} Probe
 * @property {number} atMs epoch milliseconds at which it began
 * @property {string} [body] what was answered, absent when it failed
 * @property {string} [why] code of the failure
 * @property {string} [first] why the first address failed, when another one answered
 */

/**
 * @typedef {object} Findings
 * @property {number} asked
 * @property {number} failed no address of the name answered
 * @property {number} again the first address failed and another one answered
 * @property {number} longestMs longest time between the beginnings of two probes that were answered, one after the other
 * @property {number} lateMs how late a probe began at worst
 * @property {Record<string, number>} why failures by their codes, those of first addresses among them
 * @property {{ atMs: number, what: string }[]} changes the first probe of each row that came to the same: a body, or "failed"
 */

/** @param {readonly Probe[]} probes in the order of their beginnings @param {number} lateMs @returns {Findings} */
export function findingsOf(probes, lateMs) {
  /** @type {Findings} */
  const findings = { asked: probes.length, failed: 0, again: 0, longestMs: 0, lateMs, why: {}, changes: [] };
  let answeredMs = probes[0]?.atMs ?? 0;
  for (const { atMs, body, why, first } of probes) {
    const code = why ?? first;
    if (code !== undefined) findings.why[code] = (findings.why[code] ?? 0) + 1;
    if (body === undefined) findings.failed += 1;
    else if (first !== undefined) findings.again += 1;
    if (body !== undefined) {
      findings.longestMs = Math.max(findings.longestMs, atMs - answeredMs);
      answeredMs = atMs;
    }
    const what = body ?? 'failed';
    if (findings.changes.at(-1)?.what !== what) findings.changes.push({ atMs, what });
  }
  // What ended in failures has lasted at least until the last one.
  findings.longestMs = Math.max(findings.longestMs, (probes.at(-1)?.atMs ?? 0) - answeredMs);
  return findings;
}

/** One request over a new connection; rejects with an error that has a code. @param {string} host @param {number} port @returns {Promise<string>} the body */
function ask(host, port) {
  return new Promise((done, fail) => {
    const socket = connect({ host, port });
    let text = '';
    const failWith = (/** @type {string} */ code) => fail(Object.assign(new Error(code), { code }));
    const patience = setTimeout(() => {
      failWith('TIMEOUT');
      socket.destroy();
    }, TIMEOUT_MS);
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', fail);
    socket.on('close', () => {
      clearTimeout(patience);
      const [head = '', body] = text.split('\r\n\r\n', 2);
      if (/^HTTP\/1\.\d 200 /.test(head) && body !== undefined && body !== '') done(body.trim());
      else failWith(head === '' ? 'NO_ANSWER' : 'NOT_200');
    });
  });
}

/** The addresses of a name as the resolver of the machine has them now. @param {string} name @returns {Promise<string[]>} */
function addressesOf(name) {
  // A resolver of its own for each: none may remember what another one was told.
  return isIP(name)
    ? Promise.resolve([name])
    : new Resolver({ timeout: TIMEOUT_MS, tries: 1 }).resolve4(name);
}

const codeOf = (/** @type {any} */ error) => String(error?.code ?? error);

/** Tries the addresses of the name one after the other, as most clients do. @param {string} name @param {number} port @returns {Promise<Probe>} */
export async function probe(name, port) {
  const atMs = Date.now();
  /** @type {string | undefined} */
  let first;
  try {
    for (const address of await addressesOf(name)) {
      try {
        const body = await ask(address, port);
        return { atMs, body, ...(first === undefined ? {} : { first }) };
      } catch (error) {
        first ??= codeOf(error);
      }
    }
  } catch (error) {
    first = codeOf(error);
  }
  return { atMs, why: first ?? 'NO_ADDRESS' };
}

/** Probes on a schedule that no answer holds up, until the signal. @param {string} name @param {number} port @param {AbortSignal} signal @returns {Promise<Findings>} */
export async function watch(name, port, signal) {
  const beganMs = performance.now();
  /** @type {Promise<Probe>[]} */
  const probes = [];
  let lateMs = 0;
  while (!signal.aborted) {
    const dueMs = beganMs + probes.length * EVERY_MS;
    const aheadMs = dueMs - performance.now();
    if (aheadMs > 0) await new Promise((done) => setTimeout(done, aheadMs));
    lateMs = Math.max(lateMs, performance.now() - dueMs);
    probes.push(probe(name, port));
  }
  return findingsOf(await Promise.all(probes), Math.round(lateMs));
}

if (basename(process.argv[1] ?? '') === 'prober.mjs') {
  const [name = '', port] = process.argv.slice(2);
  const over = new AbortController();
  const parent = process.ppid;
  // Nobody is there any more to whom it could be said.
  const orphaned = setInterval(() => process.ppid !== parent && process.exit(1), 1000);
  process.once('SIGTERM', () => over.abort());
  console.log('began');
  console.log(JSON.stringify(await watch(name, Number(port), over.signal)));
  clearInterval(orphaned);
}
