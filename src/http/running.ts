import type { ServerResponse } from 'node:http';
import type { Trail } from './trail.ts';

/**
 * The exchanges that are under way, and that they come to their end without being cut off. A Set would take longer to add
 * one than all that is counted of it.
 */
export class Running {
  readonly #trails: Trail[] = [];
  /** Of the trail at the same place. */
  readonly #answers: ServerResponse[] = [];
  #isDraining = false;
  #onIdle: (() => void) | undefined;

  /** To be called before anything is answered. */
  begin(trail: Trail, res: ServerResponse): void {
    if (this.#isDraining) res.shouldKeepAlive = false;
    trail.place = this.#trails.length;
    this.#trails.push(trail);
    this.#answers.push(res);
  }

  /** When nothing more is done for it, also where its client has gone long before. */
  end(trail: Trail): void {
    const [last, answer] = [this.#trails.pop(), this.#answers.pop()];
    if (last && answer && last !== trail) {
      last.place = trail.place;
      this.#trails[trail.place] = last;
      this.#answers[trail.place] = answer;
    }
    if (this.#trails.length === 0) this.#onIdle?.();
  }

  all(): readonly Trail[] {
    return this.#trails;
  }

  /** From now on every answer says that its connection ends with it (RFC 9112, section 9.6): nobody asks again on it. */
  drain(): void {
    this.#isDraining = true;
    for (const res of this.#answers) if (!res.headersSent) res.shouldKeepAlive = false;
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    if (this.#trails.length > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }
}
