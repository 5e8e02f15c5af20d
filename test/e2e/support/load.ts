import { existsSync } from 'node:fs';
import { Agent, get } from 'node:http';

/** What became of all requests. */
export interface Toll {
  asked: number;
  /** What went wrong, one line each. */
  failures: readonly string[];
  /** Answers by what they said. */
  answers: ReadonlyMap<string, number>;
}

/** Pause of a client between two requests, milliseconds. */
const PAUSE_MS = 5;
const PATIENCE_MS = 30_000;

/** One request; resolves to the body. Rejects with what went wrong. */
export function ask(port: number, path = '/', agent: Agent | false = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, agent, timeout: PATIENCE_MS }, (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`status ${response.statusCode}`)),
      );
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
  });
}

/** Clients that ask one request after another, none of them twice: half on new connections, half on ones kept open. */
export class Load {
  readonly #port: number;
  readonly #keeping = new Agent({ keepAlive: true });
  readonly #clients: Promise<void>[];
  readonly #failures: string[] = [];
  readonly #answers = new Map<string, number>();
  #asked = 0;
  #isOver = false;

  constructor(port: number, clients = 6) {
    this.#port = port;
    this.#clients = Array.from({ length: clients }, (_, i) => this.#run(i % 2 === 0 ? false : this.#keeping));
  }

  get asked(): number {
    return this.#asked;
  }

  async stop(): Promise<Toll> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    this.#keeping.destroy();
    return { asked: this.#asked, failures: this.#failures, answers: this.#answers };
  }

  async #run(agent: Agent | false): Promise<void> {
    while (!this.#isOver) {
      try {
        const answer = await ask(this.#port, '/', agent);
        this.#answers.set(answer, (this.#answers.get(answer) ?? 0) + 1);
      } catch (error) {
        this.#failures.push(`${agent === false ? 'new' : 'kept'} connection: ${error}`);
      }
      this.#asked += 1;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

/** Serves $VERSION, and /slow: a megabyte over four seconds. Ends gracefully on SIGTERM. */
const SERVER = `
const server = require('node:http').createServer((request, response) => {
  if (request.url !== '/slow') return response.end(process.env.VERSION);
  let left = 40;
  const timer = setInterval(() => {
    response.write('x'.repeat(25000));
    left -= 1;
    if (left === 0) { clearInterval(timer); response.end(); }
  }, 100);
}).listen(80);
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections(); });
`;

/** Bytes of /slow. */
export const SLOW_BYTES = 1_000_000;

/** Parts of an instance that runs a web server with connections kept open, on this machine's own Node. */
export function webServer(version: string): object {
  const folders = ['/usr', '/lib', '/lib64'].filter((path) => existsSync(path));
  const mounts = folders.some((path) => process.execPath.startsWith(`${path}/`))
    ? folders
    : [...folders, process.execPath];
  return {
    entrypoint: [process.execPath, '-e', SERVER],
    environment: { VERSION: version },
    volumes: mounts.map((path) => ({ type: 'bind', hostPath: path, mountPath: path, readOnly: true })),
  };
}
