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

/** What one challenge of `WWW-Authenticate` offers. */
export interface Offer {
  /** In lower case, as `bearer`. */
  readonly scheme: string;
  /** By their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const end = '(?=[ \\t]*(?:,|$))';
const separator = /[ \t,]*/y;
const parameter = new RegExp(`(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))${end}`, 'y');
const scheme = new RegExp(`(${token})(?:[ \\t]+[A-Za-z0-9._~+/-]+=*${end}|(?=[ \\t])|${end})`, 'y');

/**
 * Several in a field and several fields (RFC 9110, section 11.6.1). Of what makes no sense nothing is taken that follows.
 * @param values of `WWW-Authenticate`
 */
export function parseChallenges(values: readonly string[]): readonly Offer[] {
  return values.flatMap(parseField);
}

function parseField(text: string): readonly Offer[] {
  const offers: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(separator);
    const current = offers.at(-1);
    const [, name, quoted, plain] = (current && take(parameter)) ?? [];
    if (name !== undefined) {
      const known = current?.parameters;
      const value = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
      if (!known?.has(name.toLowerCase())) known?.set(name.toLowerCase(), value);
      continue;
    }
    const [, offered] = take(scheme) ?? [];
    if (offered === undefined) return offers;
    offers.push({ scheme: offered.toLowerCase(), parameters: new Map() });
  }
}
