import { EventEmitter } from 'node:events';
import * as claims from '../core/claim.ts';
import type { Claim, ClaimLifetimes } from '../core/claim.ts';
import type { ClaimAnswer, ClaimRequest, ClaimStore, Clock } from '../core/ports.ts';
import type { Repository, Tag } from '../core/reference.ts';
import type { ClaimsJournal, JournalEntry } from './claims-journal.ts';

/** A holder that a restart left behind: nobody knows what became of its PUT. */
const journalHolder = 'before-restart';

/** Claims of one process. Each method changes all of its tags in one turn of the event loop: all or none. */
export class InMemoryClaims implements ClaimStore {
  readonly #claims = new Map<string, Claim>();
  readonly #lifetimes: ClaimLifetimes;
  readonly #clock: Clock;
  readonly #journal: ClaimsJournal;
  readonly #changes = new EventEmitter().setMaxListeners(0);

  constructor(lifetimes: ClaimLifetimes, clock: Clock, journal: ClaimsJournal) {
    this.#lifetimes = lifetimes;
    this.#clock = clock;
    this.#journal = journal;
    for (const { key, digest, confirmed, expiresAtMs } of journal.entries()) {
      // A clock that was set back must not keep a tag for longer than a claim can live.
      const latestMs = clock.nowMs() + lifetimes.ttlMs;
      const holders = new Map(confirmed ? [] : [[journalHolder, 'unknown' as const]]);
      this.#claims.set(key, { digest, confirmed, holders, expiresAtMs: Math.min(expiresAtMs, latestMs) });
    }
  }

  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const nowMs = this.#clock.nowMs();
    this.#dropExpired(nowMs);
    const joined: [string, Claim][] = [];
    for (const tag of request.tags) {
      const key = keyOf(request.repository, tag);
      const join = claims.join(this.#claims.get(key), request.digest, request.holder, nowMs, this.#lifetimes);
      if (join.outcome !== 'held') return Promise.resolve({ ...join, tag });
      joined.push([key, join.claim]);
    }
    for (const [key, claim] of joined) this.#set(key, claim);
    return Promise.resolve({ outcome: 'held' });
  }

  async arm(request: ClaimRequest): Promise<boolean> {
    const armed = this.#changeAll(request, claims.arm);
    if (!armed) return false;
    await Promise.all(armed.map(([key, claim]) => this.#journal.record(entryOf(key, claim))));
    // Writing takes time, in which the process may have slept past its claim.
    const nowMs = this.#clock.nowMs();
    return armed.every(([key]) =>
      claims.isHeldBy(this.#claims.get(key), request.digest, request.holder, nowMs),
    );
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
      this.#set(key, left);
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

  async changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void> {
    const key = keyOf(repository, tag);
    let wake: () => void = () => undefined;
    const change = new Promise<void>((resolve) => {
      wake = resolve;
      this.#changes.once(key, resolve);
    });
    await Promise.race([change, this.#clock.sleep(timeoutMs)]);
    this.#changes.off(key, wake);
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
    this.#changes.emit(key);
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

function keyOf(repository: Repository, tag: Tag): string {
  return `${repository}:${tag}`;
}

function entryOf(key: string, { digest, confirmed, expiresAtMs }: Claim): JournalEntry {
  return { key, digest, confirmed, expiresAtMs };
}
