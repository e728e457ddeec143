import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Network } from '../config/addresses.ts';
import { RegistryError } from '../core/errors.ts';
import { headerValues } from '../core/header-list.ts';
import { certifiedSubject } from './client-certificate.ts';

/** Whom a request came from and under which address: what the upstream is told, and what `Location` is made of. */
export interface Addressed {
  /** The client's own address: the nearest that is no trusted proxy's. */
  readonly client: string;
  /** Address of the client, after the proxies before it: the value of `X-Forwarded-For`. */
  readonly forwardedFor: string;
  readonly protocol: string;
  readonly host: string;
  /** Whom the client's certificate names, which was verified; a trusted proxy's is not the client's. */
  readonly certified?: string;
}

export interface Addressing {
  /** Absent: the Host that the client used. */
  readonly publicUrl: URL | undefined;
  /** Absent: nobody is. */
  readonly trustedProxies: BlockList | undefined;
}

const hostGrammar = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

export function trustedProxies(networks: readonly Network[]): BlockList | undefined {
  // Also an empty list takes longer to ask than a request takes that is answered from memory.
  if (networks.length === 0) return undefined;
  const list = new BlockList();
  for (const { address, prefixLength, family } of networks) list.addSubnet(address, prefixLength, family);
  return list;
}

/**
 * Reads where a request came from. A client's own `X-Forwarded-*` would poison the `Location` that the registry
 * makes, and so they count only from a configured proxy.
 * @throws RegistryError NAME_INVALID where the Host is missing, repeated or no host; DENIED for a client certificate
 *   that nobody vouches for
 */
export function addressOf(
  req: IncomingMessage,
  { publicUrl, trustedProxies: trusted }: Addressing,
): Addressed {
  const peer = peerOf(req.socket);
  const isTrustedAddress = (ip: string): boolean => isTrustedProxy(trusted, ip);
  const isTrusted = isTrustedAddress(peer);
  const certified = certifiedSubject(req.socket);
  const told = (name: string): string | undefined =>
    isTrusted ? headerValues(req.rawHeaders, name).join(', ') || undefined : undefined;
  const before = told('x-forwarded-for');
  const firstOf = (list: string | undefined): string | undefined => list?.split(',')[0]?.trim();
  const protocol = firstOf(told('x-forwarded-proto')) ?? (req.socket instanceof TLSSocket ? 'https' : 'http');
  const host = firstOf(told('x-forwarded-host')) ?? hostOf(req);
  if (!hostGrammar.test(host)) throw new RegistryError('NAME_INVALID', { message: 'invalid Host header' });
  return {
    client: isTrusted ? clientOf(peer, before, isTrustedAddress) : peer,
    forwardedFor: before ? `${before}, ${peer}` : peer,
    protocol: publicUrl?.protocol.slice(0, -1) ?? (protocol === 'https' ? 'https' : 'http'),
    host: publicUrl?.host ?? host,
    ...(certified !== undefined && !isTrusted && { certified }),
  };
}

/** The address at the other end of a connection; IPv4 as such, also where it came to an IPv6 socket. */
export function peerOf({ remoteAddress }: Socket): string {
  return (remoteAddress ?? '').replace(/^::ffff:/, '');
}

export function isTrustedProxy(trusted: BlockList | undefined, ip: string): boolean {
  return trusted !== undefined && isIP(ip) !== 0 && trusted.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
}

/** From the right, for what is to the left a client may have written itself. */
function clientOf(peer: string, before: string | undefined, isTrusted: (ip: string) => boolean): string {
  const hops = [...(before?.split(',').map((hop) => hop.trim()) ?? []), peer];
  return hops.findLast((hop) => !isTrusted(hop)) ?? peer;
}

/** HTTP/1.0 needs none; two of them are read differently by every server (RFC 9112, section 3.2). */
function hostOf(req: IncomingMessage): string {
  const hosts = headerValues(req.rawHeaders, 'host');
  if (hosts.length > 1) throw new RegistryError('NAME_INVALID', { message: 'more than one Host header' });
  const { localAddress = '', localPort = 0 } = req.socket;
  return (
    hosts[0] ?? (isIPv6(localAddress) ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`)
  );
}
