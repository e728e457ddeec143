import { createHash, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';

/** The names by which tokens call a public key. */
export async function keyIdsOf(key: KeyObject): Promise<readonly string[]> {
  return [await calculateJwkThumbprint(key.export({ format: 'jwk' })), libtrustId(key)];
}

/**
 * The key id of docker's libtrust, which distribution 2.x and GitLab use: the first 30 bytes of the SHA-256 of the public
 * key in DER, in base32, in groups of four.
 */
export function libtrustId(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(der).digest().subarray(0, 30);
  return (base32(hash).match(/.{4}/g) ?? []).join(':');
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 4648, for whole groups of five bytes, which need no padding. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((group) => alphabet[parseInt(group, 2)]).join('');
}
