import { eventually } from '../fixtures/eventually.ts';
import type { Replica } from './replica.ts';
import type { Judged } from './rule-history.ts';

export type Question = (replica: Replica) => Promise<Judged>;

/** Asks every replica, over and over, until it is told to stop. */
export class Traffic {
  readonly #judged: Judged[] = [];
  readonly #replicas: readonly Replica[];
  readonly #running: readonly Promise<void>[];
  #isStopped = false;

  /** @param atOnce how many ask each replica at the same time */
  static start(replicas: readonly Replica[], atOnce: number, ask: Question): Traffic {
    return new Traffic(replicas, atOnce, ask);
  }

  private constructor(replicas: readonly Replica[], atOnce: number, ask: Question) {
    this.#replicas = replicas;
    this.#running = replicas.flatMap((replica) =>
      Array.from({ length: atOnce }, async () => {
        while (!this.#isStopped) this.#judged.push(await ask(replica));
      }),
    );
  }

  /** Until every replica has answered some that were sent later than this. */
  async goOn(afterMs: number): Promise<void> {
    const few = 10;
    await eventually(
      'every replica has answered',
      () =>
        this.#replicas.every(
          ({ index }) =>
            this.#judged.filter(({ replica, sentMs }) => replica === index && sentMs > afterMs).length >= few,
        ),
      30_000,
    );
  }

  /** What was answered. */
  async stop(): Promise<readonly Judged[]> {
    this.#isStopped = true;
    await Promise.all(this.#running);
    return this.#judged;
  }
}
