import { setTimeout as sleep } from 'node:timers/promises';
import type { Dice } from './dice.ts';
import { repository, type Fleet } from './fleet.ts';
import { sampleOf, type Content } from './push.ts';
import type { Outcome } from './history.ts';
import type { Recorder } from './recorder.ts';

export interface ContestOptions {
  readonly pushers: number;
  /** Whether some of them try again after an answer that is not final. */
  readonly isPersistent: boolean;
}

/** Rounds in which many push one new tag at once, each another manifest. */
export class Contest {
  readonly #fleet: Fleet;
  readonly #recorder: Recorder;
  readonly #options: ContestOptions;
  readonly #rounds: Promise<void>[] = [];
  readonly #winners = new Map<string, Content>();

  constructor(fleet: Fleet, recorder: Recorder, options: ContestOptions) {
    this.#fleet = fleet;
    this.#recorder = recorder;
    this.#options = options;
  }

  /** How many have begun. */
  get rounds(): number {
    return this.#rounds.length;
  }

  /** Begins a round; it ends when everyone has given up or has a final answer. */
  round(dice: Dice): Promise<void> {
    const running = this.#run(this.#rounds.length, dice);
    this.#rounds.push(running);
    return running;
  }

  /** Once nothing is on its way any more: somebody tries to replace what each round made, and the registry is asked. */
  async end(dice: Dice): Promise<void> {
    await Promise.all(this.#rounds);
    await this.#fleet.upstream.settled();
    for (const round of this.#rounds.keys()) {
      await this.#push(round, this.#fleet.newContent(), dice);
      await this.#sample(tagOf(round));
    }
  }

  async #run(round: number, dice: Dice): Promise<void> {
    const pushers = Array.from({ length: this.#options.pushers }, () => dice.fork());
    await Promise.all(pushers.map((own) => this.#persist(round, this.#fleet.newContent(), own)));
    // A latecomer who would replace what is there, and the winner, whose pipeline runs twice.
    await this.#push(round, this.#fleet.newContent(), dice);
    const winner = this.#winners.get(tagOf(round));
    if (winner) await this.#push(round, winner, dice);
  }

  /** One pusher; where some are persistent, it may be one of them. */
  async #persist(round: number, content: Content, dice: Dice): Promise<void> {
    const attempts = this.#options.isPersistent && dice.happens(0.2) ? 4 : 1;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#push(round, content, dice);
      if (outcome === 'acknowledged' || outcome === 'denied' || attempt === attempts) return;
      await sleep(dice.between(200, 2_000));
    }
  }

  async #push(round: number, content: Content, dice: Dice): Promise<Outcome> {
    const [tag, replica] = [tagOf(round), dice.pick(this.#fleet.replicas)];
    const { told } = await this.#fleet.push(replica, tag, content);
    const { digest } = content;
    this.#recorder.attempt({ round, tag, digest, replica: replica.index, ...told });
    if (told.outcome === 'acknowledged') {
      this.#winners.set(tag, content);
      await this.#sample(tag);
    }
    return told.outcome;
  }

  async #sample(tag: string): Promise<void> {
    this.#recorder.sample(await sampleOf(this.#fleet.registry.url, repository, tag));
  }
}

function tagOf(round: number): string {
  return `v${round}`;
}
