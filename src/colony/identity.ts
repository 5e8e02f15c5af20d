import { sha3_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { getPublicKey, utils } from '@noble/secp256k1';
import { EdgeError } from '../base/errors.ts';

/**
 * The ColonyOS identity of a private key (64 hexadecimal digits, secp256k1): SHA3-256 over the 130 lower-case
 * hexadecimal characters of the uncompressed public key, as 64 hexadecimal digits (colonies `pkg/security/crypto`).
 * Throws `KEY_INVALID` for a key of wrong form or outside 1..n-1; the text does not hold the key.
 */
export function deriveId(prvHex: string): string {
  if (!/^[0-9a-fA-F]{64}$/.test(prvHex)) throw invalidKey('it must be 64 hexadecimal digits');
  const key = hexToBytes(prvHex);
  if (!utils.isValidSecretKey(key)) throw invalidKey('it is outside the range of the curve');
  return bytesToHex(sha3_256(utf8ToBytes(bytesToHex(getPublicKey(key, false)))));
}

function invalidKey(why: string): EdgeError {
  return new EdgeError(`Private key is not valid: ${why}`, { code: 'KEY_INVALID', retry: 'permanent' });
}
