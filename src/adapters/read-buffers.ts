const largeBytes = 256 * 1024;
const smallBytes = 64 * 1024;

/**
 * Buffers that sockets read into, used over and over: a fresh one for every read is what costs most in moving a blob
 * (docs/performance.md). Only so many are large at a time, so that a thousand slow clients do not hold a gigabyte.
 */
export class ReadBuffers {
  readonly #largeLimit: number;
  readonly #free: Buffer[] = [];
  #largeOut = 0;

  /** @param budgetBytes what large buffers may take together */
  constructor(budgetBytes: number) {
    this.#largeLimit = Math.floor(budgetBytes / largeBytes);
  }

  take(isLarge: boolean): Buffer {
    if (!isLarge || this.#largeOut >= this.#largeLimit) return Buffer.allocUnsafeSlow(smallBytes);
    const kept = this.#free.pop();
    this.#largeOut += 1;
    return kept ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  /** Nobody may read from it, or write to it, after this. */
  giveBack(buffer: Buffer): void {
    if (buffer.length !== largeBytes) return;
    this.#largeOut -= 1;
    this.#free.push(buffer);
  }
}
