import type { TagQuestion, TagFacts } from '../core/ports.ts';
import type { Tag } from '../core/reference.ts';
import type { TagFact } from '../core/verdict.ts';

/** How long the upstream may take to answer look-ups, their retries included: as long as a claim is leased for. */
export const lookUpMs = 10_000;

/**
 * Asks about several tags at once.
 * @throws CredentialsRefused
 */
export async function lookUpTags(
  facts: TagFacts,
  tags: readonly Tag[],
  question: Omit<TagQuestion, 'tag' | 'withinMs'>,
): Promise<ReadonlyMap<Tag, TagFact>> {
  const lookUp = async (tag: Tag): Promise<[Tag, TagFact]> => [
    tag,
    await facts.lookUp({ ...question, tag, withinMs: lookUpMs }),
  ];
  return new Map(await Promise.all(tags.map(lookUp)));
}
