import type { Births } from '../../core/births.ts';
import type { Clock } from '../../core/ports.ts';
import type { Repository, Tag } from '../../core/reference.ts';
import { serverTime } from './server-time.ts';
import type { Script, SharedStore } from './store.ts';

// One hash for each repository: tag → milliseconds, by Redis's clock. Nothing in it expires.
const header = `
${serverTime}
local now = millis()
`;

/** The age, for no replica's clock is compared with another's. */
const recall: Script = {
  name: 'recall a birth',
  lua: `${header}
local born = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '')
return born and now - born`,
};

const note: Script = {
  name: 'note a birth',
  lua: `${header}
return redis.call('HSETNX', KEYS[1], ARGV[1], string.format('%.0f', now))`,
};

/** The births that all replicas share. */
export class RedisBirths implements Births {
  readonly #store: SharedStore;
  readonly #clock: Clock;

  constructor(store: SharedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async recall(repository: Repository, tag: Tag): Promise<number | undefined> {
    // Counted from before the question: it seems rather older than it is.
    const askedMs = this.#clock.nowMs();
    const ageMs = await this.#store.run(recall, [this.#keyOf(repository)], [tag]);
    return typeof ageMs === 'number' ? askedMs - ageMs : undefined;
  }

  async note(repository: Repository, tag: Tag): Promise<void> {
    await this.#store.runDurably(note, [this.#keyOf(repository)], [tag]);
  }

  /** The store is not theirs. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #keyOf(repository: Repository): string {
    return this.#store.key('births', repository);
  }
}
