import { untilAborted } from '../base/abort.ts';
import { EdgeError, errorText } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';
import type { EngineCode } from '../model/engine-codes.ts';
import { engineError } from './errors.ts';
import type { RegistryCredentials } from './registry-auth.ts';
import { apiHost, type RegistryImage } from './registry-host.ts';
import { accessToken, basicAuthorization, parseChallenge, tokenRequest } from './registry-token.ts';
import { type ConnectionPool, createWebPool, type Response } from './undici.ts';

/** What a registry is asked with. */
export interface RegistryOptions {
  image: RegistryImage;
  /** Any certificate will do, and no TLS at all too: as the engine does it for such a registry. */
  isInsecure: boolean;
  credentials(): Promise<RegistryCredentials | undefined>;
  /** PEM certificates to trust; undefined: Node's own. */
  trusted(): Promise<readonly string[] | undefined>;
  /** Most connections to one server; default: one. */
  connections?: number;
  /** Ends everything. */
  signal: AbortSignal;
}

/** What is asked of a registry. */
export interface RegistryCall {
  method: 'GET' | 'HEAD';
  headers: Readonly<Record<string, string>>;
}

/** A document of a registry. */
export interface RegistryDocument {
  type: string;
  json: unknown;
}

/** A manifest may have at most this much by the specification (OCI distribution 1.1). */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_TOKEN_BYTES = 256 * 1024;
const MAX_REDIRECTS = 4;

