import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  webcrypto,
  type KeyObject,
} from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { libtrustId } from './key-ids.ts';

/** What signs our tokens, and what a registry needs to verify them. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly algorithm: 'ES256' | 'RS256';
  /** In libtrust's form, which distribution 2.x looks for; 3.x takes it from the key set. */
  readonly id: string;
  /** RFC 7517. */
  readonly jwks: { readonly keys: readonly object[] };
}

/**
 * Reads the key, or makes one (P-256) at the first start. Beside it stand what a registry takes: `<file>.crt`
 * (`rootcertbundle`) and `<file>.jwks.json` (`jwks`).
 * @throws Error where the file cannot be read, made, or is no key that we can sign with
 */
export async function openSigningKey(path: string): Promise<SigningKey> {
  const privateKey = readKey(path) ?? makeKey(path);
  const key = describe(privateKey, path);
  publish(`${path}.jwks.json`, `${JSON.stringify(key.jwks, null, 2)}\n`);
  if (!isThere(`${path}.crt`, key)) publish(`${path}.crt`, await selfSigned(privateKey));
  return key;
}

/** The same key in another process, which neither reads nor makes a file for it. */
export function signingKeyOf(pem: string): SigningKey {
  return describe(createPrivateKey(pem), 'the signing key');
}

export function pemOf({ privateKey }: SigningKey): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const readOnly = new Set(['EACCES', 'EPERM', 'EROFS']);

/** Not where the key was mounted read-only, as secrets are: it is good without, and `/jwks.json` has it too. */
function publish(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    if (!readOnly.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function readKey(path: string): KeyObject | undefined {
  try {
    return createPrivateKey(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`${path}: cannot be read as a private key (PEM)`, { cause: error });
  }
}

function makeKey(path: string): KeyObject {
  mkdirSync(dirname(path), { recursive: true });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  return privateKey;
}

function describe(privateKey: KeyObject, path: string): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const isP256 = privateKey.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  // RFC 7518, section 3.3: no shorter one may sign.
  const isRsa =
    privateKey.asymmetricKeyType === 'rsa' && (privateKey.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048;
  if (!isRsa && !isP256) {
    throw new Error(
      `${path}: must be an RSA key of at least 2048 bits or a P-256 key; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`,
    );
  }
  const algorithm = isP256 ? 'ES256' : 'RS256';
  const id = libtrustId(publicKey);
  const jwk = { ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: algorithm, kid: id };
  return { privateKey, publicKey, algorithm, id, jwks: { keys: [jwk] } };
}

function isThere(path: string, { id }: SigningKey): boolean {
  try {
    return libtrustId(createPublicKey(readFileSync(path))) === id;
  } catch {
    return false;
  }
}

const tenYearsMs = 10 * 365 * 24 * 3600 * 1000;

/** Registries trust the key of a certificate; nobody looks at what else is in it. */
async function selfSigned(privateKey: KeyObject): Promise<string> {
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const algorithm =
    privateKey.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      : { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const { subtle } = webcrypto;
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=tagwarden',
    notBefore: new Date(Date.now() - 24 * 3600 * 1000),
    notAfter: new Date(Date.now() + tenYearsMs),
    signingAlgorithm: algorithm,
    keys: {
      privateKey: await subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
      publicKey: await subtle.importKey('spki', spki, algorithm, true, ['verify']),
    },
  });
  return `${certificate.toString('pem')}\n`;
}
