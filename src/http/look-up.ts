import { hasTombstone, immutableSince } from '../core/decision.ts';
import { headerValues, type HeaderList } from '../core/header-list.ts';
import type { Immutability, TagQuestion, TagFacts } from '../core/ports.ts';
import type { Repository, Tag } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { TagFact } from '../core/verdict.ts';
import type { Exchange } from './exchange.ts';
import { provenanceHeaders } from './headers.ts';

/** How long the upstream may take to answer look-ups, their retries included: as long as a claim is leased for. */
export const lookUpMs = 10_000;

/** Who asks, and the rules that bind who asks. */
export interface Asking {
  readonly rules: RuleSet;
  readonly caller: Caller;
}

/**
 * Asks about several tags at once.
 * @param asking absent where nothing but the upstream's own answer will do
 * @throws CredentialsRefused
 */
export async function lookUpTags(
  facts: TagFacts,
  tags: readonly Tag[],
  question: Omit<TagQuestion, 'tag' | 'withinMs' | 'immutable'>,
  asking?: Asking,
  withinMs = lookUpMs,
): Promise<ReadonlyMap<Tag, TagFact>> {
  const lookUp = async (tag: Tag): Promise<[Tag, TagFact]> => {
    const immutable = asking && immutabilityOf(question.repository, tag, asking);
    return [tag, await facts.lookUp({ ...question, tag, ...(immutable && { immutable }), withinMs })];
  };
  return new Map(await Promise.all(tags.map(lookUp)));
}

function immutabilityOf(
  repository: Repository,
  tag: Tag,
  { rules, caller }: Asking,
): Immutability | undefined {
  const sinceMs = immutableSince(rules, repository, tag);
  if (sinceMs === undefined) return undefined;
  const mayRecall = caller.granted !== undefined;
  return { sinceMs, mayRecall, tombstone: hasTombstone(rules, repository, tag) };
}

/** The caller's credentials and the host that the caller addressed: a look-up sees what the caller would see. */
export function lookUpHeaders(exchange: Exchange): HeaderList {
  const authorization = headerValues(exchange.req.rawHeaders, 'authorization');
  return [...authorization.flatMap((value) => ['Authorization', value]), ...provenanceHeaders(exchange)];
}
