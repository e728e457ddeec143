import { X509Certificate, type KeyObject } from 'node:crypto';

const chainLimit = 8;

/**
 * The key of the first certificate of an `x5c` header (RFC 7515, section 4.1.6), if the chain leads to a trusted one;
 * each link signed by the next, which must be an authority, and all valid now.
 */
export function keyOfChain(
  x5c: readonly unknown[],
  trusted: readonly X509Certificate[],
  nowMs: number,
): KeyObject | undefined {
  if (x5c.length === 0 || x5c.length > chainLimit) return undefined;
  const chain = parse(x5c);
  if (!chain?.every((certificate) => isValidAt(certificate, nowMs))) return undefined;
  for (const [at, certificate] of chain.entries()) {
    if (trusted.some((root) => isTrustedBy(certificate, root, nowMs))) return chain[0]?.publicKey;
    const issuer = chain[at + 1];
    if (!issuer || !isIssuedBy(certificate, issuer)) return undefined;
  }
  return undefined;
}

/** The header is the bearer's word: an element may be anything, and `Buffer.from({length: 1e9})` takes a gigabyte. */
function parse(x5c: readonly unknown[]): X509Certificate[] | undefined {
  if (!x5c.every((element) => typeof element === 'string')) return undefined;
  try {
    return x5c.map((base64) => new X509Certificate(Buffer.from(base64, 'base64')));
  } catch {
    return undefined;
  }
}

/** It is the trusted certificate itself, or one that the trusted one has issued. */
function isTrustedBy(certificate: X509Certificate, root: X509Certificate, nowMs: number): boolean {
  if (certificate.raw.equals(root.raw)) return true;
  return isValidAt(root, nowMs) && isIssuedBy(certificate, root);
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isValidAt({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  return Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);
}
