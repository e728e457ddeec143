/** What an exchange is waiting for: nobody but ourselves, or else the upstream, or a client that sends its body. */
export type Phase = 'own' | 'upstream' | 'client' | 'answering';

/** On what the time of one exchange goes, from its beginning until its answer begins. */
export class Timing {
  readonly startedMs = performance.now();
  ownMs = 0;
  upstreamMs = 0;
  #phase: Phase = 'own';
  #sinceMs = this.startedMs;
  #questions = 0;

  get phase(): Phase {
    return this.#phase;
  }

  /** Once it is being answered it stays so. */
  enter(phase: Phase): void {
    if (this.#phase === 'answering') return;
    const nowMs = performance.now();
    if (this.#phase === 'own') this.ownMs += nowMs - this.#sinceMs;
    else if (this.#phase === 'upstream') this.upstreamMs += nowMs - this.#sinceMs;
    this.#phase = phase;
    this.#sinceMs = nowMs;
  }

  /** Of several questions at once the time counts once. */
  async asking<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    this.#questions += 1;
    this.enter('upstream');
    try {
      return await ask();
    } finally {
      this.#questions -= 1;
      if (this.#questions === 0) this.enter('own');
    }
  }
}
