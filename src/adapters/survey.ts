import { immutableSince } from '../core/decision.ts';
import { guardedTags } from '../core/judge-digest-delete.ts';
import { NeedGraph } from '../core/need-graph.ts';
import { StoreAway, type Clock, type Ledger, type LedgerEntry, type TagFacts } from '../core/ports.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import type { Digest, Tag } from '../core/reference.ts';
import type { RuleSet } from '../core/rule.ts';
import { forEachBounded } from './bounded.ts';
import type { ManifestCache } from './manifest-cache.ts';
import type { Reading, Unknown } from './patient-reader.ts';
import type { RepositoryReads } from './repository-reads.ts';

/** Requests to the upstream at the same time, for one survey. */
export const concurrency = 16;
/** As long as the ledger denies a push without a look-up. */
const believedForMs = 60_000;
/** A referrer of a referrer of …: nobody builds towers of these. */
const heightLimit = 32;

export interface SurveyPorts {
  readonly reads: RepositoryReads;
  readonly manifests: ManifestCache;
  readonly facts: TagFacts;
  readonly ledger: Pick<Ledger, 'recallAll'>;
  readonly clock: Clock;
  /** More protected tags than these are not walked. */
  readonly tagLimit: number;
}

/** One walk over a repository, from its guarded tags to all that they need. */
export class Survey {
  readonly #ports: SurveyPorts;
  readonly #reading: Reading;
  readonly #endMs: number;
  readonly #base: Survey | undefined;
  readonly #visited = new Set<Digest>();
  /** Tags by the manifest that they are named after. */
  readonly #named: Map<Digest, Tag[]>;
  readonly graph: NeedGraph;
  #hasReferrersApi = true;
  #firstReferrers: Promise<unknown> | undefined;

  /** @param base what was found before, to which this adds */
  constructor(ports: SurveyPorts, reading: Reading, base?: Survey) {
    this.#ports = ports;
    this.#reading = reading;
    this.#endMs = ports.clock.nowMs() + reading.withinMs;
    this.#base = base;
    this.#named = base ? base.#named : new Map<Digest, Tag[]>();
    this.#hasReferrersApi = base ? base.#hasReferrersApi : true;
    this.graph = new NeedGraph(base?.graph);
  }

