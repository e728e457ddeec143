import { isIP } from 'node:net';

/** An IPv6 address stands in brackets in a URL alone. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** What a server is asked for by; '' where nothing may be said: RFC 6066, section 3: an address is no server name. */
export function serverNameFor(host: string): string {
  return isIP(host) === 0 ? host : '';
}
