import { judgeGrowth } from './append-only.ts';
import { abbreviateDigest, type Digest, type Repository, type Tag } from './reference.ts';
import type { ReferrerTag } from './referrer-tag.ts';
import { growthRulesFor, tagRulesFor, type RuleSet } from './rule.ts';
import { denied, type NeedFact, type Stop } from './verdict.ts';

/** What keeps a tag that holds what refers to a manifest from changing as it likes. */
export interface Keeping {
  readonly ruleIds: readonly string[];
  /** Nothing may even be added. */
  readonly isFixed: boolean;
}

/**
 * By the rules that match the name of such a tag, and by those of the tags that need the manifest that it names.
 * @returns undefined where it may change
 */
export function keepingOf(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  needing: Extract<NeedFact, { state: 'known' }>,
): Keeping | undefined {
  const keeping = [...growthRulesFor(rules, repository, tag)];
  for (const { tag: protecting } of needing.tags) {
    for (const rule of tagRulesFor(rules, repository, protecting)) {
      if (rule.kind === 'immutable' && rule.referrers !== 'mutable') keeping.push(rule);
    }
  }
  if (keeping.length === 0) return undefined;
  const ruleIds = [...new Set(keeping.map((rule) => rule.id))];
  return { ruleIds, isFixed: keeping.some((rule) => rule.referrers === 'immutable') };
}

export interface Growth extends ReferrerTag {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly keeping: Keeping;
  /** The manifest that is there, as text, and the one to come. */
  readonly before: string | undefined;
  readonly after: string;
  readonly pushed: Digest;
}

/** A push to a tag that may grow: nothing that is there may be missing. The same manifest again was let through before. */
export function judgeAddition(growth: Growth): Stop | undefined {
  const { repository, tag, keeping, kind, named, before, after, pushed } = growth;
  const isRefused = keeping.isFixed && before !== undefined;
  const reason = isRefused ? 'nothing may be added' : judgeGrowth(kind, named, before, after);
  if (reason === undefined) return undefined;
  const message = `what refers to an immutable image may grow and not shrink; ${repository}:${tag} cannot become ${abbreviateDigest(pushed)}: ${reason} (rule ${keeping.ruleIds.join(', ')}); read it again, and add to it`;
  return denied(keeping.ruleIds, message, { repository, tag, rule: keeping.ruleIds[0], pushed });
}
