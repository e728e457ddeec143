import type { Test } from 'tap';
import type { FaultWindow } from './history.ts';

const lookEveryMs = 100;
/** Well below the deadlines that Tagwarden has for Redis and for the upstream. */
const lateMs = 500;
const slowMs = 2_000;

/**
 * When this machine had no time for us, or the registry none for a request: Tagwarden then runs into its deadlines, as
 * it does in any other fault. On a machine of its own there is nothing of it.
 */
export class Strain {
  readonly #windows: FaultWindow[] = [];

  static watch(t: Test): Strain {
    const strain = new Strain();
    let lookedMs = performance.now();
    const timer = setInterval(() => {
      const nowMs = performance.now();
      strain.#note('this machine was busy', lookedMs, lookEveryMs + lateMs);
      lookedMs = nowMs;
    }, lookEveryMs);
    t.teardown(() => {
      clearInterval(timer);
    });
    return strain;
  }

  get windows(): readonly FaultWindow[] {
    return this.#windows;
  }

  async during<Result>(exchange: Promise<Result>): Promise<Result> {
    const fromMs = performance.now();
    try {
      return await exchange;
    } finally {
      this.#note('the registry was slow', fromMs, slowMs);
    }
  }

  #note(name: string, fromMs: number, usuallyMs: number): void {
    const untilMs = performance.now();
    if (untilMs - fromMs > usuallyMs) this.#windows.push({ name, fromMs, untilMs });
  }
}
