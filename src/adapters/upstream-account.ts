import { LRUCache } from 'lru-cache';
import type { BaseLogger } from 'pino';
import type { UpstreamCredentials } from '../config/config.ts';
import { parseChallenges } from '../core/challenge.ts';
import { headerValues } from '../core/header-list.ts';
import { printOperation, type ReadOperation } from '../core/operation.ts';
import type { Clock } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import type { OwnAuthorization } from './patient-reader.ts';
import { basicAuthorization, NoToken, TokenRealm, type Realm } from './token/token-realm.ts';
import type { Upstream } from './upstream.ts';

/** What a registry wants: the password itself, or a token that is had for it elsewhere. */
type Wanted = 'basic' | Realm;

interface Offered {
  readonly wanted: Wanted;
  /** What a token for this must be for, in the registry's own words. */
  readonly scope?: string | undefined;
}

/** What is asked for: the scope of its token, and a read that needs it. */
interface Purpose {
  readonly scope: string;
  readonly read: ReadOperation;
}

interface HeldToken {
  readonly authorization: string;
  readonly untilMs: number;
}

export interface UpstreamAccountOptions {
  readonly credentials: UpstreamCredentials;
  readonly upstream: Upstream;
  /** PEM, of the upstream. */
  readonly ca?: string | undefined;
  readonly clock: Clock;
  /** Absent: whoever asks is told in person. */
  readonly log?: Pick<BaseLogger, 'info' | 'warn'>;
}

const withinMs = 3_000;
const answerLimitBytes = 1024 * 1024;
const heldTokens = 1_000;
/** Before a token expires: the way to the registry, and clocks that differ. */
const marginMs = 10_000;
/** A wrong password that is tried with every look-up locks an account. */
const refusedForMs = 10_000;
const ping = { kind: 'ping', method: 'GET', query: [] } as const;

/**
 * `upstream.username` at the upstream, in whichever scheme that asks for: its password as Basic, or tokens of its token
 * service (spec/auth/token), which are kept while they are good and asked for once by all who need the same.
 */
