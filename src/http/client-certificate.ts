import type { Socket } from 'node:net';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import { kindPrefix } from '../adapters/token/token-callers.ts';
import { RegistryError } from '../core/errors.ts';

/** Of one connection, for all of its requests. */
interface Shown {
  readonly subject: string | undefined;
  /** Why it is not accepted; undefined where it is. */
  readonly flaw: string | undefined;
  /** Epoch milliseconds. */
  readonly validToMs: number;
}

const shown = new WeakMap<TLSSocket, Shown | undefined>();

/**
 * Whom the certificate names that a client showed; undefined where it showed none, or one that names nobody.
 * @throws RegistryError DENIED where nobody whom we trust vouches for it, or not any more
 */
export function certifiedSubject(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  if (!shown.has(socket)) shown.set(socket, read(socket));
  const certificate = shown.get(socket);
  if (!certificate) return undefined;
  // A connection, and a session that is resumed again and again, may outlast it.
  const flaw = certificate.flaw ?? (Date.now() > certificate.validToMs ? 'CERT_HAS_EXPIRED' : undefined);
  if (flaw === undefined) return certificate.subject;
  throw new RegistryError('DENIED', { message: `your client certificate is not accepted (${flaw})` });
}

function read(socket: TLSSocket): Shown | undefined {
  const certificate = socket.getPeerX509Certificate();
  // Looked at first: Node calls a session that is resumed authorized, though there never was a certificate.
  if (!certificate) return undefined;
  const validToMs = Date.parse(certificate.validTo);
  // A code, whatever its type is said to be.
  if (!socket.authorized) return { subject: undefined, flaw: String(socket.authorizationError), validToMs };
  return { subject: subjectOf(certificate.toLegacyObject()), flaw: undefined, validToMs };
}

/**
 * Its one common name; where it has none, its first DNS name or mail address. Who has several common names has none: we
 * might take the one that the issuer did not look at.
 */
export function subjectOf({
  subject,
  subjectaltname,
}: Pick<PeerCertificate, 'subject' | 'subjectaltname'>): string | undefined {
  const { CN: name } = subject;
  if (Array.isArray(name)) return undefined;
  return usable(name ?? firstAlternative(subjectaltname ?? ''));
}

const alternative = /([A-Za-z][A-Za-z0-9 ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/gy;

/** As Node prints them: `DNS:ci.example, email:"a, b"`; what it had to quote is no name that anybody has. */
function firstAlternative(list: string): string | undefined {
  for (const [, kind, value] of list.matchAll(alternative)) {
    if (kind === 'DNS' || kind === 'email') return value?.startsWith('"') ? undefined : value;
  }
  return undefined;
}

/** A certificate makes nobody a kind of token, which members may name too. */
function usable(name: string | undefined): string | undefined {
  const isUsable = name !== undefined && /^[^\p{C}]{1,256}$/u.test(name) && !name.startsWith(kindPrefix);
  return isUsable ? name : undefined;
}
