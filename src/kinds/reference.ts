/** An image reference taken apart (grammar: github.com/distribution/reference). */
export interface Reference {
  /** Full repository name: `docker.io/library/nginx`. */
  name: string;
  /** As people write it: `nginx`. */
  familiar: string;
  /** Absent when there is neither tag nor digest; it is then `latest`. */
  tag?: string;
  /** `sha256:...` */
  digest?: string;
}

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const HOST_LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const DOMAIN = new RegExp(`^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;
const IMAGE_ID = /^sha256:[a-f0-9]{64}$/;

/** The parts of a reference, or one clause that says what is wrong with it. A bare image id has an empty name. */
export function parseReference(text: string): Reference | string {
  if (text.length > 600) return 'must have at most 600 signs';
  if (IMAGE_ID.test(text)) return { name: '', familiar: '', digest: text };
  if (/\s/.test(text)) return 'must not contain blanks';
  const [rest = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest)))
    return 'must have a digest of the form "@sha256:" and 64 lower-case hexadecimal digits';
  const colon = rest.lastIndexOf(':');
  const tagged = colon > rest.lastIndexOf('/');
  const repository = tagged ? rest.slice(0, colon) : rest;
  const tag = tagged ? rest.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag))
    return 'must have a tag of letters, digits, "_", "." and "-", at most 128';
  const { domain, path } = splitDomain(repository);
  if (!DOMAIN.test(domain)) return `must have a valid registry host, not "${domain}"`;
  if (!PATH.test(path))
    return path !== path.toLowerCase()
      ? 'must have a repository name in lower case'
      : 'must be an image reference such as "nginx:1.27" or "registry.example.com/team/app:1"';
  const name = `${domain}/${path}`;
  if (name.length > 255) return 'must have a repository name of at most 255 signs';
  if (/^[a-f0-9]{64}$/.test(repository))
    return 'must not be 64 hexadecimal digits alone; write "sha256:" first';
  const familiar = name.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '');
  return {
    name,
    familiar,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

/** The first part is a registry only when it looks like a host: a dot, a port, `localhost`, or capitals. */
function splitDomain(repository: string): { domain: string; path: string } {
  const slash = repository.indexOf('/');
  const first = repository.slice(0, Math.max(slash, 0));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  let domain = isHost ? first : 'docker.io';
  const path = isHost ? repository.slice(slash + 1) : repository;
  if (domain === 'index.docker.io') domain = 'docker.io';
  return { domain, path: domain === 'docker.io' && !path.includes('/') ? `library/${path}` : path };
}