export class UpstreamAccount implements OwnAuthorization {
  readonly after401 = false;
  readonly #options: UpstreamAccountOptions;
  readonly #held = new LRUCache<string, HeldToken>({ max: heldTokens });
  readonly #scopes = new LRUCache<string, string>({ max: heldTokens });
  readonly #running = new Map<string, Promise<string>>();
  /** By scope, or '' for all: the password is wrong. */
  readonly #refusals = new LRUCache<string, { readonly error: NoToken; readonly untilMs: number }>({
    max: heldTokens,
  });
  #wanted: Wanted | undefined;
  #realm: TokenRealm | undefined;
  /** What was logged last; undefined: that all is well. */
  #trouble: string | undefined;

  constructor(options: UpstreamAccountOptions) {
    this.#options = options;
  }

  /** @throws NoToken */
  of(repository: Repository, refused?: string): Promise<string> {
    const read = { kind: 'listTags', method: 'GET', repository, query: [['n', '1']] } as const;
    return this.#authorization({ scope: `repository:${repository}:pull`, read }, refused);
  }

  /**
   * For the list of repositories.
   * @throws NoToken
   */
  catalog(): Promise<string> {
    const read = { kind: 'catalog', method: 'GET', query: [['n', '1']] } as const;
    return this.#authorization({ scope: 'registry:catalog:*', read }, undefined);
  }

  async close(): Promise<void> {
    await this.#realm?.close();
  }

  #authorization(purpose: Purpose, refused: string | undefined): Promise<string> {
    const { scope } = purpose;
    const held = this.#held.get(scope);
    // Of many that were refused with the same token the first has another one by now.
    const isGood = held && this.#options.clock.nowMs() < held.untilMs && held.authorization !== refused;
    if (isGood) return Promise.resolve(held.authorization);
    if (this.#wanted === 'basic' && refused === undefined) return Promise.resolve(this.#basic());
    const running = this.#running.get(scope);
    if (running) return running;
    const asked = this.#ask(purpose, refused !== undefined)
      .then(
        (authorization) => {
          this.#tell(undefined);
          return authorization;
        },
        (error: unknown) => {
          this.#tell(error as Error);
          throw error;
        },
      )
      .finally(() => {
        this.#running.delete(scope);
      });
    this.#running.set(scope, asked);
    return asked;
  }

  async #ask({ scope, read }: Purpose, isRefused: boolean): Promise<string> {
    this.#held.delete(scope);
    // What all of it wants is asked once; what is refused for that is asked for what it wants itself.
    const offered = isRefused || !this.#wanted ? await this.#offerOf(isRefused ? read : ping) : undefined;
    const wanted = (this.#wanted = offered?.wanted ?? this.#wanted ?? 'basic');
    if (isRefused && offered?.scope !== undefined) this.#scopes.set(scope, offered.scope);
    if (wanted === 'basic') return this.#basic();
    try {
      return await this.#token(scope, wanted);
    } catch (error) {
      // Where it may have moved to is asked next time.
      this.#wanted = undefined;
      throw error;
    }
  }

  async #token(scope: string, realm: Realm): Promise<string> {
    const { credentials, clock } = this.#options;
    const askedMs = clock.nowMs();
    const refusals = [scope, ''].map((key) => this.#refusals.get(key));
    const refusal = refusals.find((known) => known && askedMs < known.untilMs);
    if (refusal) throw refusal.error;
    try {
      const asked = this.#scopes.get(scope) ?? scope;
      const { token, lifetimeSeconds } = await this.#realmOf(realm).tokenFor(asked, credentials);
      const authorization = `Bearer ${token}`;
      this.#held.set(scope, { authorization, untilMs: askedMs + lifetimeSeconds * 1000 - marginMs });
      return authorization;
    } catch (error) {
      const refuses = error instanceof NoToken ? error.refuses : undefined;
      if (refuses)
        this.#refusals.set(refuses === 'scope' ? scope : '', {
          error: error as NoToken,
          untilMs: clock.nowMs() + refusedForMs,
        });
      throw error;
    }
  }

  /**
   * INVARIANT: asked with headers of ours alone. Registries make their realm from the Host that they are asked at: a
   * client's look-up with a Host of its choice would have the password sent there.
   */
  async #offerOf(read: ReadOperation): Promise<Offered> {
    const { upstream } = this.#options;
    const request = { ...printOperation(read), headers: [] };
    const { status, headers } = await upstream
      .ask(request, withinMs, answerLimitBytes)
      .catch((cause: unknown) => {
        throw new NoToken('the upstream did not say what credentials it wants', { cause });
      });
    if (status === 429 || status >= 500)
      throw new NoToken(`the upstream answered ${status} to what credentials it wants`);
    // Whoever lets everybody in here may want something elsewhere, and says so then.
    return status === 401 ? offerIn(headerValues(headers, 'www-authenticate')) : { wanted: 'basic' };
  }

  #realmOf(realm: Realm): TokenRealm {
    if (this.#realm?.isOf(realm)) return this.#realm;
    const { upstream, ca } = this.#options;
    const before = this.#realm;
    this.#realm = new TokenRealm(realm, { origin: upstream.origin, ca });
    void before?.close();
    return this.#realm;
  }

  /** Once for what goes on: look-ups are many. */
  #tell(error: Error | undefined): void {
    const cause = error?.cause instanceof Error ? error.cause.message : undefined;
    const trouble = error && `${error.message} (${cause ?? ''})`;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    if (error) this.#options.log?.warn({ reason: error.message, cause }, 'no look-up with our own account');
    else this.#options.log?.info('look-ups with our own account go on');
  }

  #basic(): string {
    return basicAuthorization(this.#options.credentials);
  }
}

/** Bearer first, as docker's own clients have it. */
function offerIn(challenges: readonly string[]): Offered {
  const offers = parseChallenges(challenges);
  const bearer = offers.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
  if (!bearer) return { wanted: 'basic' };
  const { parameters } = bearer;
  const realm = { url: parameters.get('realm') ?? '', service: parameters.get('service') };
  return { wanted: realm, scope: parameters.get('scope') };
}
