import type { Clock } from '../../core/ports.ts';

/**
 * How long a worker goes by what it was told last. A worker that stood still (its event loop was busy, its process was
 * stopped) may serve a request before it reads what its primary has told it meanwhile; by its clock it knows that there
 * is something to read.
 *
 * INVARIANT: what the primary has told, and has waited this long for, no worker goes against any more. Messages of a
 * channel arrive in order: a worker that has not taken one of them has heard of no later moment than that.
 */
export const leaseMs = 5_000;
/** How long the primary waits for one to be over: timers are a little early at times. */
export const waitedOutMs = leaseMs + 50;

export class Lease {
  readonly #clock: Clock;
  #heardOfMs = -Infinity;

  /** @param clock as the primary has it (one-clock.ts) */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param atMs when that was said which was heard now */
  renew(atMs: number): void {
    this.#heardOfMs = Math.max(this.#heardOfMs, atMs);
  }

  get silentForMs(): number {
    return this.#clock.nowMs() - this.#heardOfMs;
  }

  get isOver(): boolean {
    return this.silentForMs >= leaseMs;
  }
}
