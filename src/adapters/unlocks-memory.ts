import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/ports.ts';
import type { Unlock, UnlockRequest, Unlocks } from '../core/unlock.ts';

/** Of one process: a restart ends them, and whoever still needs one asks again. */
export class InMemoryUnlocks implements Unlocks {
  readonly #clock: Clock;
  #unlocks: readonly Unlock[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  all(): Promise<readonly Unlock[]> {
    const nowMs = this.#clock.nowMs();
    this.#unlocks = this.#unlocks.filter(({ untilMs }) => untilMs > nowMs);
    return Promise.resolve(this.#unlocks);
  }

  add(request: UnlockRequest, lifetimeMs: number): Promise<Unlock> {
    const unlock = { ...request, id: randomUUID(), untilMs: this.#clock.nowMs() + lifetimeMs };
    this.#unlocks = [...this.#unlocks, unlock];
    return Promise.resolve(unlock);
  }

  async end(id: string): Promise<boolean> {
    const rest = (await this.all()).filter((unlock) => unlock.id !== id);
    const wasThere = rest.length < this.#unlocks.length;
    this.#unlocks = rest;
    return wasThere;
  }
}
