import { rankOf, type MinimumAccessLevel } from './access-level.ts';
import { rulesKeeping } from './judge-digest-delete.ts';
import { keepingOf } from './judge-growth.ts';
import { minimumFor, type Action } from './judge-levels.ts';
import type { NeedingTag } from './need-graph.ts';
import type { Digest, Repository, Tag } from './reference.ts';
import { parseReferrerTag } from './referrer-tag.ts';
import {
  immutableRulesFor,
  repositoryRulesFor,
  tagRulesFor,
  type ReferrersTreatment,
  type RepositoryRule,
  type RuleSet,
  type TagRule,
} from './rule.ts';

/** The strictest level that rules ask for, and the rules that ask for it. */
export interface Minimum {
  readonly level: MinimumAccessLevel;
  readonly ruleIds: readonly string[];
}

/** What may become of a tag that holds what refers to an image. */
export interface HeldReferrers {
  readonly named: Digest;
  readonly treatment: ReferrersTreatment;
  readonly ruleIds: readonly string[];
  /** For whose sake: immutable tags that need the image. */
  readonly tags: readonly Tag[];
}

/** Whom rules keep from changing a tag. */
export interface TagProtection {
  /** The rules by which nobody may move or delete it. */
  readonly immutable: readonly string[];
  readonly push: Minimum | undefined;
  readonly delete: Minimum | undefined;
  readonly referrers: HeldReferrers | undefined;
}

/**
 * Whom the rules keep from changing a tag, whoever the caller is.
 * @param needing what needs the image that the tag is named after, if it is named after one
 */
export function protectionOf(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  needing: readonly NeedingTag[],
): TagProtection {
  const own = [...repositoryRulesFor(rules, repository), ...tagRulesFor(rules, repository, tag)];
  // As long as the image is kept, what refers to it is.
  const keeping = needing.flatMap((needs) => rulesKeeping(rules, repository, { ...needs, isReferrer: true }));
  return {
    immutable: immutableRulesFor(rules, repository, tag).map((rule) => rule.id),
    push: strictest(own, 'push'),
    delete: strictest([...own, ...keeping], 'delete'),
    referrers: referrersIn(rules, repository, tag, needing),
  };
}

/** What a rule asks for everywhere in a repository, also of its manifests and blobs. */
export function deleteMinimumOf(rules: RuleSet, repository: Repository): Minimum | undefined {
  return strictest(repositoryRulesFor(rules, repository), 'delete');
}

function strictest(rules: readonly (RepositoryRule | TagRule)[], action: Action): Minimum | undefined {
  let found: Minimum | undefined;
  for (const rule of new Set(rules)) {
    const level = minimumFor(rule, action);
    if (level === undefined) continue;
    const isSame = found?.level === level;
    if (found && !isSame && rankOf(level) < rankOf(found.level)) continue;
    found = { level, ruleIds: isSame && found ? [...found.ruleIds, rule.id] : [rule.id] };
  }
  return found;
}

function referrersIn(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  needing: readonly NeedingTag[],
): HeldReferrers | undefined {
  const named = parseReferrerTag(tag)?.named;
  if (named === undefined) return undefined;
  const fixed = immutableRulesFor(rules, repository, tag).map((rule) => rule.id);
  const keeping = keepingOf(rules, repository, tag, { state: 'known', tags: needing });
  const isKept = (protecting: Tag): boolean =>
    tagRulesFor(rules, repository, protecting).some(
      (rule) => rule.kind === 'immutable' && rule.referrers !== 'mutable',
    );
  const tags = [...new Set(needing.map((needs) => needs.tag))].filter(isKept);
  const ruleIds = [...new Set([...fixed, ...(keeping?.ruleIds ?? [])])];
  if (fixed.length > 0 || keeping?.isFixed) return { named, treatment: 'immutable', ruleIds, tags };
  return { named, treatment: keeping ? 'append_only' : 'mutable', ruleIds, tags };
}
