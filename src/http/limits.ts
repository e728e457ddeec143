import { createHash } from 'node:crypto';
import { networkOf } from '../adapters/client-network.ts';
import type { LimitsConfig } from '../config/limits.ts';
import { RegistryError } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import { RateLimit } from '../core/rate-limit.ts';
import { RecentlyUsed } from '../core/recently-used.ts';

export type RequestLimits = Pick<
  LimitsConfig,
  'uploads' | 'uploadsPerCaller' | 'requestsPerSecond' | 'requestBurst'
>;
type LimitName = 'limits.requests_per_second' | 'limits.uploads' | 'limits.uploads_per_caller';

/** Beyond a limit: whoever looks at the log should not have to read of every one of them. */
export class LimitReached extends RegistryError {
  readonly limit: LimitName;

  constructor(limit: LimitName, message: string, retryAfterSeconds: number) {
    super('TOOMANYREQUESTS', { message, retryAfterSeconds });
    this.limit = limit;
  }
}

export interface LimitsOptions {
  readonly limits: RequestLimits;
  readonly clock: Clock;
  /** Hears of a caller who reached a limit; once a minute for each, at most. */
  readonly onReached: (limit: LimitName, who: string) => void;
}

const slowDown = 'too many requests; slow down';
const uploadRetrySeconds = 5;
const tellAgainMs = 60_000;
const toldOf = 1_000;

/** How much this process does for one caller, and for all of them, at a time. */
export class Limits {
  readonly #options: LimitsOptions;
  /** Undefined: as many as come. */
  readonly #requests: RateLimit | undefined;
  readonly #uploads = new Map<string, number>();
  readonly #told = new RecentlyUsed<{ atMs: number }>(toldOf, () => 1);
  #allUploads = 0;

  constructor(options: LimitsOptions) {
    const { requestsPerSecond: perSecond, requestBurst: burst } = options.limits;
    this.#options = options;
    this.#requests = perSecond > 0 ? new RateLimit({ perSecond, burst }) : undefined;
  }

  /**
   * Before anything is done for a request. Whoever it may be of, it is the address's until that is known: to try out
   * tokens is never free.
   * @throws LimitReached
   */
  admit(client: string): Quota {
    const key = keyOf('address', networkOf(client));
    this.takeRequest(key);
    return new Quota(this, key);
  }

  takeRequest(key: string): void {
    const { clock } = this.#options;
    const waitMs = this.#requests?.take(key, clock.nowMs()) ?? 0;
    if (waitMs > 0)
      throw this.#reached('limits.requests_per_second', key, slowDown, Math.ceil(waitMs / 1000));
  }

  giveBackRequest(key: string): void {
    this.#requests?.giveBack(key);
  }

  beginUpload(key: string): void {
    const { uploads, uploadsPerCaller } = this.#options.limits;
    const own = this.#uploads.get(key) ?? 0;
    const refuse = (limit: LimitName, message: string): RegistryError =>
      this.#reached(limit, key, message, uploadRetrySeconds);
    if (uploadsPerCaller > 0 && own >= uploadsPerCaller)
      throw refuse('limits.uploads_per_caller', `more than ${uploadsPerCaller} uploads of yours at once`);
    if (uploads > 0 && this.#allUploads >= uploads)
      throw refuse('limits.uploads', 'too many uploads at once; try again');
    this.#uploads.set(key, own + 1);
    this.#allUploads += 1;
  }

  endUpload(key: string): void {
    const own = (this.#uploads.get(key) ?? 0) - 1;
    if (own > 0) this.#uploads.set(key, own);
    else this.#uploads.delete(key);
    this.#allUploads -= 1;
  }

  #reached(limit: LimitName, who: string, message: string, retryAfterSeconds: number): LimitReached {
    const nowMs = this.#options.clock.nowMs();
    const told = this.#told.get(`${limit} ${who}`, () => ({ atMs: -Infinity }));
    if (nowMs - told.atMs >= tellAgainMs) {
      told.atMs = nowMs;
      this.#options.onReached(limit, who);
    }
    return new LimitReached(limit, message, retryAfterSeconds);
  }
}

/** What one request takes, and gives back when it is over. */
export class Quota {
  readonly #limits: Limits;
  readonly #address: string;
  #caller: string;
  #uploads = 0;

  constructor(limits: Limits, address: string) {
    this.#limits = limits;
    this.#address = address;
    this.#caller = address;
  }

  /**
   * @param subject which we verified ourselves: who could make one up would have a rate for each, or use up another's
   * @throws LimitReached
   */
  identified(subject: string): void {
    this.#limits.giveBackRequest(this.#address);
    this.#caller = keyOf('caller', subject);
    this.#limits.takeRequest(this.#caller);
  }

  /**
   * The request sends content, and the caller is known as far as may be.
   * @throws LimitReached
   */
  upload(): void {
    this.#limits.beginUpload(this.#caller);
    this.#uploads += 1;
  }

  /** The request is over. */
  end(): void {
    for (; this.#uploads > 0; this.#uploads -= 1) this.#limits.endUpload(this.#caller);
  }
}

const longestKey = 80;

/** What a client can make long does not take long to keep. */
function keyOf(kind: 'address' | 'caller', name: string): string {
  const key = `${kind} ${name}`;
  return key.length <= longestKey ? key : `${kind} ${createHash('sha256').update(name).digest('hex')}`;
}
