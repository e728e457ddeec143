import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IssuedToken, TokenIssuer } from '../adapters/token/issuer.ts';
import type { Logins } from '../adapters/token/login-limit.ts';
import { anonymousSubject } from '../adapters/token/token-callers.ts';
import type { UsersFile } from '../adapters/token/users-file.ts';
import { formatScopes, type Access } from '../core/access.ts';
import type { AccessLevel } from '../core/access-level.ts';
import { RegistryError } from '../core/errors.ts';
import type { RuleSource } from '../core/ports.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { grant, refuseAtToken } from '../core/token-grant.ts';
import { inviteBody, type Exchange } from './exchange.ts';
import { refusalError } from './refusal.ts';
import {
  readTokenForm,
  readTokenQuery,
  wrongCredentials,
  type Credentials,
  type TokenRequest,
} from './token-request.ts';

export interface TokenServicePorts {
  readonly users: UsersFile;
  readonly issuer: TokenIssuer;
  readonly logins: Logins;
  readonly rules: RuleSource;
  /** The public keys, RFC 7517. */
  readonly jwks: object;
  readonly service: string;
  readonly defaultAccessLevel: AccessLevel;
  /** Whether a push scope on a repository that is protected against the caller is refused here already. */
  readonly refuseAtToken: boolean;
}

const formLimitBytes = 64 * 1024;

/** Whether a path is one of the service's. */
export function isTokenPath(path: string): boolean {
  return path === '/jwt/auth' || path === '/jwks.json';
}

/**
 * Resolves when the exchange is over.
 * @throws RegistryError as the answer in place of a token, and whatever else went wrong
 */
export type TokenEndpoint = (exchange: Exchange) => Promise<void>;

interface Guest {
  readonly exchange: Exchange;
  readonly fail: (error: unknown) => void;
}

/** `/jwt/auth` and `/jwks.json` on the main listener: fastify as a guest there, which never sees `/v2/`. */
export async function tokenService(ports: TokenServicePorts): Promise<TokenEndpoint> {
  const guests = new WeakMap<IncomingMessage, Guest>();
  const { fastify } = await import('fastify');
  const app = fastify({ logger: false, bodyLimit: formLimitBytes });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) => {
    done(null, body);
  });
  const guestOf = ({ raw }: FastifyRequest): Guest => {
    const guest = guests.get(raw);
    if (!guest) throw new Error('fastify serves a request that did not come from the main listener');
    return guest;
  };
  app.setErrorHandler((error, request, reply) => {
    reply.hijack();
    guestOf(request).fail(ofClient(error));
  });
  app.setNotFoundHandler(() => {
    throw new RegistryError('NOT_FOUND');
  });
  app.get('/jwks.json', () => ports.jwks);
  app.get('/jwt/auth', (request, reply) => {
    const { exchange } = guestOf(request);
    const query = new URLSearchParams(
      exchange.target.query.map(([name, value]): [string, string] => [name, value]),
    );
    return answer(readTokenQuery(query, request.headers.authorization), exchange, reply, ports);
  });
  app.post('/jwt/auth', (request, reply) =>
    answer(readTokenForm(formOf(request)), guestOf(request).exchange, reply, ports),
  );
  await app.ready();
  return async (exchange) => {
    const { req, res } = exchange;
    const failed = new Promise<never>((_, fail) => {
      guests.set(req, { exchange, fail });
    });
    inviteBody(exchange);
    app.routing(req, res);
    await Promise.race([once(res, 'close'), failed]);
  };
}

/** What fastify itself refuses (413, 415) is the client's doing; anything else is for the server to name. */
function ofClient(error: unknown): unknown {
  const { statusCode: status } = error as { statusCode?: unknown };
  if (error instanceof RegistryError || typeof status !== 'number' || status >= 500) return error;
  return new RegistryError('UNSUPPORTED', {
    status,
    message: 'send a form, as RFC 6749 has it',
    cause: error,
  });
}

function formOf({ body }: FastifyRequest): URLSearchParams {
  return new URLSearchParams(typeof body === 'string' ? body : '');
}

async function answer(
  asked: TokenRequest,
  exchange: Exchange,
  reply: FastifyReply,
  ports: TokenServicePorts,
): Promise<object> {
  const { issuer, rules, users } = ports;
  if (asked.service !== ports.service) {
    throw new RegistryError('NOT_FOUND', { message: `this service is called ${ports.service}` });
  }
  const subject = await authenticate(asked.credentials, exchange.addressed.client, ports);
  const caller: Caller = {
    subject: subject ?? anonymousSubject,
    groups: [],
    defaultAccessLevel: subject === undefined ? 'anonymous' : ports.defaultAccessLevel,
  };
  const inForce = rulesFor(asked.scopes, rules);
  const granted = grant(inForce, asked.scopes, caller);
  const refusal = ports.refuseAtToken ? refuseAtToken(inForce, granted, caller) : undefined;
  if (refusal) {
    exchange.trail.refusedToken = { caller, rules: inForce };
    throw refusalError(refusal);
  }
  const issued = await issuer.issue(subject, granted);
  const fingerprint = subject === undefined ? undefined : await users.fingerprint(subject);
  const isRefreshed = asked.wantsRefreshToken && subject !== undefined && fingerprint !== undefined;
  void reply.header('Cache-Control', 'no-store');
  return {
    ...body(issued, asked.isOAuth2),
    ...(asked.isOAuth2 && { scope: formatScopes(granted) }),
    ...(isRefreshed && { refresh_token: await issuer.refreshToken(subject, fingerprint) }),
  };
}

/** @throws RegistryError UNAVAILABLE where a token for writing would lack what the rules forbid */
function rulesFor(scopes: readonly Access[], rules: RuleSource): RuleSet {
  const isForReading = scopes.every(({ actions }) => actions.every((action) => action === 'pull'));
  const doubt = isForReading ? undefined : rules.doubt();
  if (doubt === undefined) return rules.current();
  const message = `no token for writing can be issued now: ${doubt}`;
  throw new RegistryError('UNAVAILABLE', { message, retryAfterSeconds: 5 });
}

function body({ token, expiresInSeconds, issuedAt }: IssuedToken, isOAuth2: boolean): object {
  const both = { access_token: token, expires_in: expiresInSeconds, issued_at: issuedAt.toISOString() };
  return isOAuth2 ? both : { token, ...both };
}

/** @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS */
async function authenticate(
  credentials: Credentials,
  address: string,
  { users, issuer, logins }: TokenServicePorts,
): Promise<string | undefined> {
  if (credentials.kind === 'none') return undefined;
  if (credentials.kind === 'refreshToken') {
    const known = await issuer.readRefreshToken(credentials.refreshToken);
    if (!known || (await users.fingerprint(known.subject)) !== known.fingerprint) throw wrongCredentials();
    return known.subject;
  }
  const { username, password } = credentials;
  const attempt = { isCounted: false };
  const isRight = await users.authenticate(username, password, async () => {
    const retryAfterSeconds = await logins.begin(address, username);
    if (retryAfterSeconds > 0) throw tooManyAttempts(retryAfterSeconds);
    attempt.isCounted = true;
  });
  if (!isRight) throw wrongCredentials();
  if (attempt.isCounted) await logins.succeeded(address, username);
  return username;
}

function tooManyAttempts(retryAfterSeconds: number): RegistryError {
  const message = 'too many wrong passwords; wait a little';
  return new RegistryError('TOOMANYREQUESTS', { message, retryAfterSeconds });
}
