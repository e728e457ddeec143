import { RecentlyUsed } from './recently-used.ts';

export interface Rate {
  readonly perSecond: number;
  /** How many may come at once. */
  readonly burst: number;
}

/** What a key has left, and when that was. */
interface Allowance {
  left: number;
  atMs: number;
}

/** Of each generation; whoever is forgotten has waited, or was one of so many that no rate would stop them. */
const rememberedKeys = 20_000;

/** Lets every key do something at a rate: a token bucket for each. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #allowances = new RecentlyUsed<Allowance>(rememberedKeys, () => 1);

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** 0 where it may be done now; else milliseconds until it may. */
  take(key: string, nowMs: number): number {
    const { perSecond, burst } = this.#rate;
    const allowance = this.#allowances.get(key, () => ({ left: burst, atMs: nowMs }));
    allowance.left = Math.min(burst, allowance.left + ((nowMs - allowance.atMs) * perSecond) / 1000);
    allowance.atMs = nowMs;
    if (allowance.left < 1) return ((1 - allowance.left) * 1000) / perSecond;
    allowance.left -= 1;
    return 0;
  }

  /** It was not this key's. */
  giveBack(key: string): void {
    const allowance = this.#allowances.find(key);
    if (allowance) allowance.left = Math.min(this.#rate.burst, allowance.left + 1);
  }
}
