import type { Clock } from '../core/ports.ts';

interface RoundsOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** Keeps replicas that were woken together from doing the same at the same moment. */
  readonly jitterMs: number;
  readonly round: () => Promise<void>;
}

/** Does something again and again: when it is woken, and at least so often. */
export class Rounds {
  readonly #options: RoundsOptions;
  #isClosed = false;
  #wake: () => void = () => undefined;
  #woken = this.#nextWaking();
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Resolves after the first round; goes on until it is closed. */
  async start(): Promise<void> {
    await this.#options.round();
    void this.#goOn();
  }

  wake(): void {
    this.#wake();
  }

  /** Work that must not overlap with other such work; what a round does is among it. */
  inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async #goOn(): Promise<void> {
    const { clock, everyMs, jitterMs, round } = this.#options;
    for (;;) {
      await Promise.race([clock.sleep(everyMs), this.#woken]);
      // Before the round begins: what is told from now on it may have missed.
      this.#woken = this.#nextWaking();
      await clock.sleep(Math.random() * jitterMs);
      if (this.#isClosed) return;
      await round();
    }
  }

  #nextWaking(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
