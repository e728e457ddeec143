import type { AccessLevel } from '../core/access-level.ts';
import { isDefault, keys, type KeyPath, type Values } from './schema.ts';

/** What the claims of a token mean. */
export interface ClaimsConfig {
  readonly defaultAccessLevel: AccessLevel;
  readonly groupsClaim: string;
  readonly levelClaim: string | undefined;
}

/** Who says who the caller is, with what that takes. */
export type AuthConfig = ClaimsConfig &
  (
    | { readonly mode: 'anonymous' }
    | { readonly mode: 'upstream'; readonly trustBasicUsername: boolean }
    | {
        readonly mode: 'token';
        readonly realm: string;
        readonly service: string;
        readonly issuer: string;
        readonly algorithms: readonly string[];
        readonly keys: {
          readonly jwksUrl: string | undefined;
          readonly jwksFile: string | undefined;
          readonly certificateFile: string | undefined;
        };
      }
    | {
        readonly mode: 'builtin';
        readonly service: string;
        readonly issuer: string;
        readonly usersFile: string;
        readonly signingKeyFile: string;
        readonly tokenLifetimeSeconds: number;
        readonly refuseAtToken: boolean;
      }
  );

const ownIssuer = 'tagwarden';

/** INVARIANT: `checkAuth` found nothing wrong. */
export function arrangeAuth(values: Values): AuthConfig {
  const claims: ClaimsConfig = {
    defaultAccessLevel: values['auth.default_access_level'],
    groupsClaim: values['auth.groups_claim'],
    levelClaim: values['auth.level_claim'],
  };
  const service = values['auth.service'];
  const mode = values['auth.mode'];
  switch (mode) {
    case 'anonymous':
      return { ...claims, mode };
    case 'upstream':
      return { ...claims, mode, trustBasicUsername: values['auth.trust_basic_username'] };
    case 'token':
      return {
        ...claims,
        mode,
        service,
        realm: values['auth.realm'] ?? '',
        issuer: values['auth.issuer'] ?? '',
        algorithms: values['auth.algorithms'],
        keys: {
          jwksUrl: values['auth.keys.jwks_url'],
          jwksFile: values['auth.keys.jwks_file'],
          certificateFile: values['auth.keys.certificate_file'],
        },
      };
    case 'builtin':
      return {
        ...claims,
        mode,
        service,
        issuer: values['auth.issuer'] ?? ownIssuer,
        usersFile: values['auth.users_file'] ?? '',
        signingKeyFile: values['auth.signing_key_file'],
        tokenLifetimeSeconds: values['auth.token_lifetime_seconds'],
        refuseAtToken: values['auth.refuse_at_token'],
      };
  }
}

type Mode = Values['auth.mode'];

/** The keys that mean something in some modes alone: given in another one, they would be trusted to do what they do not. */
const modesOf: Partial<Record<KeyPath, readonly Mode[]>> = {
  'auth.groups_claim': ['upstream', 'token'],
  'auth.level_claim': ['upstream', 'token'],
  'auth.trust_basic_username': ['upstream'],
  'auth.realm': ['token'],
  'auth.service': ['token', 'builtin'],
  'auth.issuer': ['token', 'builtin'],
  'auth.algorithms': ['token'],
  'auth.keys.jwks_url': ['token'],
  'auth.keys.jwks_file': ['token'],
  'auth.keys.certificate_file': ['token'],
  'auth.users_file': ['builtin'],
  'auth.signing_key_file': ['builtin'],
  'auth.token_lifetime_seconds': ['builtin'],
  'auth.refuse_at_token': ['builtin'],
};

/** @param placeOf where a key was given: undefined, or the place of its default, where it was not */
export function checkAuth(values: Partial<Values>, placeOf: (path: KeyPath) => string | undefined): string[] {
  const mode = values['auth.mode'];
  if (mode === undefined) return [];
  const isGiven = (path: KeyPath): boolean =>
    placeOf(path) !== undefined && !placeOf(path)?.startsWith('the default');
  const unused = Object.entries(modesOf).flatMap(([path, modes]) => {
    const key = path as KeyPath;
    if (modes.includes(mode) || !isGiven(key) || isDefault(key, values[key])) return [];
    return [`${placeOf(key) ?? key}: does nothing with auth.mode ${mode}; it is for ${modes.join(' and ')}`];
  });
  const missing = (path: KeyPath): string[] =>
    values[path] === undefined && !isGiven(path)
      ? [`${path}: is required with auth.mode ${mode}; ${keys[path].about}`]
      : [];
  if (mode === 'builtin') return [...unused, ...missing('auth.users_file')];
  if (mode !== 'token') return unused;
  const keyPaths = ['auth.keys.jwks_url', 'auth.keys.jwks_file', 'auth.keys.certificate_file'] as const;
  const noKeys = keyPaths.some(isGiven)
    ? []
    : [`auth.keys: one of ${keyPaths.join(', ')} is required with auth.mode token`];
  const noAlgorithms =
    values['auth.algorithms']?.length === 0
      ? [`${placeOf('auth.algorithms') ?? 'auth.algorithms'}: names none, and so no token would be good`]
      : [];
  return [...unused, ...missing('auth.realm'), ...missing('auth.issuer'), ...noAlgorithms, ...noKeys];
}
