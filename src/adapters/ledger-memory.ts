import { LRUCache } from 'lru-cache';
import type { Ledger, LedgerEntry, Sighting } from '../core/ports.ts';
import type { Digest, Repository, Tag } from '../core/reference.ts';

const rememberedTags = 50_000;

/** The ledger of one process: of so many tags, those that were asked about last. */
export class InMemoryLedger implements Ledger {
  readonly #entries: LRUCache<string, LedgerEntry>;

  constructor(max = rememberedTags) {
    this.#entries = new LRUCache({ max });
  }

  recall(repository: Repository, tag: Tag): Promise<LedgerEntry | undefined> {
    return Promise.resolve(this.#entries.get(keyOf(repository, tag)));
  }

  async recallAll(repository: Repository, tags: readonly Tag[]): Promise<ReadonlyMap<Tag, LedgerEntry>> {
    const found = await Promise.all(
      tags.map(async (tag) => [tag, await this.recall(repository, tag)] as const),
    );
    return new Map(found.filter((entry): entry is [Tag, LedgerEntry] => entry[1] !== undefined));
  }

  note({ repository, tag, digest, seenMs, was }: Sighting): Promise<boolean> {
    const key = keyOf(repository, tag);
    const known = this.#entries.get(key);
    if (known?.digest !== was) return Promise.resolve(false);
    const { firstSeenMs, lastSeenMs } =
      known?.digest === digest ? known : { firstSeenMs: seenMs, lastSeenMs: seenMs };
    this.#entries.set(key, { digest, firstSeenMs, lastSeenMs: Math.max(lastSeenMs, seenMs) });
    return Promise.resolve(true);
  }

  forget(repository: Repository, tag: Tag, was: Digest): Promise<boolean> {
    const key = keyOf(repository, tag);
    return Promise.resolve(this.#entries.get(key)?.digest === was && this.#entries.delete(key));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function keyOf(repository: Repository, tag: Tag): string {
  return `${repository}:${tag}`;
}
