import { EdgeError } from '../base/errors.ts';
import { engineError } from './errors.ts';
import type { RegistryCredentials } from './registry-auth.ts';

/** What was tried when a pull failed. */
export interface PullAttempt {
  reference: string;
  registry: string;
  credentials: RegistryCredentials | undefined;
  /** What stood in the way of credentials. */
  problems: readonly string[];
}

/** The failure of a pull in words that say what to do; the engine's own come last. Anything else is given back as it is. */
export function explainPullFailure(error: unknown, attempt: PullAttempt): unknown {
  if (!(error instanceof EdgeError)) return error;
  const { reference, registry, credentials, problems } = attempt;
  const image = reference.startsWith(`${registry}/`) ? reference.slice(registry.length + 1) : reference;
  const say = (code: Parameters<typeof engineError>[0], advice: string, more: readonly string[] = []) => {
    const also = more.length === 0 ? '' : `; ${more.join('; ')}`;
    return engineError(code, `${advice}${also} (${error.message})`, reference, error);
  };
  switch (error.code) {
    case 'REGISTRY_UNAUTHORIZED':
    case 'REGISTRY_FORBIDDEN':
      if (credentials === undefined)
        return say(
          'REGISTRY_UNAUTHORIZED',
          `${registry} does not give ${image} to everybody and there are no credentials for it: ` +
            `add a file to the registries folder, or run "docker login ${registry}"`,
          problems,
        );
      if (error.code === 'REGISTRY_UNAUTHORIZED')
        return say(
          error.code,
          `${registry} refuses the credentials from ${credentials.from}: renew them, each try reads them anew`,
          problems,
        );
      return say(
        error.code,
        `the credentials from ${credentials.from} may not pull ${image} from ${registry}: get them the right to, or check the name`,
        problems,
      );
    case 'IMAGE_NOT_FOUND':
      return say(error.code, `${registry} has no ${image}: push it, or check name and tag`);
    case 'REGISTRY_UNTRUSTED':
      return say(
        error.code,
        /http response to https/i.test(error.message)
          ? `${registry} speaks no TLS: give it a certificate, or name it in the engine's insecure-registries`
          : `the engine does not trust the certificate of ${registry}: put its authority into ` +
              `/etc/docker/certs.d/${registry}/ca.crt, and check this machine's clock`,
      );
    case 'REGISTRY_RATE_LIMITED':
      return say(
        error.code,
        credentials === undefined
          ? `${registry} limits pulls without credentials: add some, or wait`
          : `${registry} limits the pulls of the account from ${credentials.from}: wait, or use another one`,
        problems,
      );
    case 'REGISTRY_UNREACHABLE':
      return say(
        error.code,
        `${registry} cannot be reached: check the link, the name, and whether the registry runs`,
      );
    case 'DIGEST_MISMATCH':
      return say(
        error.code,
        `what ${registry} sent is not what ${image} asks for: check what is between it and this machine`,
      );
    case 'DISK_FULL':
      return say(error.code, `no room for ${reference} on the engine's disk: free some`);
    default:
      return error;
  }
}
