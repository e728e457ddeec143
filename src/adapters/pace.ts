/** The longest pause that is made by itself, and the longest that a receiver may ask for. */
const longestPauseMs = 60_000;
const longestAskedMs = 3_600_000;

/** When somebody who fails may be asked again: after twice as long each time, or as long as was asked for. */
export class Pace {
  readonly #firstPauseMs: number;
  #failures = 0;
  #fromMs = -Infinity;

  constructor(firstPauseMs: number) {
    this.#firstPauseMs = firstPauseMs;
  }

  /** From now; 0: at once. */
  pauseMs(): number {
    return Math.max(this.#fromMs - performance.now(), 0);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#fromMs = -Infinity;
  }

  failed(askedMs = 0): void {
    const doubledMs = Math.min(this.#firstPauseMs * 2 ** this.#failures, longestPauseMs);
    this.#failures = Math.min(this.#failures + 1, 30);
    // Between half of it and all: who failed together does not come back together.
    const ownMs = doubledMs * (0.5 + Math.random() / 2);
    this.#fromMs = performance.now() + Math.max(ownMs, Math.min(askedMs, longestAskedMs));
  }
}
