/**
 * Work that many wait for and that is done for all of them at once. Who comes while it is being done waits for the next
 * time: what had been seen before one came may have changed since.
 */
export class SharedWork<Result> {
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #next = new Map<string, Promise<Result>>();

  /** The result of work that begins after this call. */
  join(key: string, work: () => Promise<Result>): Promise<Result> {
    const running = this.#running.get(key);
    if (!running) return this.#start(key, work);
    const waiting = this.#next.get(key);
    if (waiting) return waiting;
    const next = running.then(() => {
      this.#next.delete(key);
      return this.#start(key, work);
    });
    this.#next.set(key, next);
    return next;
  }

  #start(key: string, work: () => Promise<Result>): Promise<Result> {
    const result = work();
    const over = result
      .catch(() => undefined)
      .then(() => {
        if (this.#running.get(key) === over) this.#running.delete(key);
      });
    this.#running.set(key, over);
    return result;
  }
}
