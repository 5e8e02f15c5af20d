import { isIP } from 'node:net';

/** 4 or 6 for an IP address in text form (no brackets, no port), 0 for anything else. */
export function ipVersion(text: string): 0 | 4 | 6 {
  const version = isIP(text);
  return version === 4 ? 4 : version === 6 ? 6 : 0;
}
