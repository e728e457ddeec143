import { AnnouncedChanges } from '../adapters/announced-changes.ts';
import type { Config } from '../config/config.ts';
import type { Notices } from '../core/notices.ts';
import type { Announcements, Changes, Clock } from '../core/ports.ts';
import { RepositoryChanges } from '../core/repository-changes.ts';
import type { ManifestAnswers } from '../http/manifest-answers.ts';

interface Surroundings {
  readonly clock: Clock;
  readonly announcements: Announcements;
  readonly notices: Pick<Notices, 'isBehind'>;
}

interface WiredAnswers {
  /** Others may hold answers where this process holds none: they are told too. */
  readonly changes: Changes;
  /** Undefined: nothing is answered from memory. */
  readonly answers: ManifestAnswers | undefined;
}

const mebibyte = 1024 * 1024;
/** The spec lets manifests have 4 MiB; those of images have some kilobytes. */
const longestBytes = mebibyte;

export async function wireAnswers(
  { sizeMib, revalidateSeconds }: Config['cache'],
  { clock, announcements, notices }: Surroundings,
): Promise<WiredAnswers> {
  const heard = new RepositoryChanges();
  const changes = new AnnouncedChanges(heard, announcements);
  if (sizeMib === 0 || revalidateSeconds === 0) return { changes, answers: undefined };
  const [{ AnswerStore }, { ManifestAnswers }] = await Promise.all([
    import('../adapters/answer-store.ts'),
    import('../http/manifest-answers.ts'),
  ]);
  const sizeBytes = sizeMib * mebibyte;
  const answers = new ManifestAnswers({
    ...{ clock, changes: heard, store: new AnswerStore(sizeBytes) },
    isBehind: () => notices.isBehind(),
    lifetimeMs: revalidateSeconds * 1000,
    // Some of the longest have room beside each other.
    bodyLimitBytes: Math.min(longestBytes, sizeBytes / 8),
  });
  return { changes, answers };
}
