import { EdgeError } from '../base/errors.ts';
import { type EngineCode, isPermanentCode } from '../model/engine-codes.ts';

/** An `EdgeError` of this room; its retry class follows from its code. */
export function engineError(code: EngineCode, message: string, target?: string, cause?: unknown): EdgeError {
  const retry = code === 'CANCELLED' ? 'cancelled' : isPermanentCode(code) ? 'permanent' : 'transient';
  return new EdgeError(message, { code, retry, target, cause });
}

/** What is known of a failed connection: errno and undici's own codes. Never a verdict about the thing asked for. */
export function connectionError(cause: unknown, endpoint: string, call: string): EdgeError {
  if (cause instanceof EdgeError) return cause;
  const code =
    typeof cause === 'object' && cause !== null && 'code' in cause && typeof cause.code === 'string'
      ? cause.code
      : '';
  const detail = cause instanceof Error ? cause.message : String(cause);
  switch (code) {
    case 'ENOENT':
      return engineError(
        'ENGINE_UNREACHABLE',
        `no engine at ${endpoint}: there is no such socket`,
        endpoint,
        cause,
      );
    case 'ECONNREFUSED':
      return engineError('ENGINE_UNREACHABLE', `no engine at ${endpoint}: nobody listens`, endpoint, cause);
    case 'EAGAIN':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return engineError(
        'ENGINE_TIMEOUT',
        `the engine at ${endpoint} does not accept connections`,
        endpoint,
        cause,
      );
    case 'EACCES':
    case 'EPERM':
      return engineError(
        'ENGINE_DENIED',
        `access to ${endpoint} is denied: run as root or as a member of the group that owns the socket (usually "docker")`,
        endpoint,
        cause,
      );
    case 'ENOTDIR':
    case 'ENOTSOCK':
    case 'EINVAL':
    case 'ENAMETOOLONG':
      return engineError('ENGINE_UNREACHABLE', `no engine at ${endpoint}: ${detail}`, endpoint, cause);
    default:
      if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW')
        return engineError('ENGINE_PROTOCOL', `${call}: the answer is not HTTP (${detail})`, endpoint, cause);
      return engineError('ENGINE_RESET', `${call}: the connection broke (${detail})`, endpoint, cause);
  }
}

/** What kind of thing a call is about: a bare 404 or 409 means different things for each. */
export type Subject = 'container' | 'create' | 'image' | 'pull' | 'network' | 'volume' | 'engine';

interface Rule {
  code: EngineCode;
  pattern: RegExp;
  /** Only for these; absent: for all. */
  subjects?: readonly Subject[];
  /** Only from this status on; absent: for all. */
  status?: number;
  /** 1-based capture that becomes the error's target. */
  target?: number;
}

