import type { Attempt, FaultWindow, History, Sample } from './history.ts';

/** Writes down what happens, for the checker. */
export class Recorder {
  readonly #attempts: Attempt[] = [];
  readonly #samples: Sample[] = [];
  readonly #faults: FaultWindow[] = [];

  get history(): History {
    return { attempts: this.#attempts, samples: this.#samples, faults: this.#faults };
  }

  attempt(attempt: Attempt): void {
    this.#attempts.push(attempt);
  }

  sample(sample: Sample): void {
    this.#samples.push(sample);
  }

  /** Whatever is under way while this runs may fail. */
  async during<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
    const fromMs = performance.now();
    // Already there while it lasts: who reads the history meanwhile must see it.
    const at = this.#faults.push({ name, fromMs, untilMs: Infinity }) - 1;
    try {
      return await run();
    } finally {
      this.#faults[at] = { name, fromMs, untilMs: performance.now() };
    }
  }

  /** The push of one tag met this, and no other. */
  struck(name: string, tag: string): void {
    const nowMs = performance.now();
    this.#faults.push({ name, fromMs: nowMs, untilMs: nowMs, tag });
  }
}
