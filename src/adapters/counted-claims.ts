import type { Arming, ClaimAnswer, ClaimRequest, ClaimStore, DeleteMark, MarkAnswer } from '../core/ports.ts';
import type { Repository, Tag } from '../core/reference.ts';
import { seriesOf, type Measures } from '../core/series.ts';

const outcomes = ['held', 'taken', 'crowded', 'marked', 'quarantined', 'away'] as const;

/** Claims as they are, and how this process fared with them. */
export class CountedClaims implements ClaimStore {
  readonly #claims: ClaimStore;
  readonly #counts = new Map<string, number>(outcomes.map((outcome) => [outcome, 0]));
  /** Of pushes that have claimed, and have not settled that yet. */
  readonly #holders = new Set<string>();

  constructor(claims: ClaimStore) {
    this.#claims = claims;
  }

  measures(): Measures {
    const counts = [...this.#counts].map(([outcome, count]) => [seriesOf('claims', outcome), count] as const);
    return { counts: Object.fromEntries(counts), levels: { claims_open: this.#holders.size } };
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    let outcome: ClaimAnswer['outcome'] | 'away' = 'away';
    try {
      const answer = await this.#claims.claim(request);
      outcome = answer.outcome;
      if (outcome === 'held') this.#holders.add(request.holder);
      return answer;
    } finally {
      this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    }
  }

  arm(request: ClaimRequest): Promise<Arming> {
    return this.#claims.arm(request);
  }

  confirm(request: ClaimRequest): Promise<boolean> {
    return this.#settling(request, this.#claims.confirm(request));
  }

  giveBack(request: ClaimRequest): Promise<void> {
    return this.#settling(request, this.#claims.giveBack(request));
  }

  leaveUnknown(request: ClaimRequest): Promise<void> {
    return this.#settling(request, this.#claims.leaveUnknown(request));
  }

  changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void> {
    return this.#claims.changed(repository, tag, timeoutMs);
  }

  mark(mark: DeleteMark): Promise<MarkAnswer> {
    return this.#claims.mark(mark);
  }

  armMark(mark: DeleteMark): Promise<boolean> {
    return this.#claims.armMark(mark);
  }

  unmark(mark: DeleteMark): Promise<void> {
    return this.#claims.unmark(mark);
  }

  close(): Promise<void> {
    return this.#claims.close();
  }

  #settling<Settled>({ holder }: ClaimRequest, settled: Promise<Settled>): Promise<Settled> {
    return settled.finally(() => this.#holders.delete(holder));
  }
}