  /**
   * Walks from every tag that some rule keeps from being deleted.
   * @returns why not all is known; undefined: it is
   * @throws CredentialsRefused
   */
  async walkTags(rules: RuleSet): Promise<Unknown | undefined> {
    const { reads, tagLimit } = this.#ports;
    const list = await reads.listTags(this.#left());
    if (list.state === 'unknown') return list;
    for (const tag of list.tags) this.#noteName(tag);
    const guarded = guardedTags(rules, this.#reading.repository, list.tags);
    if (guarded.length > tagLimit) {
      return { state: 'unknown', reason: `more than ${tagLimit} tags are protected` };
    }
    const digests = new Set<Digest>();
    return (await this.#digestsOf(guarded, rules, (digest) => digests.add(digest))) ?? this.walk(digests);
  }

  /**
   * Walks from manifests down to what they need, and to what refers to them.
   * @throws CredentialsRefused
   */
  walk(digests: Iterable<Digest>): Promise<Unknown | undefined> {
    return forEachBounded(digests, concurrency, async (digest, add) => {
      if (this.#isVisited(digest)) return undefined;
      this.#visited.add(digest);
      return (
        this.#tooLate() ??
        (await this.#visitParts(digest, add)) ??
        (await this.#visitNamed(digest, add)) ??
        (await this.#visitReferrers(digest, add))
      );
    });
  }

  /**
   * Climbs from a manifest to what it is about, also where no tag leads to it.
   * @returns by what names the manifest is known
   * @throws CredentialsRefused
   */
  async climb(digest: Digest): Promise<readonly Digest[] | Unknown> {
    const names = [digest];
    let next: readonly Digest[] = [digest];
    for (let height = 0; next.length > 0 && height < heightLimit; height++) {
      const above: Digest[] = [];
      for (const referrer of next) {
        const fact = await this.#ports.manifests.read(this.#left(), referrer);
        if (fact.state === 'unknown') return fact;
        if (fact.state === 'absent') continue;
        if (referrer === digest) names.push(fact.sha256);
        this.graph.refer(referrer, fact.needs.subjects);
        above.push(...fact.needs.subjects);
      }
      next = above;
    }
    return names;
  }

  #isVisited(digest: Digest): boolean {
    return this.#visited.has(digest) || (this.#base ? this.#base.#isVisited(digest) : false);
  }

  #tooLate(): Unknown | undefined {
    if (this.#ports.clock.nowMs() < this.#endMs) return undefined;
    const seconds = Math.round(this.#reading.withinMs / 1000);
    return { state: 'unknown', reason: `its tags could not be walked within ${seconds} s` };
  }

  #noteName(tag: Tag): void {
    const named = parseReferrerTag(tag)?.named;
    if (named === undefined) return;
    const tags = this.#named.get(named);
    if (tags) tags.push(tag);
    else this.#named.set(named, [tag]);
  }

  /** Of immutable tags the ledger knows what was seen just now; of others the upstream is asked. */
  async #digestsOf(
    tags: ReturnType<typeof guardedTags>,
    rules: RuleSet,
    add: (digest: Digest) => void,
  ): Promise<Unknown | undefined> {
    const { repository } = this.#reading;
    const { clock, ledger } = this.#ports;
    const since = new Map(
      tags.map(([tag, covering]) => [tag, immutableSince(rules, repository, tag, covering)]),
    );
    const immutable = [...since].filter(([, sinceMs]) => sinceMs !== undefined).map(([tag]) => tag);
    const known = await ledger.recallAll(repository, immutable).catch(nothingKnown);
    const believedFromMs = clock.nowMs() - believedForMs;
    return forEachBounded(since, concurrency, ([tag, sinceMs]) => {
      const found = (digest: Digest): void => {
        this.graph.point(tag, digest);
        add(digest);
      };
      if (sinceMs === undefined) return this.#lookUp(tag, sinceMs, found);
      const entry = known.get(tag);
      if (!entry) return this.#readNew(tag, found);
      // What was seen long ago may have been moved behind our back: it could deny, but never allow.
      if (entry.lastSeenMs < Math.max(sinceMs, believedFromMs)) return this.#lookUp(tag, sinceMs, found);
      found(entry.digest);
      return Promise.resolve(undefined);
    });
  }

  /** An immutable tag that was never seen: its manifest will be wanted too. */
  async #readNew(tag: Tag, found: (digest: Digest) => void): Promise<Unknown | undefined> {
    const late = this.#tooLate();
    if (late) return late;
    const { reads, manifests, facts } = this.#ports;
    const fact = await reads.readTag(this.#left(), tag);
    if (fact.state === 'unknown') return { state: 'unknown', reason: `of ${tag}: ${fact.reason}` };
    if (fact.state === 'absent') return undefined;
    manifests.learn(fact.digest, fact);
    facts.seen(this.#reading.repository, [tag], fact.digest);
    found(fact.digest);
    return undefined;
  }

  async #lookUp(
    tag: Tag,
    sinceMs: number | undefined,
    found: (digest: Digest) => void,
  ): Promise<Unknown | undefined> {
    const late = this.#tooLate();
    if (late) return late;
    const immutable =
      sinceMs === undefined ? {} : { immutable: { sinceMs, mayRecall: false, tombstone: false } };
    const fact = await this.#ports.facts.lookUp({ ...this.#left(), tag, ...immutable });
    if (fact.state === 'unknown') return { state: 'unknown', reason: `of ${tag}: ${fact.reason}` };
    if (fact.state === 'present') found(fact.digest);
    return undefined;
  }

  async #visitParts(digest: Digest, add: (digest: Digest) => void): Promise<Unknown | undefined> {
    const fact = await this.#ports.manifests.read(this.#left(), digest);
    if (fact.state === 'unknown') return fact;
    // A child that is not there (a sparse index) needs nothing yet.
    if (fact.state === 'absent') return undefined;
    const { sha256, needs } = fact;
    this.graph.need(digest, needs.children);
    this.graph.need(digest, needs.blobs);
    this.graph.refer(digest, needs.subjects);
    for (const child of needs.children) add(child);
    // Two names of one manifest: who needs the one needs the other.
    if (sha256 !== digest) {
      this.graph.need(digest, [sha256]);
      add(sha256);
    }
    return undefined;
  }

  /** The tags that are named after a manifest hold what refers to it. */
  async #visitNamed(digest: Digest, add: (digest: Digest) => void): Promise<Unknown | undefined> {
    for (const tag of this.#named.get(digest) ?? []) {
      const stop = await this.#lookUp(tag, undefined, (found) => {
        this.graph.refer(found, [digest]);
        add(found);
      });
      if (stop) return stop;
    }
    return undefined;
  }

  async #visitReferrers(digest: Digest, add: (digest: Digest) => void): Promise<Unknown | undefined> {
    // The first answer tells whether the registry has the API: only one asks for it where it has not.
    const isFirst = this.#firstReferrers === undefined;
    if (!isFirst) await this.#firstReferrers;
    if (!this.#hasReferrersApi) return undefined;
    const visit = this.#addReferrers(digest, add);
    if (isFirst) this.#firstReferrers = visit;
    return visit;
  }

  async #addReferrers(digest: Digest, add: (digest: Digest) => void): Promise<Unknown | undefined> {
    const fact = await this.#ports.reads.listReferrers(this.#left(), digest);
    if (fact.state === 'unknown') return fact;
    this.#hasReferrersApi = fact.state === 'known';
    for (const referrer of fact.state === 'known' ? fact.referrers : []) {
      this.graph.refer(referrer, [digest]);
      add(referrer);
    }
    return undefined;
  }

  #left(): Reading {
    const leftMs = this.#endMs - this.#ports.clock.nowMs();
    return { ...this.#reading, withinMs: Math.max(leftMs, 0) };
  }
}

function nothingKnown(error: unknown): ReadonlyMap<Tag, LedgerEntry> {
  if (error instanceof StoreAway) return new Map();
  throw error;
}
