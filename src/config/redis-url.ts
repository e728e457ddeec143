import { address, type Address } from './addresses.ts';
import { Invalid } from './complaints.ts';
import { scalar } from './kinds.ts';

/** Where Redis is, and who says which of its servers is the one to write to. */
export type RedisServers =
  | { readonly kind: 'standalone'; readonly address: Address; readonly database: number }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Address[];
      /** What the sentinels call the master. */
      readonly name: string;
      readonly database: number;
    }
  | { readonly kind: 'cluster'; readonly nodes: readonly Address[] };

/** What `redis.url` says. */
export interface RedisUrl {
  readonly servers: RedisServers;
  readonly isTls: boolean;
}

/** Braces would begin another hash tag than the one that is made of it. */
export const keyPrefix = scalar('TEXT', (value) => {
  if (/^[\w.:-]{1,64}$/.test(value)) return value;
  throw new Invalid('must be 1 to 64 letters, digits or any of _ . : -');
});

const forms =
  'redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,HOST:PORT; rediss is with TLS';

/** `redis://HOST:PORT[/DATABASE]`, or several hosts, of sentinels or of a Cluster. */
export const redisUrl = scalar('URL', (value): RedisUrl => {
  // The text is not repeated: it holds a password.
  if (value.includes('@'))
    throw new Invalid('must hold no credentials; give redis.username and redis.password_file');
  const [, scheme, kind = 'standalone', hosts = '', path = ''] =
    /^(rediss?)(?:\+(sentinel|cluster))?:\/\/([^/?#\s]+)(?:\/([^?#\s]*))?$/.exec(value) ?? [];
  if (scheme === undefined) throw new Invalid(`must be ${forms}`);
  return { servers: serversOf(kind, hosts.split(','), path), isTls: scheme === 'rediss' };
});

function serversOf(kind: string, hosts: readonly string[], path: string): RedisServers {
  if (kind === 'sentinel') {
    const [name = '', database = '', ...rest] = path.split('/');
    if (name === '' || rest.length > 0)
      throw new Invalid("must end with the master's name, as redis+sentinel://HOST:26379/mymaster");
    return {
      kind,
      name,
      database: databaseOf(database),
      sentinels: hosts.map((host) => serverOf(host, 26379)),
    };
  }
  const nodes = hosts.map((host) => serverOf(host, 6379));
  if (kind === 'cluster') {
    if (path !== '') throw new Invalid('must end with its hosts: a Cluster has one database only');
    return { kind, nodes };
  }
  const [only, ...others] = nodes;
  if (!only || others.length > 0)
    throw new Invalid('names several hosts; say what they are: redis+sentinel:// or redis+cluster://');
  return { kind: 'standalone', address: only, database: databaseOf(path) };
}

function serverOf(host: string, defaultPort: number): Address {
  const server = address.fromText(/:\d+$/.test(host) ? host : `${host}:${defaultPort}`, '');
  if (server.port === 0) throw new Invalid(`"${host}" has port 0; give the one that Redis listens on`);
  return server;
}

function databaseOf(text: string): number {
  if (text === '') return 0;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new Invalid(`"${text}" is no number of a database, as 0`);
}
