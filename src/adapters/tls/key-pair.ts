import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

/** A certificate chain and the private key of its first certificate, which were seen to fit. */
export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** Epoch milliseconds. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/**
 * @param before what it would replace; absent: nothing
 * @throws Error that says what is wrong with them, or why they may not follow
 */
export function keyPairOf(
  cert: string,
  key: string,
  { before, nowMs }: { readonly before?: KeyPair | undefined; readonly nowMs: number },
): KeyPair {
  const [leaf] = certificatesOf(cert, 'the certificate file');
  if (!leaf?.checkPrivateKey(privateKeyOf(key)))
    throw new Error('the key is not that of the first certificate');
  const pair = { cert, key, validFromMs: Date.parse(leaf.validFrom), validToMs: Date.parse(leaf.validTo) };
  const wrong = outOfDate(pair, nowMs);
  // At the start there is nothing better.
  if (wrong !== undefined && before && outOfDate(before, nowMs) === undefined) throw new Error(wrong);
  return pair;
}

/** Why nobody should accept the certificate now; undefined where it is in date. */
export function outOfDate({ validFromMs, validToMs }: KeyPair, nowMs: number): string | undefined {
  if (nowMs > validToMs) return `the certificate has expired on ${new Date(validToMs).toISOString()}`;
  if (nowMs < validFromMs) return `the certificate is valid from ${new Date(validFromMs).toISOString()} only`;
  return undefined;
}

const blocks = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * All of a file in PEM.
 * @param what the file is called
 * @throws Error where there is none, or one of them is none or cut short
 */
export function certificatesOf(text: string, what: string): readonly X509Certificate[] {
  const found = text.match(blocks) ?? [];
  // Its key may be in the same file.
  const begun = text.split('-----BEGIN CERTIFICATE-----').length - 1;
  if (found.length === 0 || found.length !== begun)
    throw new Error(`${what} holds no certificate (PEM), or one that is cut short`);
  return found.map((block, at) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new Error(`certificate ${at + 1} of ${what} cannot be read`, { cause });
    }
  });
}

function privateKeyOf(text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const isEncrypted = text.includes('ENCRYPTED');
    throw new Error(
      isEncrypted
        ? 'the key has a passphrase; give one without'
        : 'the key file holds no private key (PEM), or one that is cut short',
      { cause },
    );
  }
}
