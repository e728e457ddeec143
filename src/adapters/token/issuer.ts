import { randomUUID } from 'node:crypto';
import { SignJWT, jwtVerify } from 'jose';
import type { Access } from '../../core/access.ts';
import type { Clock } from '../../core/ports.ts';
import type { Repository } from '../../core/reference.ts';
import type { GrantedEntry } from '../../core/token-grant.ts';
import type { SigningKey } from './signing-key.ts';

export interface IssuerOptions {
  readonly issuer: string;
  /** The audience of access tokens. */
  readonly service: string;
  readonly lifetimeSeconds: number;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  readonly issuedAt: Date;
}

/** Clocks differ by a little (GitLab does the same). */
const notBeforeSlackSeconds = 5;
const refreshLifetimeSeconds = 30 * 24 * 3600;

/** Signs tokens of our own. */
export class TokenIssuer {
  readonly #key: SigningKey;
  readonly #options: IssuerOptions;
  readonly #clock: Clock;

  constructor(key: SigningKey, options: IssuerOptions, clock: Clock) {
    this.#key = key;
    this.#options = options;
    this.#clock = clock;
  }

  async issue(subject: string | undefined, access: readonly (GrantedEntry | Access)[]): Promise<IssuedToken> {
    const { service, lifetimeSeconds } = this.#options;
    const issuedAtSeconds = Math.floor(this.#clock.nowMs() / 1000);
    const claims = { access, auth_type: subject === undefined ? 'anonymous' : 'password' };
    const token = await this.#sign(claims, subject, service, issuedAtSeconds, lifetimeSeconds);
    return { token, expiresInSeconds: lifetimeSeconds, issuedAt: new Date(issuedAtSeconds * 1000) };
  }

  /** `fingerprint` changes with the user's password, which so ends the token. */
  refreshToken(subject: string, fingerprint: string): Promise<string> {
    const issuedAtSeconds = Math.floor(this.#clock.nowMs() / 1000);
    return this.#sign(
      { fingerprint },
      subject,
      this.#refreshAudience,
      issuedAtSeconds,
      refreshLifetimeSeconds,
    );
  }

  /** Who a refresh token is for; undefined where it is none of ours, or no longer good. */
  async readRefreshToken(token: string): Promise<{ subject: string; fingerprint: string } | undefined> {
    try {
      const { payload } = await jwtVerify(token, this.#key.publicKey, {
        issuer: this.#options.issuer,
        audience: this.#refreshAudience,
        algorithms: [this.#key.algorithm],
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(this.#clock.nowMs()),
      });
      const { sub: subject, fingerprint } = payload;
      return typeof subject === 'string' && typeof fingerprint === 'string'
        ? { subject, fingerprint }
        : undefined;
    } catch {
      return undefined;
    }
  }

  /** Tagwarden's own `Authorization` for a look-up in one repository. */
  async pullAuthorization(repository: Repository): Promise<string> {
    const { token } = await this.issue(undefined, [
      { type: 'repository', name: repository, actions: ['pull'] },
    ]);
    return `Bearer ${token}`;
  }

  /** No registry and no verifier takes this one for its own. */
  get #refreshAudience(): string {
    return `${this.#options.service} refresh`;
  }

  #sign(
    claims: Readonly<Record<string, unknown>>,
    subject: string | undefined,
    audience: string,
    issuedAtSeconds: number,
    lifetimeSeconds: number,
  ): Promise<string> {
    const jwt = new SignJWT({ ...claims })
      .setProtectedHeader({ alg: this.#key.algorithm, typ: 'JWT', kid: this.#key.id })
      .setIssuer(this.#options.issuer)
      .setAudience(audience)
      .setIssuedAt(issuedAtSeconds)
      .setNotBefore(issuedAtSeconds - notBeforeSlackSeconds)
      .setExpirationTime(issuedAtSeconds + lifetimeSeconds)
      .setJti(randomUUID());
    return (subject === undefined ? jwt : jwt.setSubject(subject)).sign(this.#key.privateKey);
  }
}
