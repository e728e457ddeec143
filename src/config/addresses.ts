import { isIP } from 'node:net';
import { Invalid } from './complaints.ts';
import { scalar } from './kinds.ts';

/** Where to listen. */
export interface Address {
  /** A name, an IPv4 or an IPv6 address, the latter without its brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

const hostGrammar = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;

export const address = scalar('HOST:PORT', (value): Address => {
  const colon = value.lastIndexOf(':');
  const written = value.slice(0, Math.max(colon, 0));
  const port = /^\d{1,5}$/.test(value.slice(colon + 1)) ? Number(value.slice(colon + 1)) : NaN;
  // "Every interface" is too much to be meant by leaving something out.
  if (written === '' || written === '*') {
    throw new Invalid(
      'must be HOST:PORT; 127.0.0.1:8080 is this machine alone, 0.0.0.0:8080 or [::]:8080 everyone',
    );
  }
  const bracketed = /^\[(.+)\]$/.exec(written)?.[1];
  if (bracketed === undefined ? !hostGrammar.test(written) : isIP(bracketed) !== 6) {
    throw new Invalid(`"${written}" is no host name or address; write IPv6 in brackets, as [::1]:8080`);
  }
  if (!(port <= 65535)) throw new Invalid('must end with a port from 0 to 65535, as 127.0.0.1:8080');
  return { host: bracketed ?? written, port };
});

/** `http://HOST` or `https://HOST:PORT`, as URL.origin prints it. */
export const origin = scalar('URL', (value) => {
  if (!/^https?:\/\//i.test(value)) throw new Invalid('must start with http:// or https://');
  // The text is not repeated: it holds a password.
  if (value.includes('@')) throw new Invalid('must hold no credentials; give username and password_file');
  if (!/^[a-z]+:\/\/[^/?#\\\s]+\/?$/i.test(value) || !URL.canParse(value)) {
    throw new Invalid('must be a scheme, a host and a port only, as http://127.0.0.1:5000');
  }
  return new URL(value).origin;
});

/** `https://HOST/PATH`, as it is written. */
export const webAddress = scalar('URL', (value) => {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value))
    throw new Invalid('must start with http:// or https://');
  const { username, password, hash } = new URL(value);
  if (username || password || hash) throw new Invalid('must hold no credentials and no fragment');
  return value;
});

/** A range of addresses, in the words of BlockList.addSubnet. */
export interface Network {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

export const network = scalar('IP[/BITS]', (value): Network => {
  const [ip = '', bits, ...rest] = value.split('/');
  const version = ip.includes('%') ? 0 : isIP(ip);
  const most = version === 4 ? 32 : 128;
  const prefixLength = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
  if (version === 0 || rest.length > 0 || !(prefixLength <= most)) {
    throw new Invalid(`"${value}" is no address or network; write 10.0.0.7, 10.0.0.0/8 or fd00::/8`);
  }
  return { address: ip, prefixLength, family: version === 4 ? 'ipv4' : 'ipv6' };
});

export const hostName = scalar('NAME', (value) => {
  // RFC 6066, section 3: an address is no server name.
  if (hostGrammar.test(value) && isIP(value) === 0) return value;
  throw new Invalid(`"${value}" is no host name, as registry.internal`);
});