/**
 * Reads documents of one repository (OCI distribution specification 1.1, pull). Throws `REGISTRY_UNREACHABLE`,
 * `REGISTRY_UNAUTHORIZED` or `IMAGE_NOT_FOUND`. To be closed.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #pools = new Map<string, ConnectionPool>();
  #origin: string;
  #authorization: Secret | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#origin = `https://${apiHost(options.image.registry)}`;
  }

  /** One document below the repository: `manifests/1.27`, `blobs/sha256:...`. */
  async read(path: string, accept: string): Promise<RegistryDocument> {
    return this.#told(async () => {
      const response = await this.#follow(path, { method: 'GET', headers: { accept } });
      const { statusCode: status, headers } = response;
      if (status !== 200) {
        await bodyText(response, MAX_TOKEN_BYTES);
        throw this.#refused(status);
      }
      const text = await bodyText(response, MAX_DOCUMENT_BYTES);
      return { type: String(headers['content-type'] ?? ''), json: this.#jsonOf(text) };
    });
  }

  /** Throws as `read` where that would, without the document. */
  async check(path: string, accept: string): Promise<void> {
    await this.#told(async () => {
      const response = await this.#follow(path, { method: 'HEAD', headers: { accept } });
      await bodyText(response, MAX_TOKEN_BYTES);
      if (response.statusCode !== 200) throw this.#refused(response.statusCode);
    });
  }

  /** The answer as it comes, whatever its status; its body is to be read or destroyed. Throws `REGISTRY_UNREACHABLE` and
   *  `REGISTRY_UNAUTHORIZED`. */
  async open(path: string, call: RegistryCall): Promise<Response> {
    return this.#told(() => this.#follow(path, call));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  /** Wraps what is no error of this room yet. */
  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { image, signal } = this.#options;
      if (signal.aborted) throw signal.reason;
      if (error instanceof EdgeError) throw error;
      throw engineError(
        'REGISTRY_UNREACHABLE',
        `registry ${image.registry}: ${errorText(error)}`,
        image.registry,
        error,
      );
    }
  }

  /** The answer after authorization and redirects. */
  async #follow(path: string, call: RegistryCall): Promise<Response> {
    let url = this.#urlOf(path);
    let isChallenged = false;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; ) {
      const isOwn = url.origin === this.#origin;
      const response = await this.#sendOrPlain(url, path, call);
      // Without TLS after all: the rest of the way starts there.
      if (isOwn && url.origin !== this.#origin) url = this.#urlOf(path);
      const { statusCode: status, headers } = response;
      if (status === 401 && url.origin === this.#origin && !isChallenged) {
        await bodyText(response, MAX_TOKEN_BYTES);
        isChallenged = true;
        this.#authorization = await this.#authorize(headers['www-authenticate']);
      } else if ([301, 302, 303, 307, 308].includes(status)) {
        await bodyText(response, MAX_TOKEN_BYTES);
        redirects += 1;
        url = this.#next(url, headers.location);
      } else return response;
    }
    throw this.#error('REGISTRY_UNREACHABLE', 'redirects without end');
  }

  #urlOf(path: string): URL {
    return new URL(`${this.#origin}/v2/${this.#options.image.repository}/${path}`);
  }

  /** As the engine does it: a registry that need not be secure is tried with TLS first. */
  async #sendOrPlain(url: URL, path: string, call: RegistryCall): Promise<Response> {
    const { method } = call;
    const headers: Record<string, string> = { ...call.headers };
    // Credentials are the registry's only: not for where it redirects to.
    if (this.#authorization !== undefined && url.origin === this.#origin)
      headers.authorization = this.#authorization.reveal();
    try {
      return await this.#send(url, { method, headers });
    } catch (error) {
      const isFirst = this.#authorization === undefined && url.origin === this.#origin;
      const { isInsecure, signal } = this.#options;
      if (!isInsecure || !isFirst || url.protocol !== 'https:' || signal.aborted) throw error;
      this.#origin = this.#origin.replace(/^https:/, 'http:');
      return this.#send(this.#urlOf(path), { method, headers });
    }
  }

  async #send(
    url: URL,
    {
      method = 'GET',
      headers,
      body,
    }: { method?: 'GET' | 'HEAD' | 'POST'; headers: Record<string, string>; body?: string },
  ): Promise<Response> {
    const { signal } = this.#options;
    const pool = await this.#poolOf(url.origin);
    const path = `${url.pathname}${url.search}`;
    const asked = pool.request({ method, path, headers, body: body ?? null, signal });
    // A request that still waits for its connection does not heed the signal.
    return untilAborted(asked, signal);
  }

  async #poolOf(origin: string): Promise<ConnectionPool> {
    const present = this.#pools.get(origin);
    if (present !== undefined) return present;
    const isVerified = !this.#options.isInsecure;
    const ca = origin.startsWith('https:') && isVerified ? await this.#options.trusted() : undefined;
    const pool = createWebPool(origin, { ca, isVerified, connections: this.#options.connections });
    this.#pools.set(origin, pool);
    return pool;
  }

  async #authorize(header: string | string[] | undefined): Promise<Secret> {
    const challenge = parseChallenge(header);
    const credentials = await this.#options.credentials();
    if (challenge?.scheme === 'bearer') {
      const { image } = this.#options;
      const isPlain = this.#origin.startsWith('http:');
      const asked = tokenRequest(challenge, image.repository, credentials, isPlain);
      const headers: Record<string, string> = { accept: 'application/json' };
      if (asked.authorization !== undefined) headers.authorization = asked.authorization.reveal();
      if (asked.form !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded';
      const body = asked.form === undefined ? {} : { body: asked.form.reveal() };
      const response = await this.#send(asked.url, { method: asked.method, headers, ...body });
      const text = await bodyText(response, MAX_TOKEN_BYTES);
      if (response.statusCode !== 200)
        throw this.#refused(response.statusCode === 400 ? 401 : response.statusCode);
      return new Secret(`Bearer ${accessToken(this.#jsonOf(text)).reveal()}`);
    }
    const authorization = challenge?.scheme === 'basic' ? basicAuthorization(credentials) : undefined;
    if (authorization === undefined) throw this.#refused(401);
    return authorization;
  }

  /** Where a redirect leads; never out of TLS. */
  #next(from: URL, location: string | string[] | undefined): URL {
    const text = typeof location === 'string' ? location : '';
    const url = text === '' ? undefined : new URL(text, from);
    const isFine = url?.protocol === 'https:' || (url?.protocol === 'http:' && from.protocol === 'http:');
    if (url === undefined || !isFine) throw this.#error('REGISTRY_UNREACHABLE', 'a redirect to nowhere');
    return url;
  }

  #jsonOf(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#error('REGISTRY_UNREACHABLE', 'the answer is not JSON');
    }
  }

  #refused(status: number): EdgeError {
    if (status === 401 || status === 403)
      return this.#error('REGISTRY_UNAUTHORIZED', `refused with ${status}`);
    if (status === 404) return this.#error('IMAGE_NOT_FOUND', 'not found');
    return this.#error('REGISTRY_UNREACHABLE', `answered ${status}`);
  }

  #error(code: EngineCode, what: string): EdgeError {
    const { registry, repository } = this.#options.image;
    return engineError(code, `registry ${registry}, ${repository}: ${what}`, registry);
  }
}

/** Reads to the end, so that the connection can be used again; a body past the limit costs the connection. */
async function bodyText(response: Response, limit: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > limit) throw new Error(`the answer is longer than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
