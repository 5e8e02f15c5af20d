import { readFile } from 'node:fs/promises';
import { EdgeError, errorCode } from '../base/errors.ts';
import type { TlsSettings } from '../colony/connect.ts';
import type { Config } from '../config/table.ts';
import { nextKeyPath } from '../store/key-file.ts';
import { configError, type Io } from './io.ts';
import { type FoundKey, type KeyRole, keySource, readKey } from './key-sources.ts';

/** The keys, each read anew when asked for: files may change while the agent runs. */
export interface ColonyKeys {
  /** Throws `KEY_MISSING` where none is; `KEY_INVALID`, `KEY_UNREADABLE`. */
  executor(): Promise<FoundKey>;
  /** The next key of a rotation that is under way, which the server may know instead; undefined when there is none. */
  next(): Promise<FoundKey | undefined>;
  /** undefined: not given. A file that was named and is not there throws `KEY_MISSING`. */
  user(): Promise<FoundKey | undefined>;
  owner(): Promise<FoundKey | undefined>;
}

/** What there is to know about the server before it is called. */
export interface ColonySettings {
  /** `http(s)://host:port`, with a path where a gateway wants one. */
  server: string;
  colony: string;
  executorName: string;
  executorType: string;
  location: string;
  keys: ColonyKeys;
  /** Reads the files; throws `TLS_FILE_UNREADABLE`. */
  tls(): Promise<TlsSettings>;
}

/** undefined: no server is configured. Reads nothing yet. */
export function colonySettings(config: Config, env: Io['env']): ColonySettings | undefined {
  const { server, colony, executorName, executorType, location } = config;
  if (server === undefined) return undefined;
  const optional = (role: KeyRole) => async () => {
    const source = keySource(role, config, env);
    if (source === undefined) return undefined;
    const found = await readKey(source, env);
    if (found === undefined) throw missing(`There is no ${role} key at ${source.where}`, source.where);
    return found;
  };
  return {
    server,
    colony,
    executorName,
    executorType,
    location,
    keys: {
      async executor() {
        const found = await optional('executor')().catch((error) => {
          if (errorCode(error) !== 'KEY_MISSING') throw error;
          return undefined;
        });
        if (found !== undefined) return found;
        throw missing(
          `This node has no key yet (${config.keyFile}): run colonies-edge register`,
          config.keyFile,
        );
      },
      async next() {
        const source = keySource('executor', config, env);
        if (source?.from !== 'file') return undefined;
        return readKey({ ...source, where: nextKeyPath(source.where) }, env);
      },
      user: optional('user'),
      owner: optional('owner'),
    },
    tls: () => readTls(config),
  };
}

/** The same for commands that are nothing without a server; throws `CONFIG_INVALID`. */
export function requireColony(config: Config, env: Io['env']): ColonySettings {
  const settings = colonySettings(config, env);
  if (settings !== undefined) return settings;
  throw configError([
    'no server is configured: set COLONIES_SERVER_HOST and COLONIES_SERVER_PORT, or --server',
  ]);
}

async function readTls(config: Config): Promise<TlsSettings> {
  const { caFile, clientCertFile, clientKeyFile } = config;
  return {
    ...(caFile === undefined ? {} : { ca: await readPem(caFile) }),
    ...(clientCertFile === undefined ? {} : { cert: await readPem(clientCertFile) }),
    ...(clientKeyFile === undefined ? {} : { key: await readPem(clientKeyFile) }),
  };
}

async function readPem(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw unreadable(path, errorCode(error), error);
  });
  if (!text.includes('-----BEGIN ')) throw unreadable(path, 'it is not PEM');
  return text;
}

function missing(text: string, target: string): EdgeError {
  return new EdgeError(text, { code: 'KEY_MISSING', retry: 'permanent', target });
}

function unreadable(path: string, why: string, cause?: unknown): EdgeError {
  const init = { code: 'TLS_FILE_UNREADABLE', retry: 'transient', target: path, cause } as const;
  return new EdgeError(`Cannot read ${path}: ${why}`, init);
}
