import type { Access } from '../../core/access.ts';
import { isAccessLevel, type AccessLevel } from '../../core/access-level.ts';
import { headerValues } from '../../core/header-list.ts';
import { TokenRefused, type Callers, type TokenClaims, type TokenVerifier } from '../../core/ports.ts';
import type { Caller } from '../../core/rule.ts';
import { readTokenPatterns } from '../../core/token-rules.ts';

export interface ClaimReading {
  /** The claim that lists the caller's groups. */
  readonly groupsClaim: string;
  /** The claim that says the caller's level; absent: none does. */
  readonly levelClaim: string | undefined;
  readonly defaultAccessLevel: AccessLevel;
}

/** `auth.mode: token`: whoever has a token that we verified is who it says, and may do what it grants. */
export function tokenCallers(verifier: TokenVerifier, reading: ClaimReading): Callers {
  return {
    async identify(headers) {
      const claims = await verifier.verify(bearerToken(headers));
      return { ...callerOf(claims, reading), granted: accessesOf(claims) };
    },
  };
}

/** As `tokenCallers`, for tokens of our own: the rules in force say more than what a token of some minutes ago says. */
export function ownTokenCallers(verifier: TokenVerifier, reading: ClaimReading): Callers {
  const callers = tokenCallers(verifier, reading);
  return {
    async identify(headers) {
      const caller = await callers.identify(headers);
      const isNobody = caller.subject === anonymousSubject;
      return { ...caller, tokenPatterns: [], ...(isNobody && { defaultAccessLevel: 'anonymous' }) };
    },
  };
}

/** @throws TokenRefused */
function bearerToken(headers: readonly string[]): string {
  const [authorization] = headerValues(headers, 'authorization');
  if (authorization === undefined) throw new TokenRefused('no credentials', { wasGiven: false });
  const token = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1];
  // Credentials of another scheme are no token that could be wrong (RFC 6750, section 3.1).
  const wasGiven = /^Bearer\b/i.test(authorization);
  if (token === undefined) throw new TokenRefused('no bearer token', { wasGiven });
  return token;
}

/** Who a token says that its bearer is, and what it forbids the bearer. */
export function callerOf(
  claims: TokenClaims,
  { groupsClaim, levelClaim, defaultAccessLevel }: ClaimReading,
): Caller {
  const subject = subjectOf(claims);
  const groups = claims[groupsClaim];
  const level = levelClaim === undefined ? undefined : claims[levelClaim];
  return {
    ...(subject !== undefined && { subject }),
    groups: Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [],
    defaultAccessLevel: level === undefined ? defaultAccessLevel : levelOf(level),
    // Also of entries that are otherwise malformed: they grant nothing, but may forbid.
    tokenPatterns: entriesOf(claims)
      .filter(({ type, name }) => type === 'repository' && typeof name === 'string')
      .map(({ name, meta }) => readTokenPatterns(String(name), meta)),
  };
}

/** A level that we do not know may be below the default one. */
function levelOf(claim: unknown): AccessLevel {
  return typeof claim === 'string' && isAccessLevel(claim) ? claim : 'anonymous';
}

/** Of subjects that are a kind of token, and no account. */
export const kindPrefix = 'auth_type:';
/** As members name those who have no account here. */
export const anonymousSubject = `${kindPrefix}anonymous`;

/** Tokens of a deploy token or a CI job have no `sub`: a member entry names them by their kind, `auth_type:build`. */
function subjectOf({ sub, auth_type: kind }: TokenClaims): string | undefined {
  if (typeof sub === 'string' && sub !== '') return sub.startsWith(kindPrefix) ? undefined : sub;
  return typeof kind === 'string' && kind !== '' ? kindPrefix + kind : undefined;
}

function accessesOf(claims: TokenClaims): readonly Access[] {
  return entriesOf(claims)
    .filter(isAccess)
    .map(({ type, name, actions }) => ({ type, name, actions }));
}

/** An entry of `access`, of which nothing is sure yet. */
interface Entry {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly actions?: unknown;
  readonly meta?: unknown;
}

function entriesOf({ access }: TokenClaims): readonly Entry[] {
  if (!Array.isArray(access)) return [];
  return (access as unknown[]).filter((entry): entry is Entry => typeof entry === 'object' && entry !== null);
}

/** What is not of the form that the specification gives grants nothing. */
function isAccess(entry: Entry): entry is Access {
  const { type, name, actions } = entry;
  return (
    typeof type === 'string' &&
    typeof name === 'string' &&
    Array.isArray(actions) &&
    actions.every((action) => typeof action === 'string')
  );
}
