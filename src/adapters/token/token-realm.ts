import { rootCertificates } from 'node:tls';
import { buildConnector } from 'undici';
import type { UpstreamCredentials } from '../../config/config.ts';
import { bareHost, serverNameFor } from '../tls/server-name.ts';
import { Upstream, UpstreamFailure, type UpstreamAnswer, type UpstreamOptions } from '../upstream.ts';

/** What a registry's Bearer challenge says of where tokens are (spec/auth/token). */
export interface Realm {
  readonly url: string;
  /** Absent where the challenge names none. */
  readonly service: string | undefined;
}

export interface GrantedToken {
  readonly token: string;
  readonly lifetimeSeconds: number;
}

/** There is no token; the message is public, the cause is not. `refuses`: these credentials, or this scope to them; asking again soon would not help. */
export class NoToken extends Error {
  readonly refuses: 'credentials' | 'scope' | undefined;

  constructor(reason: string, { refuses, cause }: { refuses?: NoToken['refuses']; cause?: unknown } = {}) {
    super(reason, { cause });
    this.refuses = refuses;
  }
}

const withinMs = 3_000;
const answerLimitBytes = 256 * 1024;
const connections = 4;
/** It goes into one header. */
const tokenGrammar = /^[!-~]{1,16384}$/;
/** What clients take where nothing, or less, is said (spec/auth/token). */
const leastLifetimeSeconds = 60;
const mostLifetimeSeconds = 24 * 3600;

/** Where Tagwarden gets tokens for its own look-ups: asked once, never followed anywhere else. */
export class TokenRealm {
  readonly #realm: Realm;
  readonly #address: URL;
  readonly #server: Upstream;

  /**
   * @param upstream of the registry whose realm this is
   * @throws NoToken where the password must not go there
   */
  constructor(realm: Realm, upstream: { readonly origin: string; readonly ca?: string | undefined }) {
    this.#realm = realm;
    this.#address = addressOf(realm, new URL(upstream.origin));
    const { origin } = this.#address;
    this.#server = new Upstream({ origin, connections, tls: trustIn(this.#address, upstream.ca) });
  }

  isOf({ url, service }: Realm): boolean {
    return this.#realm.url === url && this.#realm.service === service;
  }

  /** @throws NoToken */
  async tokenFor(scope: string, credentials: UpstreamCredentials): Promise<GrantedToken> {
    let answer = await this.#askWithGet(scope, credentials);
    // Some, as docker's own clients found, have only the form of OAuth 2.
    if (answer.status === 404 || answer.status === 405) answer = await this.#askWithPost(scope, credentials);
    const { status, body } = answer;
    if (status === 200) return readToken(body);
    const refuses = status === 400 || status === 401 ? 'credentials' : status === 403 ? 'scope' : undefined;
    const cause = new Error(`${this.#address.origin} answered ${status}`);
    throw new NoToken('the token service of the upstream gives us no token', { refuses, cause });
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  #askWithGet(scope: string, credentials: UpstreamCredentials): Promise<UpstreamAnswer> {
    const target = new URL(this.#address);
    for (const [name, value] of this.#questions(scope)) target.searchParams.append(name, value);
    target.searchParams.append('account', credentials.username);
    return this.#ask('GET', target, ['Authorization', basicAuthorization(credentials)]);
  }

  #askWithPost(scope: string, { username, password }: UpstreamCredentials): Promise<UpstreamAnswer> {
    const form = new URLSearchParams([
      ...this.#questions(scope),
      ...Object.entries({ grant_type: 'password', client_id: 'tagwarden', username }),
      ['password', password.reveal()],
    ]);
    const headers = ['Content-Type', 'application/x-www-form-urlencoded'];
    return this.#ask('POST', this.#address, headers, Buffer.from(form.toString()));
  }

  #questions(scope: string): [name: string, value: string][] {
    const { service } = this.#realm;
    return [...(service === undefined ? [] : [['service', service] as [string, string]]), ['scope', scope]];
  }

  async #ask(
    method: string,
    { pathname, search }: URL,
    headers: readonly string[],
    body?: Buffer,
  ): Promise<UpstreamAnswer> {
    const request = {
      method,
      target: pathname + search,
      headers: ['Accept', 'application/json', ...headers],
    };
    try {
      return await this.#server.ask({ ...request, ...(body && { body }) }, withinMs, answerLimitBytes);
    } catch (cause) {
      if (!(cause instanceof UpstreamFailure)) throw cause;
      throw new NoToken('the token service of the upstream did not answer', { cause });
    }
  }
}

/**
 * The registry says where our password goes. Only over TLS, or to where it would go in clear anyway: to the host of a
 * registry that is spoken to without TLS, or not out of this machine at all.
 * @throws NoToken
 */
function addressOf({ url }: Realm, upstream: URL): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (!address || !['http:', 'https:'].includes(address.protocol) || address.username || address.password)
    throw unusable(`it names ${url}`);
  const isInClear = upstream.protocol === 'http:' && upstream.hostname === address.hostname;
  const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(address.hostname);
  if (address.protocol === 'https:' || isInClear || isLocal) return address;
  throw unusable(
    `${address.origin} has no TLS, and is not the upstream's host: our password is not sent there`,
  );
}

/** Its certificate may be of the registry's own authority, or of anybody's. */
function trustIn({ hostname }: URL, ca: string | undefined): UpstreamOptions['tls'] {
  const serverName = bareHost(hostname);
  const settings = {
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    servername: serverNameFor(serverName),
    minVersion: 'TLSv1.2' as const,
    // Said, or the environment might say otherwise (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
  };
  return { serverName, connector: (timeout) => buildConnector({ ...settings, timeout }) };
}

function unusable(reason: string): NoToken {
  const cause = new Error(reason);
  return new NoToken('the upstream names no token service that can be asked', {
    refuses: 'credentials',
    cause,
  });
}

export function basicAuthorization({ username, password }: UpstreamCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}

function readToken(body: Buffer): GrantedToken {
  const answer = parsed(body);
  const token = answer['token'] ?? answer['access_token'];
  if (typeof token !== 'string' || !tokenGrammar.test(token))
    throw new NoToken('the token service of the upstream gives us no token', {
      cause: new Error('there is none in its answer'),
    });
  const told = Number(answer['expires_in'] ?? leastLifetimeSeconds);
  const lifetimeSeconds = Math.min(Math.max(told || 0, leastLifetimeSeconds), mostLifetimeSeconds);
  return { token, lifetimeSeconds };
}

function parsed(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(body.toString())) as Record<string, unknown>;
  } catch {
    return {};
  }
}
