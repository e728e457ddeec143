import { createHash, type KeyObject } from 'node:crypto';
import { jwtVerify, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import { parseDocument } from 'yaml';
import { TokenRefused, type Clock, type TokenClaims, type TokenVerifier } from '../../core/ports.ts';
import { keyOfChain } from './key-chain.ts';
import type { KeySource } from './key-source.ts';
import type { TrustedKeys } from './trusted-keys.ts';

export interface TokenExpectations {
  readonly issuer: string;
  readonly audience: string;
  /** Asymmetric ones alone: never `none`, and never HMAC, with which a public key could sign. */
  readonly algorithms: readonly string[];
}

const leewaySeconds = 60;
const rememberedTokens = 10_000;

/** Verifies bearer tokens; one that was good is remembered until it expires, by its hash. */
export class JoseVerifier implements TokenVerifier {
  readonly #keys: KeySource;
  readonly #expected: TokenExpectations;
  readonly #clock: Clock;
  readonly #remembered = new LRUCache<string, { claims: TokenClaims; expiresAtMs: number }>({
    max: rememberedTokens,
  });

  constructor(keys: KeySource, expected: TokenExpectations, clock: Clock) {
    this.#keys = keys;
    this.#expected = expected;
    this.#clock = clock;
  }

  async verify(token: string): Promise<TokenClaims> {
    const hash = createHash('sha256').update(token).digest('base64');
    const remembered = this.#remembered.get(hash);
    if (remembered && remembered.expiresAtMs > this.#clock.nowMs()) return remembered.claims;
    const claims = await this.#verify(token);
    this.#remembered.set(hash, { claims, expiresAtMs: ((claims.exp ?? 0) + leewaySeconds) * 1000 });
    return claims;
  }

  async #verify(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, (header) => this.#keyFor(header), {
        issuer: this.#expected.issuer,
        audience: this.#expected.audience,
        algorithms: [...this.#expected.algorithms],
        requiredClaims: ['exp'],
        clockTolerance: leewaySeconds,
        currentDate: new Date(this.#clock.nowMs()),
      });
      for (const part of token.split('.').slice(0, 2)) refuseRepeatedNames(part);
      return payload;
    } catch (cause) {
      throw new TokenRefused(cause instanceof Error ? cause.message : String(cause), {
        wasGiven: true,
        cause,
      });
    }
  }

  /** Only keys that we trust already count: what a header brings along (`jwk`, `jku`, `x5u`) is the bearer's word. */
  async #keyFor({ kid, x5c }: JWTHeaderParameters): Promise<KeyObject> {
    const nowMs = this.#clock.nowMs();
    const find = (keys: TrustedKeys): KeyObject | undefined => {
      if (Array.isArray(x5c)) return keyOfChain(x5c, keys.certificates, nowMs);
      if (kid !== undefined) return keys.byId.get(kid);
      const all = [...new Set(keys.byId.values())];
      return all.length === 1 ? all[0] : undefined;
    };
    const key = await this.#keys.keysFor(find);
    if (!key) throw new Error('signed with a key that is not trusted');
    return key;
  }
}

/** JSON parsers differ in which of two equal names they take; asked only of what a trusted key has signed. */
function refuseRepeatedNames(part: string): void {
  const text = Buffer.from(part, 'base64url').toString();
  const { errors } = parseDocument(text, { uniqueKeys: true, schema: 'json', strict: true });
  if (errors.length > 0) throw new Error(`a claim is given twice: ${errors[0]?.code ?? ''}`);
}
