import { randomUUID } from 'node:crypto';
import type { Announcements, Clock } from '../../core/ports.ts';
import { isRepository, type Repository } from '../../core/reference.ts';
import type { SharedStore } from './store.ts';

const publish = { name: 'announce', lua: "return redis.call('publish', ARGV[1], ARGV[2])" };
/** Nobody waits longer for Redis: what was not heard of ends by itself. */
const announceMs = 100;

/** Tells all replicas, as far as Redis reaches them. */
export class RedisAnnouncements implements Announcements {
  readonly #store: SharedStore;
  readonly #clock: Clock;
  readonly #id = randomUUID();

  constructor(store: SharedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async announce(repository: Repository): Promise<void> {
    const told = this.#store.run(publish, [], [this.#channel, `${this.#id} ${repository}`]);
    await Promise.race([told.catch(() => undefined), this.#clock.sleep(announceMs)]);
  }

  onAnnounced(hear: (repository: Repository | undefined) => void): void {
    this.#store.subscribe(this.#channel, (message) => {
      const [id, repository = ''] = message?.split(' ') ?? [];
      if (id === this.#id) return;
      hear(isRepository(repository) ? repository : undefined);
    });
  }

  get #channel(): string {
    return this.#store.key('changes');
  }
}