// Engines word their refusals differently from version to version, and podman again; the order matters: the more exact first.
const RULES: readonly Rule[] = [
  { code: 'DISK_FULL', pattern: /no space left on device|disk quota exceeded/i },
  {
    code: 'PLATFORM_MISMATCH',
    pattern:
      /does not match the (specified|expected|detected host) platform|no matching manifest for|exec format error|image operating system .* cannot be used|no image found in (manifest list|image index) for architecture/i,
  },
  {
    code: 'BAD_REFERENCE',
    pattern:
      /invalid reference format|invalid repository name|repository name must be|not a valid (image|repository)|invalid (image )?reference|invalid tag format/i,
  },
  { code: 'BIND_SOURCE_MISSING', pattern: /bind source path does not exist:?\s*"?([^"\s]+)"?/i, target: 1 },
  {
    code: 'BIND_SOURCE_MISSING',
    pattern: /error while creating mount source path ['"]([^'"]+)['"]/i,
    target: 1,
  },
  {
    code: 'BIND_SOURCE_MISSING',
    pattern: /error mounting "([^"]+)" to rootfs.*(not a directory|no such file|directory onto a file)/is,
    target: 1,
  },
  {
    code: 'BIND_SOURCE_MISSING',
    pattern: /(?:statfs|lstat) (\/[^:]+): no such file or directory/i,
    target: 1,
  },
  { code: 'BIND_SOURCE_MISSING', pattern: /are you trying to mount a directory onto a file/i },
  {
    code: 'PORT_CONFLICT',
    pattern:
      /port is already allocated|address already in use|failed to bind (host )?port|ports are not available|port .* is already in use/i,
  },
  {
    code: 'COMMAND_NOT_FOUND',
    pattern:
      /executable file (`[^`]*` )?not found|exec: "([^"]+)": (stat [^:]+: no such file|permission denied|is a directory)|unable to start container process: .*(no such file or directory|permission denied): unknown|no command or entrypoint|no command specified/i,
    subjects: ['container', 'create'],
  },
  {
    code: 'NAME_TAKEN',
    pattern:
      /(container )?name .* is already in use|that name is already in use|name .* is in use: container already exists/i,
    subjects: ['container', 'create'],
  },
  {
    code: 'NETWORK_NOT_FOUND',
    pattern:
      /network ("?[\w.-]+"?:? )?not found|no such network(?! interface)|unable to find network|network not found/i,
  },
  {
    code: 'IMAGE_IN_USE',
    pattern:
      /unable to (delete|remove)|must (be )?forced?\b|being used by|is using its referenced|in use by|image (is )?used by|dependent child images/i,
    subjects: ['image'],
  },
  { code: 'VOLUME_IN_USE', pattern: /volume .*(in use|being used)/i, subjects: ['volume'] },
  {
    code: 'DIGEST_MISMATCH',
    pattern:
      /verification failed for digest|unexpected commit digest|does not match provided manifest digest|digest did not match/i,
    subjects: ['pull'],
  },
  {
    code: 'REGISTRY_RATE_LIMITED',
    pattern: /toomanyrequests|too many requests|rate limit/i,
    subjects: ['pull'],
  },
  {
    code: 'REGISTRY_UNTRUSTED',
    pattern:
      /x509|certificate signed by unknown authority|tls: (failed to verify|bad certificate|unknown certificate|certificate required|handshake failure|first record)|http response to https client/i,
    subjects: ['pull'],
  },
  {
    code: 'REGISTRY_UNAUTHORIZED',
    // Amazon's registry says "denied" of a token that has expired.
    pattern:
      /unauthorized|authentication required|no basic auth credentials|incorrect username or password|invalid username\/password|authorization token has expired|status(code)?:? 401/i,
    subjects: ['pull', 'image'],
  },
  {
    code: 'REGISTRY_FORBIDDEN',
    // Of what is not there as well, so that nobody learns what is; without credentials it means that some are wanted.
    pattern: /\bdenied\b|403 forbidden|insufficient_scope|status(code)?:? 403/i,
    subjects: ['pull', 'image'],
  },
  {
    code: 'IMAGE_NOT_FOUND',
    pattern:
      /no such image|manifest( for .*)? (unknown|not found)|manifest unknown|image not known|not found: manifest|name unknown|repository .* not found/i,
  },
  { code: 'IMAGE_NOT_FOUND', pattern: /: not found$/i, subjects: ['pull'] },
  {
    code: 'REGISTRY_UNREACHABLE',
    pattern:
      /no such host|connection refused|i\/o timeout|tls handshake|request canceled|temporary failure in name resolution|network is unreachable|no route to host|deadline exceeded|connection reset|unexpected eof|\bEOF\b|(received unexpected|unexpected) (http )?status|server misbehaving|pinging container registry/i,
    subjects: ['pull'],
  },
];

/** An engine's refusal as an error with the most exact code its words allow (Docker Engine API v1.52, podman 4.3). */
export function refusal(
  status: number,
  message: string,
  about: { subject: Subject; target?: string | undefined; call: string },
): EdgeError {
  const text = message === '' ? `${about.call} was answered with ${status}` : message;
  for (const rule of RULES) {
    if (rule.subjects !== undefined && !rule.subjects.includes(about.subject)) continue;
    const match = rule.pattern.exec(text);
    if (match === null) continue;
    if (rule.code === 'PORT_CONFLICT') return portConflict(text, about.target);
    return engineError(rule.code, text, rule.target === undefined ? about.target : match[rule.target]);
  }
  return engineError(codeOfStatus(status, text, about.subject), text, about.target);
}

function codeOfStatus(status: number, text: string, subject: Subject): EngineCode {
  if (/client version [\d.]+ is too (new|old)/i.test(text)) return 'ENGINE_PROTOCOL';
  // A path the engine does not have is no statement about the thing; podman lacks some of Docker's.
  if (/page not found|^not found$|method not allowed/i.test(text.trim())) return 'ENGINE_REFUSED';
  if (status === 404)
    return subject === 'image' || subject === 'pull' ? 'IMAGE_NOT_FOUND' : 'ENGINE_NOT_FOUND';
  if (status === 409) return subject === 'image' ? 'IMAGE_IN_USE' : 'ENGINE_CONFLICT';
  if (status === 403) return subject === 'pull' ? 'REGISTRY_FORBIDDEN' : 'ENGINE_CONFLICT';
  if (status === 401) return subject === 'pull' ? 'REGISTRY_UNAUTHORIZED' : 'ENGINE_REFUSED';
  if (status === 502 || status === 503 || status === 504) return 'ENGINE_PROTOCOL';
  if (status >= 500) return 'ENGINE_FAILED';
  return 'ENGINE_REFUSED';
}

/** The host port that a message names, or undefined. */
export function portOf(message: string): number | undefined {
  const found =
    /bind for [^\s]*?:(\d+)(?:\/\w+)? failed/i.exec(message) ??
    /(?:exposing port|host port(?: for)?)[^\d]*(?:TCP |UDP )?(?:[\d.]+|\[?[\da-f:]*\]?|):(\d+)/i.exec(
      message,
    ) ??
    /listen (?:tcp|udp)[46]? [^\s]*?:(\d+)/i.exec(message) ??
    /:(\d{1,5})(?:\/\w+)?(?::| )[^:]*(?:already|in use)/i.exec(message) ??
    /port (\d{1,5})\b/i.exec(message);
  return found?.[1] === undefined ? undefined : Number(found[1]);
}

function portConflict(text: string, target: string | undefined): EdgeError {
  const port = portOf(text);
  const lead = port === undefined ? 'a host port is already taken' : `host port ${port} is already taken`;
  return engineError('PORT_CONFLICT', `${lead}: ${text}`, target);
}

/** The engine's words out of an error body: Docker's `{message}`, podman's `{cause, message}`, else the text itself. */
export function messageOf(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (
      typeof parsed === 'object' &&
      parsed !== null &&
      'message' in parsed &&
      typeof parsed.message === 'string'
    )
      return parsed.message.trim();
  } catch {
    // Plain text, or the HTML of something in between.
  }
  return body
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}
