import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/ports.ts';
import { networkOf } from '../client-network.ts';

const windowMs = 60_000;
/** Wrong passwords for one account from one address, and for all accounts from one address, in one window. */
const accountLimit = 10;
const addressLimit = 50;
const rememberedKeys = 100_000;

interface Attempts {
  count: number;
  readonly endsAtMs: number;
}

/** Counts attempts to log in before they are judged, so that many at once count as many. */
export interface Logins {
  /** Seconds to wait; 0 where the attempt may be made. */
  begin(address: string, account: string): number | Promise<number>;
  /** A right password is no attempt. */
  succeeded(address: string, account: string): void | Promise<void>;
}

/** Of one process. */
export class LoginLimit implements Logins {
  readonly #attempts = new LRUCache<string, Attempts>({ max: rememberedKeys });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(address: string, account: string): number {
    const both = keysOf(address, account).map((key) => this.#of(key));
    const limits = [accountLimit, addressLimit];
    const full = both.filter((attempts, at) => attempts.count >= (limits[at] ?? 0));
    if (full.length > 0) {
      return Math.ceil((Math.max(...full.map(({ endsAtMs }) => endsAtMs)) - this.#clock.nowMs()) / 1000);
    }
    for (const attempts of both) attempts.count += 1;
    return 0;
  }

  succeeded(address: string, account: string): void {
    for (const key of keysOf(address, account)) {
      const attempts = this.#of(key);
      attempts.count = Math.max(0, attempts.count - 1);
    }
  }

  #of(key: string): Attempts {
    const nowMs = this.#clock.nowMs();
    const known = this.#attempts.get(key);
    if (known && known.endsAtMs > nowMs) return known;
    const attempts = { count: 0, endsAtMs: nowMs + windowMs };
    this.#attempts.set(key, attempts);
    return attempts;
  }
}

function keysOf(address: string, account: string): readonly string[] {
  const network = networkOf(address);
  return [`${network} ${account}`, network];
}
