import * as claims from '../core/claim.ts';
import type { Claim, ClaimLifetimes } from '../core/claim.ts';
import type {
  Arming,
  ClaimAnswer,
  ClaimedManifest,
  ClaimRequest,
  ClaimStore,
  Clock,
  DeleteMark,
  MarkAnswer,
} from '../core/ports.ts';
import type { Digest, Repository, Tag } from '../core/reference.ts';
import { ClaimChanges } from './claim-changes.ts';
import type { ClaimsJournal, JournalEntry } from './claims-journal.ts';
import { InMemoryMarks } from './marks-memory.ts';

/** A holder that a restart left behind: nobody knows what became of its PUT. */
const journalHolder = 'before-restart';

/** Claims of one process. Each method changes all of its tags in one turn of the event loop: all or none. */
export class InMemoryClaims implements ClaimStore {
  readonly #claims = new Map<string, Claim>();
  readonly #marks = new InMemoryMarks();
  readonly #lifetimes: ClaimLifetimes;
  readonly #clock: Clock;
  readonly #journal: ClaimsJournal;
  readonly #changes: ClaimChanges;

  constructor(lifetimes: ClaimLifetimes, clock: Clock, journal: ClaimsJournal) {
    this.#lifetimes = lifetimes;
    this.#clock = clock;
    this.#journal = journal;
    this.#changes = new ClaimChanges(clock);
    for (const { key, digest, needs = [digest], confirmed, open, expiresAtMs, base } of journal.entries()) {
      // A clock that was set back must not keep a tag for longer than a claim can live.
      const latestMs = clock.nowMs() + lifetimes.ttlMs;
      const holders = new Map(confirmed && !open ? [] : [[journalHolder, 'unknown' as const]]);
      this.#claims.set(key, {
        digest,
        needs,
        confirmed,
        holders,
        expiresAtMs: Math.min(expiresAtMs, latestMs),
        ...(base && { base }),
      });
    }
  }

  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const nowMs = this.#clock.nowMs();
    this.#dropExpired(nowMs);
    const joins = request.tags.map((tag): [Tag, claims.Join] => {
      const claim = this.#claims.get(keyOf(request.repository, tag));
      return [tag, claims.join(claim, request, nowMs, this.#lifetimes)];
    });
    for (const [tag, join] of joins) if (join.outcome === 'taken') return Promise.resolve({ tag, ...join });
    const target = this.#marks.targetAmong(request.needs, request.repository, nowMs);
    if (target !== undefined) return Promise.resolve({ outcome: 'marked', target });
    for (const [tag, join] of joins) if (join.outcome === 'crowded') return Promise.resolve({ tag, ...join });
    let base: Digest | undefined;
    for (const [tag, join] of joins) {
      if (join.outcome !== 'held') continue;
      this.#set(keyOf(request.repository, tag), join.claim);
      base ??= join.claim.base?.digest;
    }
    return Promise.resolve(base === undefined ? { outcome: 'held' } : { outcome: 'held', base });
  }

  async arm(request: ClaimRequest): Promise<Arming> {
    const { repository, digest, holder, needs } = request;
    const nowMs = this.#clock.nowMs();
    const isOurs = (key: string, atMs: number): boolean =>
      claims.isHeldBy(this.#claims.get(key), digest, holder, atMs);
    if (!request.tags.every((tag) => isOurs(keyOf(repository, tag), nowMs))) return 'lost';
    if (this.#marks.targetAmong(needs, repository, nowMs) !== undefined) return 'marked';
    const armed = this.#changeAll(request, claims.arm) ?? [];
    await Promise.all(armed.map(([key, claim]) => this.#journal.record(entryOf(key, claim))));
    // Writing takes time, in which the process may have slept past its claim.
    return armed.every(([key]) => isOurs(key, this.#clock.nowMs())) ? 'armed' : 'lost';
  }

  async confirm(request: ClaimRequest): Promise<boolean> {
    const confirmed = this.#changeAll(request, claims.confirm);
    if (!confirmed) return false;
    await Promise.all(confirmed.map(([key, claim]) => this.#journal.note(entryOf(key, claim))));
    return true;
  }

  async giveBack({ repository, tags, digest, holder }: ClaimRequest): Promise<void> {
    const nowMs = this.#clock.nowMs();
    for (const tag of tags) {
      const key = keyOf(repository, tag);
      const left = claims.giveBack(this.#claims.get(key), digest, holder, nowMs);
      const isRestored = left !== undefined && left.digest !== this.#claims.get(key)?.digest;
      this.#set(key, left);
      if (isRestored) await this.#journal.note(entryOf(key, left));
      if (!left) await this.#journal.forget(key);
    }
  }

  leaveUnknown({ repository, tags, digest, holder }: ClaimRequest): Promise<void> {
    const nowMs = this.#clock.nowMs();
    for (const tag of tags) {
      const key = keyOf(repository, tag);
      this.#set(key, claims.leaveUnknown(this.#claims.get(key), digest, holder, nowMs));
    }
    return Promise.resolve();
  }

  changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void> {
    return this.#changes.next(keyOf(repository, tag), timeoutMs);
  }

  mark(mark: DeleteMark): Promise<MarkAnswer> {
    const nowMs = this.#clock.nowMs();
    this.#marks.set(mark, nowMs + this.#lifetimes.ttlMs);
    const claimed: ClaimedManifest[] = [];
    for (const [key, claim] of this.#claims) {
      const colon = key.lastIndexOf(':');
      if (key.slice(0, colon) !== mark.repository || !claims.unexpired(claim, nowMs)) continue;
      const tag = key.slice(colon + 1) as Tag;
      claimed.push({ tag, digest: claim.digest, needs: claim.needs });
      if (claim.base) claimed.push({ tag, digest: claim.base.digest, needs: claim.base.needs });
    }
    return Promise.resolve({ outcome: 'marked', claimed });
  }

  armMark(mark: DeleteMark): Promise<boolean> {
    const nowMs = this.#clock.nowMs();
    const isThere = this.#marks.has(mark, nowMs);
    if (isThere) this.#marks.set(mark, nowMs + this.#lifetimes.ttlMs);
    return Promise.resolve(isThere);
  }

  unmark(mark: DeleteMark): Promise<void> {
    this.#marks.remove(mark);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#journal.close();
  }

  /** Every tag's claim, changed; or none, where one of them is no longer the holder's. */
  #changeAll(request: ClaimRequest, change: typeof claims.arm): [string, Claim][] | undefined {
    const nowMs = this.#clock.nowMs();
    const { repository, tags, digest, holder } = request;
    const changed: [string, Claim][] = [];
    for (const tag of tags) {
      const key = keyOf(repository, tag);
      const claim = change(this.#claims.get(key), digest, holder, nowMs, this.#lifetimes);
      if (!claim) return undefined;
      changed.push([key, claim]);
    }
    for (const [key, claim] of changed) this.#set(key, claim);
    return changed;
  }

  #set(key: string, claim: Claim | undefined): void {
    // Deleted first, so that the map stays in the order of the last change, for #dropExpired.
    this.#claims.delete(key);
    if (claim) this.#claims.set(key, claim);
    this.#changes.tell(key);
  }

  /** Keeps memory to the claims of the last few minutes; what has expired reads as absent anyway. */
  #dropExpired(nowMs: number): void {
    for (const [key, claim] of this.#claims) {
      if (claims.unexpired(claim, nowMs)) break;
      this.#claims.delete(key);
      void this.#journal.forget(key);
    }
  }
}

/** The last colon is where the tag begins: a repository may name a port, a tag has no colon. */
function keyOf(repository: Repository, tag: Tag): string {
  return `${repository}:${tag}`;
}

function entryOf(key: string, { digest, needs, confirmed, holders, expiresAtMs, base }: Claim): JournalEntry {
  const isOpen = confirmed && [...holders.values()].some((state) => state !== 'confirmed');
  return { key, digest, needs, confirmed, ...(isOpen && { open: true }), expiresAtMs, ...(base && { base }) };
}
