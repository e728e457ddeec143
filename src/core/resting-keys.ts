import { RecentlyUsed } from './recently-used.ts';

const rememberedKeys = 1_000;

/** Keys with which something is not tried again for a while; of the many that there may be, those that were met last. */
export class RestingKeys {
  readonly #resting = new RecentlyUsed<{ readonly untilMs: number }>(rememberedKeys, () => 1);

  rests(key: string, nowMs: number): boolean {
    return nowMs < (this.#resting.find(key)?.untilMs ?? 0);
  }

  rest(key: string, untilMs: number): void {
    this.#resting.keep(key, { untilMs });
  }
}
