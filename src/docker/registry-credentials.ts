import type { Secret } from '../base/secret.ts';

/** What proves to a registry who asks. */
export type RegistryCredentials =
  | { kind: 'password'; username: string; password: Secret }
  /** An OAuth2 refresh token, which the registry's token service exchanges for an access token. */
  | { kind: 'identityToken'; token: Secret };

/** Where credentials of registries come from. */
export interface RegistryAuth {
  /** `registryHost`: as references name it, with its port: "docker.io", "registry.example:5000". Undefined: ask anonymously. */
  credentialsFor(registryHost: string): Promise<RegistryCredentials | undefined>;
}
