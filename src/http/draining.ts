import type { ServerResponse } from 'node:http';

/** What a listener is about, and that it comes to its end without cutting anybody off. */
export class Draining {
  readonly #running = new Set<ServerResponse>();
  #isDraining = false;
  #onIdle: (() => void) | undefined;

  /** How many exchanges there are that have not ended. */
  get running(): number {
    return this.#running.size;
  }

  /** To be called before anything is answered. */
  begin(res: ServerResponse): void {
    if (this.#isDraining) res.shouldKeepAlive = false;
    this.#running.add(res);
  }

  /** When nothing more is done for it, also where its client has gone long before. */
  end(res: ServerResponse): void {
    this.#running.delete(res);
    if (this.#running.size === 0) this.#onIdle?.();
  }

  /** From now on every answer says that its connection ends with it (RFC 9112, section 9.6): nobody asks again on it. */
  start(): void {
    this.#isDraining = true;
    for (const res of this.#running) if (!res.headersSent) res.shouldKeepAlive = false;
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    if (this.#running.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }
}
