/**
 * A host name that never has an address (`.invalid`, RFC 6761 section 6.4). Its first label is longer than a label may
 * be, so that it fails on this machine and no resolver is ever asked.
 */
export function nameWithoutAddress(): string {
  return `${'colony-'.repeat(10)}gone.invalid`;
}
