import { copied } from './recently-used.ts';
import type { Repository } from './reference.ts';

/** A moment between two changes: only good to be compared with others of the same process. */
export type Moment = number;

/** When repositories were changed last, as far as this process has heard. Bounded: what it forgot has changed. */
export class RepositoryChanges {
  readonly #limit: number;
  #count = 0;
  /** Of every repository that has none of its own. */
  #floor = 0;
  /** The latest is the last one. */
  readonly #last = new Map<string, Moment>();

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  now(): Moment {
    return this.#count;
  }

  /** @param repository undefined: any may have been changed */
  note(repository: Repository | undefined): void {
    this.#count += 1;
    if (repository === undefined) {
      this.#last.clear();
      this.#floor = this.#count;
      return;
    }
    this.#last.delete(repository);
    this.#last.set(copied(repository), this.#count);
    if (this.#last.size <= this.#limit) return;
    const [oldest] = this.#last;
    if (!oldest) return;
    this.#last.delete(oldest[0]);
    this.#floor = oldest[1];
  }

  hasChangedSince(repository: Repository, moment: Moment): boolean {
    return (this.#last.get(repository) ?? this.#floor) > moment;
  }
}
