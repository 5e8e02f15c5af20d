import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { sha3_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { hashes, recoverPublicKey, Signature, sign, utils } from '@noble/secp256k1';
import { EdgeError } from '../base/errors.ts';

// The synchronous signer derives its nonces with HMAC-SHA-256 (RFC 6979) and brings no hash of its own.
hashes.sha256 = sha256;
hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);

const SIGNATURE_HEX = /^[0-9a-fA-F]{130}$/;

/** SHA3-256 (FIPS 202) of the text's UTF-8 bytes: 32 bytes. */
export function digestOf(text: string): Uint8Array {
  return sha3_256(utf8ToBytes(text));
}

/**
 * Signs a text as the ColonyOS server expects it (PROTOCOL.md section 3): ECDSA over its SHA3-256, deterministic,
 * low s, as 130 lower-case hexadecimal digits r‖s‖v with v 0 or 1. Throws `KEY_INVALID`; the text does not hold the key.
 */
export function signText(text: string, prvHex: string): string {
  const key = /^[0-9a-fA-F]{64}$/.test(prvHex) ? hexToBytes(prvHex) : new Uint8Array();
  if (!utils.isValidSecretKey(key))
    throw new EdgeError('Private key is not valid', { code: 'KEY_INVALID', retry: 'permanent' });
  const bytes = sign(digestOf(text), key, { prehash: false, lowS: true, format: 'recovered' });
  // The library puts the recovery id first, the server wants it last.
  return bytesToHex(bytes.subarray(1)) + bytesToHex(bytes.subarray(0, 1));
}

/**
 * The identity (64 hexadecimal digits) that signed the text. Any well-formed signature recovers to some identity, also
 * a wrong one. Throws `SIGNATURE_INVALID` for what the server refuses: form, range of r, s and v, or s over n/2.
 */
export function recoverId(text: string, signature: string): string {
  if (!SIGNATURE_HEX.test(signature)) throw invalid('it must be 130 hexadecimal digits');
  const bytes = hexToBytes(signature);
  const v = bytes[64] ?? 0;
  if (v > 7) throw invalid('its recovery id is out of range');
  try {
    if (Signature.fromBytes(bytes.subarray(0, 64), 'compact').hasHighS()) throw invalid('s is over n/2');
    // v + 4 is an alias: the server only knows it as the mark of a compressed key.
    const recovered = new Uint8Array([v & 3, ...bytes.subarray(0, 64)]);
    const pub = recoverPublicKey(recovered, digestOf(text), { prehash: false, isCompressed: false });
    return bytesToHex(digestOf(bytesToHex(pub)));
  } catch (error) {
    throw error instanceof EdgeError ? error : invalid('no public key belongs to it', error);
  }
}

function invalid(why: string, cause?: unknown): EdgeError {
  return new EdgeError(`Signature is not valid: ${why}`, {
    code: 'SIGNATURE_INVALID',
    retry: 'permanent',
    cause,
  });
}
