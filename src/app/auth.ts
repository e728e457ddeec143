import type { Logger } from 'pino';
import { anonymousCallers } from '../adapters/anonymous-callers.ts';
import type { Logins } from '../adapters/token/login-limit.ts';
import type { OwnAuthorization } from '../adapters/patient-reader.ts';
import { UpstreamGuard } from '../adapters/upstream-guard.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { AuthConfig } from '../config/auth.ts';
import type { Callers, Clock, RuleSource } from '../core/ports.ts';
import { RegistryError } from '../core/errors.ts';
import type { TokenService } from '../http/authorize.ts';
import type { Exchange } from '../http/exchange.ts';
import { listedHeaders } from '../http/headers.ts';
import type { RegistryPorts } from '../http/registry.ts';
import { tokenService, type TokenEndpoint } from '../http/token-service.ts';

export interface AuthSurroundings {
  readonly rules: RuleSource;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly log: Logger;
  /** What this process has of its primary; absent: it is alone, or the primary. */
  readonly shared?: SharedAuth | undefined;
}

/** What all processes of one Tagwarden have in common, with `auth.mode: builtin`. */
export interface SharedAuth {
  /** PEM. */
  readonly signingKey: string;
  readonly logins: Logins;
}

/** Everything that depends on `auth.mode`. */
export interface Auth {
  readonly callers: Callers;
  readonly tokenService: TokenService;
  /** `/jwt/auth`, where it is ours. */
  readonly tokens: TokenEndpoint | undefined;
  /** For look-ups; undefined: the configured account's, if there is one. */
  readonly own: OwnAuthorization | undefined;
  readonly admitWrite: RegistryPorts['admitWrite'];
  readonly readiness: () => Readonly<Record<string, string>>;
  readonly shared: SharedAuth | undefined;
  close(): void;
}

type Mode<Name extends AuthConfig['mode']> = Extract<AuthConfig, { mode: Name }>;

const nothingMore = {
  tokenService: { realm: undefined, service: '' },
  tokens: undefined,
  own: undefined,
  admitWrite: (exchange: Exchange) => exchange,
  readiness: () => ({}),
  shared: undefined,
  close: () => undefined,
};

/** jose and what else takes long to load is loaded only by the modes that need it. */
export function wireAuth(auth: AuthConfig, around: AuthSurroundings): Promise<Auth> | Auth {
  switch (auth.mode) {
    case 'anonymous':
      return { ...nothingMore, callers: anonymousCallers(auth.defaultAccessLevel) };
    case 'upstream':
      return wireUpstream(auth, around);
    case 'token':
      return wireToken(auth, around);
    case 'builtin':
      return wireBuiltin(auth, around);
  }
}

async function wireUpstream(
  auth: Mode<'upstream'>,
  { upstream, clock, log }: AuthSurroundings,
): Promise<Auth> {
  const { upstreamCallers } = await import('../adapters/token/upstream-callers.ts');
  const guard = new UpstreamGuard(upstream, clock, (state) => {
    if (state === 'ok') log.info('the upstream checks credentials');
    else log.error({ state }, 'writes are refused until the upstream is seen to check credentials');
  });
  await guard.start();
  return {
    ...nothingMore,
    callers: upstreamCallers(auth),
    admitWrite: (exchange) => {
      if (guard.state === 'ok') return { ...exchange, headers: listedHeaders(exchange.headers) };
      throw new RegistryError('UNAVAILABLE', {
        message: `writes are refused: ${guard.state}`,
        retryAfterSeconds: 5,
      });
    },
    readiness: () => ({ upstream_auth: guard.state }),
    close: () => {
      guard.close();
    },
  };
}

async function wireToken(auth: Mode<'token'>, { clock, log }: AuthSurroundings): Promise<Auth> {
  const [{ KeySource, fileReadersOf, readersOf }, { JoseVerifier }, { tokenCallers }] = await Promise.all([
    import('../adapters/token/key-source.ts'),
    import('../adapters/token/verifier.ts'),
    import('../adapters/token/token-callers.ts'),
  ]);
  const { issuer, service, realm, algorithms } = auth;
  // A file that cannot be read is a mistake, and told at once; an address may answer later.
  await Promise.all(fileReadersOf(auth.keys).map((read) => read()));
  const keys = new KeySource(readersOf(auth.keys), clock, (error) => {
    log.error({ reason: error.message }, 'keys could not be read; those that are known stay in force');
  });
  const verifier = new JoseVerifier(keys, { issuer, audience: service, algorithms }, clock);
  return { ...nothingMore, callers: tokenCallers(verifier, auth), tokenService: { realm, service } };
}

async function wireBuiltin(
  auth: Mode<'builtin'>,
  { rules, clock, log, shared }: AuthSurroundings,
): Promise<Auth> {
  const [keySource, trusted, verifying, reading, issuing, signing, accounts, limit] = await Promise.all([
    import('../adapters/token/key-source.ts'),
    import('../adapters/token/trusted-keys.ts'),
    import('../adapters/token/verifier.ts'),
    import('../adapters/token/token-callers.ts'),
    import('../adapters/token/issuer.ts'),
    import('../adapters/token/signing-key.ts'),
    import('../adapters/token/users-file.ts'),
    import('../adapters/token/login-limit.ts'),
  ]);
  const { issuer: name, service, tokenLifetimeSeconds: lifetimeSeconds, defaultAccessLevel } = auth;
  const users = await accounts.UsersFile.open(auth.usersFile, (errors) => {
    log.error({ errors }, 'users file refused; the last good users stay in force');
  });
  const key = shared
    ? signing.signingKeyOf(shared.signingKey)
    : await signing.openSigningKey(auth.signingKeyFile);
  const logins = shared?.logins ?? new limit.LoginLimit(clock);
  const ownKeys = (): ReturnType<typeof trusted.keysOfJwks> => trusted.keysOfJwks(JSON.stringify(key.jwks));
  const keys = new keySource.KeySource([ownKeys], clock, (error) => {
    log.error({ reason: error.message }, 'our own key could not be read');
  });
  const expected = { issuer: name, audience: service, algorithms: [key.algorithm] };
  const issuer = new issuing.TokenIssuer(key, { issuer: name, service, lifetimeSeconds }, clock);
  const tokens = await tokenService({
    ...{ users, issuer, rules, service, defaultAccessLevel, logins },
    jwks: key.jwks,
    refuseAtToken: auth.refuseAtToken,
  });
  return {
    ...nothingMore,
    callers: reading.ownTokenCallers(new verifying.JoseVerifier(keys, expected, clock), auth),
    tokenService: { realm: undefined, service },
    tokens,
    own: { of: (repository) => issuer.pullAuthorization(repository), after401: true },
    shared: { signingKey: signing.pemOf(key), logins },
  };
}
