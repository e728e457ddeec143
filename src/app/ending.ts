type End = () => Promise<void> | void;

/** Ends what was begun, the last first: also where a start fails half-way, for what is open keeps a process alive. */
export class Ending {
  readonly #ends: End[] = [];

  add(end: End): void {
    this.#ends.push(end);
  }

  async run(): Promise<void> {
    for (let end = this.#ends.pop(); end; end = this.#ends.pop()) await end();
  }
}
