/**
 * A bounded cache in two generations. When the young one is full it becomes the old one, and what was not used since
 * the time before is dropped: nearly what an LRU keeps, but a hit costs one look-up and reorders nothing.
 */
export class RecentlyUsed<Value extends object> {
  readonly #limit: number;
  readonly #weightOf: (value: Value) => number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();
  #youngWeight = 0;

  /** Each generation weighs `limit` at most; a value that is heavier is not kept. */
  constructor(limit: number, weightOf: (value: Value) => number) {
    this.#limit = limit;
    this.#weightOf = weightOf;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** What is kept for the key, or else is made for it now. */
  get(key: string, make: (key: string) => Value): Value {
    const kept = this.find(key);
    if (kept) return kept;
    const value = make(key);
    this.keep(key, value);
    return value;
  }

  find(key: string): Value | undefined {
    const kept = this.#young.get(key);
    if (kept) return kept;
    const value = this.#old.get(key);
    if (!value) return undefined;
    this.#old.delete(key);
    this.keep(key, value);
    return value;
  }

  keep(key: string, value: Value): void {
    const weight = this.#weightOf(value);
    if (weight > this.#limit) return;
    if (this.#youngWeight + weight > this.#limit) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngWeight = 0;
    }
    this.#young.set(copied(key), value);
    this.#youngWeight += weight;
  }
}

/** A name is often a slice of a request line, and would keep all of that in memory. */
export function copied(text: string): string {
  return text.split('').join('');
}
