import { parseScopes, type Access } from '../core/access.ts';
import { RegistryError } from '../core/errors.ts';

/** Who wants a token, as the request says it. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'refreshToken'; readonly refreshToken: string };

/** A request for a token, in either of the two forms of the specification. */
export interface TokenRequest {
  readonly service: string;
  readonly scopes: readonly Access[];
  readonly credentials: Credentials;
  /** Whether a refresh token is wanted too. */
  readonly wantsRefreshToken: boolean;
  /** The OAuth2 form answers `scope`. */
  readonly isOAuth2: boolean;
}

/** `GET /jwt/auth` (distribution, spec/auth/token). */
export function readTokenQuery(query: URLSearchParams, authorization: string | undefined): TokenRequest {
  return {
    service: query.get('service') ?? '',
    scopes: parseScopes(query.getAll('scope')),
    credentials: basicCredentials(authorization),
    wantsRefreshToken: query.get('offline_token') === 'true',
    isOAuth2: false,
  };
}

/**
 * `POST /jwt/auth` (distribution, spec/auth/oauth).
 * @throws RegistryError UNSUPPORTED for another kind of grant
 */
export function readTokenForm(form: URLSearchParams): TokenRequest {
  return {
    service: form.get('service') ?? '',
    scopes: parseScopes(form.getAll('scope')),
    credentials: formCredentials(form),
    wantsRefreshToken: form.get('access_type') === 'offline',
    isOAuth2: true,
  };
}

function formCredentials(form: URLSearchParams): Credentials {
  switch (form.get('grant_type')) {
    case 'password':
      return { kind: 'password', username: form.get('username') ?? '', password: form.get('password') ?? '' };
    case 'refresh_token':
      return { kind: 'refreshToken', refreshToken: form.get('refresh_token') ?? '' };
    default:
      throw new RegistryError('UNSUPPORTED', {
        status: 400,
        message: 'grant_type must be password or refresh_token',
      });
  }
}

/** @throws RegistryError UNAUTHORIZED for credentials that are none */
function basicCredentials(authorization: string | undefined): Credentials {
  if (authorization === undefined) return { kind: 'none' };
  const encoded = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(authorization)?.[1] ?? '';
  const decoded = Buffer.from(encoded, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon < 0) throw wrongCredentials();
  return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** The same for a user who is not there as for a password that is wrong. */
export function wrongCredentials(): RegistryError {
  return new RegistryError('UNAUTHORIZED', {
    message: 'wrong user name or password',
    challenges: ['Basic realm="tagwarden"'],
  });
}
