import type { Announcements, Changes } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import type { RepositoryChanges } from '../core/repository-changes.ts';

/** Nobody else answers for the same upstream. */
export const nobodyElse: Announcements = {
  announce: () => Promise.resolve(),
  onAnnounced: () => undefined,
};

/** Several who must hear, each in its own way. */
export function announcedTo(all: readonly Announcements[]): Announcements {
  return {
    announce: async (repository) => {
      await Promise.all(all.map((announcements) => announcements.announce(repository)));
    },
    onAnnounced: (hear) => {
      for (const announcements of all) announcements.onAnnounced(hear);
    },
  };
}

/** Takes note of changes, ours and those that others announce, and announces ours. */
export class AnnouncedChanges implements Changes {
  readonly #changes: RepositoryChanges;
  readonly #announcements: Announcements;

  constructor(changes: RepositoryChanges, announcements: Announcements) {
    this.#changes = changes;
    this.#announcements = announcements;
    announcements.onAnnounced((repository) => {
      changes.note(repository);
    });
  }

  /** Told before too: whoever sends may not live to tell what came of it. */
  async around<Outcome>(repository: Repository, send: () => Promise<Outcome>): Promise<Outcome> {
    void this.#tell(repository);
    try {
      return await send();
    } finally {
      await this.#tell(repository);
    }
  }

  #tell(repository: Repository): Promise<void> {
    this.#changes.note(repository);
    return this.#announcements.announce(repository);
  }
}
