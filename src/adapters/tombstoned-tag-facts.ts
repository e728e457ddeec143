import type { BaseLogger } from 'pino';
import {
  StoreAway,
  type PushedDigests,
  type TagFacts,
  type TagQuestion,
  type Tombstones,
} from '../core/ports.ts';
import type { Digest, Repository, Tag } from '../core/reference.ts';
import type { TagFact } from '../core/verdict.ts';

/** Keeps in mind what tags are whose names a rule keeps, and says what they were where they are gone. */
export class TombstonedTagFacts implements TagFacts {
  readonly #facts: TagFacts;
  readonly #tombstones: Tombstones;
  readonly #log: Pick<BaseLogger, 'warn'>;

  constructor(facts: TagFacts, tombstones: Tombstones, log: Pick<BaseLogger, 'warn'>) {
    this.#facts = facts;
    this.#tombstones = tombstones;
    this.#log = log;
  }

  async lookUp(question: TagQuestion): Promise<TagFact> {
    const fact = await this.#facts.lookUp(question);
    const { immutable, pushed } = question;
    if (!immutable?.tombstone) return fact;
    if (fact.state === 'present') await this.#bury(question, fact.digest);
    // What is gone matters to who would make it anew.
    return fact.state === 'absent' && pushed ? this.#recall(question, pushed) : fact;
  }

  seen(repository: Repository, tags: readonly Tag[], digest: Digest): void {
    this.#facts.seen(repository, tags, digest);
  }

  gone(repository: Repository, tag: Tag): void {
    this.#facts.gone(repository, tag);
  }

  /** The fact stands all the same, and the next look-up tries again. */
  async #bury({ repository, tag }: TagQuestion, digest: Digest): Promise<void> {
    try {
      await this.#tombstones.bury(repository, tag, digest);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #recall({ repository, tag }: TagQuestion, pushed: PushedDigests): Promise<TagFact> {
    try {
      const was = await this.#tombstones.recall(repository, tag);
      return was === undefined
        ? { state: 'absent' }
        : { state: 'absent', was, isPushed: pushed.includes(was) };
    } catch (error) {
      this.#failed(error);
      return { state: 'unknown', reason: 'it is absent now, but what it was before cannot be read' };
    }
  }

  #failed(error: unknown): void {
    // The shared store itself says when it is away.
    if (!(error instanceof StoreAway)) this.#log.warn({ err: error }, 'the tombstones failed');
  }
}
