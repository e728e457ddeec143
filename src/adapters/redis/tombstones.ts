import { StoreAway, type Tombstones } from '../../core/ports.ts';
import { isDigest, type Digest, type Repository, type Tag } from '../../core/reference.ts';
import type { Script, SharedStore } from './store.ts';

// One hash for each repository: tag → digest. Nothing in it expires.
const recall: Script = {
  name: 'recall a tombstone',
  lua: `return redis.call('HGET', KEYS[1], ARGV[1])`,
};

const bury: Script = {
  name: 'bury',
  lua: `return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])`,
};

const replace: Script = {
  name: 'replace a tombstone',
  lua: `if ARGV[2] == '' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])`,
};

/** The tombstones that all replicas share. */
export class RedisTombstones implements Tombstones {
  readonly #store: SharedStore;

  constructor(store: SharedStore) {
    this.#store = store;
  }

  async recall(repository: Repository, tag: Tag): Promise<Digest | undefined> {
    const reply = await this.#store.run(recall, [this.#keyOf(repository)], [tag]);
    if (reply === null) return undefined;
    // Somebody else wrote it: the name is taken, and nobody knows by what.
    if (typeof reply !== 'string' || !isDigest(reply))
      throw new StoreAway(`the tombstone of ${repository}:${tag} makes no sense`);
    return reply;
  }

  async bury(repository: Repository, tag: Tag, digest: Digest): Promise<void> {
    await this.#store.runDurably(bury, [this.#keyOf(repository)], [tag, digest]);
  }

  async replace(repository: Repository, tag: Tag, digest: Digest | undefined): Promise<void> {
    await this.#store.runDurably(replace, [this.#keyOf(repository)], [tag, digest ?? '']);
  }

  /** The store is not theirs. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #keyOf(repository: Repository): string {
    return this.#store.key('tombstones', repository);
  }
}
