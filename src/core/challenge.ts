import { formatScopes, type Access } from './access.ts';

export interface Challenge {
  /** The address of the token service. */
  readonly realm: string;
  readonly service: string;
  readonly required: readonly Access[];
  /** Absent where no credentials were sent (RFC 6750, section 3.1). */
  readonly error?: 'invalid_token' | 'insufficient_scope';
}

/** The value of `WWW-Authenticate` by which docker finds the token service and goes on by itself (spec/auth/token). */
export function formatChallenge({ realm, service, required, error }: Challenge): string {
  const parameters = [
    ['realm', realm],
    ['service', service],
    ...(required.length > 0 ? [['scope', formatScopes(required)]] : []),
    ...(error ? [['error', error]] : []),
  ];
  return `Bearer ${parameters.map(([name, value]) => `${name}=${quoted(value ?? '')}`).join(',')}`;
}

/** quoted-string of RFC 9110, section 5.6.4. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}
