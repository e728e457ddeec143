import { createPublicKey, X509Certificate, type JsonWebKey, type KeyObject } from 'node:crypto';
import { keyIdsOf } from './key-ids.ts';

/** Keys that may sign tokens, by every name that a token may give them. */
export interface TrustedKeys {
  readonly byId: ReadonlyMap<string, KeyObject>;
  /** Roots of the chains that tokens may bring along (`x5c`). */
  readonly certificates: readonly X509Certificate[];
}

export const noKeys: TrustedKeys = { byId: new Map(), certificates: [] };

/** @throws Error where there is no key in it, or one that cannot be read */
export async function keysOfPem(pem: string): Promise<TrustedKeys> {
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  const certificates = blocks
    .filter((block) => block.includes('BEGIN CERTIFICATE'))
    .map((it) => new X509Certificate(it));
  const others = blocks.filter((block) => block.includes('PUBLIC KEY')).map((it) => createPublicKey(it));
  return named([...certificates.map((certificate) => certificate.publicKey), ...others], certificates);
}

/** @throws Error where it is no set of asymmetric keys (RFC 7517) */
export async function keysOfJwks(text: string): Promise<TrustedKeys> {
  const { keys } = JSON.parse(text) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('it has no "keys"');
  const byId = new Map<string, KeyObject>();
  for (const jwk of keys as (Jwk | null)[]) {
    const key = jwk && readJwk(jwk);
    if (!key) continue;
    const ids = [...(await keyIdsOf(key)), ...(typeof jwk.kid === 'string' ? [jwk.kid] : [])];
    for (const id of ids) byId.set(id, key);
  }
  if (byId.size === 0) throw new Error('it has no key that can verify a signature');
  return { byId, certificates: [] };
}

interface Jwk extends JsonWebKey {
  readonly use?: unknown;
  readonly kid?: unknown;
}

/** A key that we do not understand is left out, and the others count (section 5). */
function readJwk(jwk: Jwk): KeyObject | undefined {
  if (jwk.use !== undefined && jwk.use !== 'sig') return undefined;
  // A secret is no public key: whoever reads it could sign.
  if (!['RSA', 'EC', 'OKP'].includes(jwk.kty ?? '')) return undefined;
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

async function named(
  keys: readonly KeyObject[],
  certificates: readonly X509Certificate[],
): Promise<TrustedKeys> {
  if (keys.length === 0) throw new Error('it has no certificate and no public key');
  const byId = new Map<string, KeyObject>();
  for (const key of keys) for (const id of await keyIdsOf(key)) byId.set(id, key);
  return { byId, certificates };
}

export function mergedKeys(all: readonly TrustedKeys[]): TrustedKeys {
  return {
    byId: new Map(all.flatMap((keys) => [...keys.byId])),
    certificates: all.flatMap((keys) => keys.certificates),
  };
}
