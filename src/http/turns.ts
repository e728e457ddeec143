/** Lets only so many do something at the same time for one key; the others wait in the order in which they came. */
export class Turns {
  readonly #limit: number;
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  async inTurn<Result>(key: string, act: () => Promise<Result>): Promise<Result> {
    await this.#take(key);
    try {
      return await act();
    } finally {
      this.#leave(key);
    }
  }

  #take(key: string): Promise<void> | undefined {
    const taken = this.#taken.get(key) ?? 0;
    if (taken < this.#limit) {
      this.#taken.set(key, taken + 1);
      return undefined;
    }
    const waiting = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, waiting);
    return new Promise((resolve) => waiting.push(resolve));
  }

  /** Who waits longest takes the place, so that nobody who comes now can. */
  #leave(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next) {
      next();
      return;
    }
    this.#waiting.delete(key);
    const taken = (this.#taken.get(key) ?? 0) - 1;
    if (taken > 0) this.#taken.set(key, taken);
    else this.#taken.delete(key);
  }
}
