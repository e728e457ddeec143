import type { BaseLogger } from 'pino';
import {
  StoreAway,
  type Clock,
  type Immutability,
  type Ledger,
  type LedgerEntry,
  type TagFacts,
  type TagQuestion,
} from '../core/ports.ts';
import { digestAlgorithm, type Digest, type Repository, type Tag } from '../core/reference.ts';
import type { TagFact } from '../core/verdict.ts';

/** How long what was seen may be denied by without asking again. */
const recalledForMs = 60_000;

/** An immutable tag was moved, or is gone, and not through us. */
export interface Tampering {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly digestBefore: Digest;
  /** Absent: there is none any more. */
  readonly digestAfter?: Digest;
  /** RFC 3339: since when it was seen to be what it was before. */
  readonly seenSince: string;
}

/** `away`: the ledger did not say. */
type Recalled = { readonly entry: LedgerEntry | undefined } | 'away';

/**
 * Remembers what immutable tags were seen to be: to deny without a look-up, and to find out who moves them behind our
 * back. Whatever becomes of the ledger, a look-up is answered as if there were none.
 */
export class LedgeredTagFacts implements TagFacts {
  readonly #facts: TagFacts;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #log: Pick<BaseLogger, 'warn' | 'error'>;
  readonly #onTampering: ((seen: Tampering) => void) | undefined;
  #tamperings = 0;
  #ledgerFailures = 0;

  constructor(
    facts: TagFacts,
    ledger: Ledger,
    clock: Clock,
    log: Pick<BaseLogger, 'warn' | 'error'>,
    onTampering?: (seen: Tampering) => void,
  ) {
    this.#facts = facts;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#log = log;
    this.#onTampering = onTampering;
  }

  /** How often an immutable tag had been moved or deleted, but not through us; once for each change. */
  get tamperings(): number {
    return this.#tamperings;
  }

  get ledgerFailures(): number {
    return this.#ledgerFailures;
  }

  async lookUp(question: TagQuestion): Promise<TagFact> {
    const { immutable } = question;
    if (!immutable) return this.#facts.lookUp(question);
    const askedMs = this.#clock.nowMs();
    const recalling = this.#recall(question.repository, question.tag);
    if (immutable.mayRecall) {
      const denial = this.#denial(question, immutable, await recalling);
      if (denial) return denial;
    }
    const withinMs = question.withinMs - (this.#clock.nowMs() - askedMs);
    const fact = await this.#facts.lookUp({ ...question, withinMs });
    this.#inBackground(
      recalling.then((recalled) => this.#compare({ question, immutable, askedMs, recalled, fact })),
    );
    return fact;
  }

  seen(repository: Repository, tags: readonly Tag[], digest: Digest): void {
    const seenMs = this.#clock.nowMs();
    for (const tag of tags) this.#inBackground(this.#noteCreated(repository, tag, digest, seenMs));
  }

  gone(repository: Repository, tag: Tag): void {
    this.#inBackground(this.#forget(repository, tag));
  }

  async #forget(repository: Repository, tag: Tag): Promise<void> {
    const recalled = await this.#recall(repository, tag);
    if (recalled === 'away' || !recalled.entry) return;
    await this.#ledger.forget(repository, tag, recalled.entry.digest);
  }

  /** What was seen just now, where that is enough to deny. The pushed manifest never is: the ledger allows nothing. */
  #denial({ pushed }: TagQuestion, immutable: Immutability, recalled: Recalled): TagFact | undefined {
    if (recalled === 'away' || !recalled.entry || !counts(recalled.entry, immutable)) return undefined;
    const { digest, lastSeenMs } = recalled.entry;
    if (this.#clock.nowMs() - lastSeenMs > recalledForMs || pushed?.includes(digest)) return undefined;
    return { state: 'present', digest, isPushed: false };
  }

  /** Compares what the upstream showed with what it showed before, and notes it. */
  async #compare({ question, immutable, askedMs, recalled, fact }: Comparison): Promise<void> {
    if (recalled === 'away') return;
    const { repository, tag } = question;
    const { entry } = recalled;
    // From a push, say, that was confirmed while the upstream was being asked: its answer may be from before.
    if (entry && entry.lastSeenMs > askedMs) return;
    if (fact.state === 'present') {
      const { digest } = fact;
      const isNoted = await this.#ledger.note({
        ...{ repository, tag, digest, seenMs: askedMs },
        ...(entry && { was: entry.digest }),
      });
      if (isNoted && entry && counts(entry, immutable) && isAnother(digest, entry.digest))
        this.#tell("an immutable tag was moved behind Tagwarden's back", question, entry, digest);
    } else if (fact.state === 'absent' && entry) {
      const isForgotten = await this.#ledger.forget(repository, tag, entry.digest);
      if (isForgotten && counts(entry, immutable))
        this.#tell("an immutable tag is gone; it was deleted behind Tagwarden's back", question, entry);
    }
  }

  #tell(
    what: string,
    { repository, tag }: TagQuestion,
    { digest, firstSeenMs }: LedgerEntry,
    is?: Digest,
  ): void {
    this.#tamperings += 1;
    const wasSince = new Date(firstSeenMs).toISOString();
    this.#log.error({ repository, tag, was: digest, is, wasSince }, `tampering: ${what}`);
    this.#onTampering?.({
      ...{ repository, tag, digestBefore: digest, seenSince: wasSince },
      ...(is !== undefined && { digestAfter: is }),
    });
  }

  async #noteCreated(repository: Repository, tag: Tag, digest: Digest, seenMs: number): Promise<void> {
    const recalled = await this.#recall(repository, tag);
    if (recalled === 'away') return;
    const was = recalled.entry?.digest;
    await this.#ledger.note({ repository, tag, digest, seenMs, ...(was !== undefined && { was }) });
  }

  async #recall(repository: Repository, tag: Tag): Promise<Recalled> {
    try {
      return { entry: await this.#ledger.recall(repository, tag) };
    } catch (error) {
      this.#failed(error);
      return 'away';
    }
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#failed(error);
    });
  }

  #failed(error: unknown): void {
    this.#ledgerFailures += 1;
    // The shared store itself says when it is away.
    if (!(error instanceof StoreAway)) this.#log.warn({ err: error }, 'the ledger failed');
  }
}

interface Comparison {
  readonly question: TagQuestion;
  readonly immutable: Immutability;
  /** When the look-up began. */
  readonly askedMs: number;
  readonly recalled: Recalled;
  readonly fact: TagFact;
}

/** What was seen before the tag became immutable may have changed since, and rightly so. */
function counts({ lastSeenMs }: LedgerEntry, { sinceMs }: Immutability): boolean {
  return lastSeenMs >= sinceMs;
}

/** A manifest has a name by each algorithm: only two names by one algorithm prove two manifests. */
function isAnother(digest: Digest, before: Digest): boolean {
  return digest !== before && digestAlgorithm(digest) === digestAlgorithm(before);
}
