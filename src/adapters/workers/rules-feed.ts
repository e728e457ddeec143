import type { Clock, RuleSource } from '../../core/ports.ts';
import { Rounds } from '../rounds.ts';
import type { Settle } from '../rules-in-force.ts';
import { waitedOutMs } from './lease.ts';
import { writeRules, type WrittenRules } from './written-rules.ts';

/** Rules of which it is told when others come into force. */
export interface ToldRules extends RuleSource {
  /** One who passes on each change, as soon as it is in force here; the log says so only after that. */
  onInForce(settle: Settle): void;
}

/** What a primary tells a worker of the rules, again and again. */
export interface Beat {
  /** When it was said; all that was in force then is in it, or in those before. */
  readonly atMs: number;
  /** As RuleSource.doubt(). */
  readonly doubt: string | undefined;
  /** Absent: those that the worker took last. */
  readonly rules?: WrittenRules;
}

export type Take = (beat: Beat) => Promise<void>;

const beatEveryMs = 250;

interface Follower {
  readonly take: Take;
  readonly rounds: Rounds;
  /** Which change of the rules it took last. */
  taken: number;
}

/** Keeps the workers to the rules that are in force in their primary. */
export class RulesFeed {
  readonly #source: ToldRules;
  readonly #clock: Clock;
  readonly #followers = new Set<Follower>();
  #changes = 1;

  constructor(source: ToldRules, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
    source.onInForce(() => {
      this.#changes += 1;
      return this.settled();
    });
  }

  /**
   * Resolves when a worker has the rules, and keeps it to them until it ends.
   * @param onFailure hears once that it could not be told something, and is told nothing more
   * @throws what `take` throws the first time
   */
  async follow(take: Take, onFailure: (error: unknown) => void): Promise<void> {
    const round = async (): Promise<void> => {
      await this.#tell(follower).catch((error: unknown) => {
        this.#leave(follower);
        onFailure(error);
      });
    };
    const rounds = new Rounds({ clock: this.#clock, everyMs: beatEveryMs, jitterMs: 0, round });
    const follower: Follower = { take, rounds, taken: 0 };
    await this.#tell(follower);
    this.#followers.add(follower);
    await rounds.start();
  }

  /** Resolves when every worker judges by what is in force now, or by nothing. Never rejects. */
  async settled(): Promise<void> {
    const told = [...this.#followers].map((follower) => this.#tell(follower));
    await Promise.race([Promise.allSettled(told), this.#clock.sleep(waitedOutMs)]);
  }

  close(): void {
    for (const follower of this.#followers) this.#leave(follower);
  }

  #leave(follower: Follower): void {
    this.#followers.delete(follower);
    follower.rounds.close();
  }

  /** One after the other, so that nothing long is sent twice. */
  #tell(follower: Follower): Promise<void> {
    return follower.rounds.inTurn(async () => {
      const change = this.#changes;
      await follower.take(this.#beat(follower.taken !== change));
      follower.taken = change;
    });
  }

  #beat(hasChanged: boolean): Beat {
    // First the time: what comes into force now is not promised to be in it.
    const atMs = this.#clock.nowMs();
    const { doubt, rules } = { doubt: this.#source.doubt(), rules: this.#source.current() };
    return { atMs, doubt, ...(hasChanged && { rules: writeRules(rules) }) };
  }
}
