import { decodeJwt } from 'jose';
import { RegistryError } from '../../core/errors.ts';
import { headerValues } from '../../core/header-list.ts';
import type { Callers, TokenClaims } from '../../core/ports.ts';
import type { Caller } from '../../core/rule.ts';
import { callerOf, type ClaimReading } from './token-callers.ts';

export interface UpstreamReading extends ClaimReading {
  /** Whether the upstream lets nobody in under another's user name: not so where the password alone authenticates. */
  readonly trustBasicUsername: boolean;
}

/**
 * `auth.mode: upstream`: the upstream checks the credentials, and so a token is believed without being verified. That is
 * safe only because what is forged gets no further (adapters/upstream-guard.ts).
 */
export function upstreamCallers(reading: UpstreamReading): Callers {
  return {
    identify: (headers) =>
      new Promise((resolve) => {
        resolve(read(headerValues(headers, 'authorization')[0], reading));
      }),
  };
}

const scheme = /^([A-Za-z][A-Za-z0-9-]*) +([\x21-\x7e][\x20-\x7e]*)$/;
/** RFC 6750, section 2.1. */
const token68 = /^[A-Za-z0-9._~+/-]+=*$/;

/** @throws RegistryError for credentials that the upstream may read where we cannot: go-jose skips blanks in a token */
function read(authorization: string | undefined, reading: UpstreamReading): Caller {
  const { defaultAccessLevel, trustBasicUsername } = reading;
  // No credentials are less than those of just anybody.
  if (authorization === undefined) return { groups: [], defaultAccessLevel: 'anonymous' };
  const [, name, credentials = ''] = scheme.exec(authorization) ?? [];
  const isBearer = name?.toLowerCase() === 'bearer';
  if (name === undefined || (isBearer && !token68.test(credentials))) {
    throw new RegistryError('UNAUTHORIZED', { status: 400, message: 'malformed Authorization header' });
  }
  const claims = isBearer ? decode(credentials) : undefined;
  if (claims) return callerOf(claims, reading);
  const username = trustBasicUsername && name.toLowerCase() === 'basic' ? usernameOf(credentials) : undefined;
  return { ...(username !== undefined && { subject: username }), groups: [], defaultAccessLevel };
}

/** Tokens need not be JWTs: an opaque one says nothing of its bearer. */
function decode(token: string): TokenClaims | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

function usernameOf(credentials: string): string | undefined {
  const [username] = Buffer.from(credentials, 'base64').toString().split(':');
  return username === '' ? undefined : username;
}
