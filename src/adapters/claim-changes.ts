import { EventEmitter } from 'node:events';
import type { Clock } from '../core/ports.ts';

/** Who waits for a claim to change, by the key of the claim. */
export class ClaimChanges {
  readonly #clock: Clock;
  readonly #waiting = new EventEmitter().setMaxListeners(0);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell(key: string): void {
    this.#waiting.emit(key);
  }

  /** Where it is not known which of them have changed. */
  tellAll(): void {
    for (const key of this.#waiting.eventNames()) this.#waiting.emit(key);
  }

  /** Resolves when the claim may have changed, or after the time is up. */
  async next(key: string, timeoutMs: number): Promise<void> {
    let wake: () => void = () => undefined;
    const change = new Promise<void>((resolve) => {
      wake = resolve;
      this.#waiting.once(key, resolve);
    });
    await Promise.race([change, this.#clock.sleep(timeoutMs)]);
    this.#waiting.off(key, wake);
  }
}
