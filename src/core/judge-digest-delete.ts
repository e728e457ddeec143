import { meets } from './access-level.ts';
import { isAnnouncement } from './announcement.ts';
import type { NeedingTag } from './need-graph.ts';
import type { DeleteDigest, DeleteTag } from './operation.ts';
import type { Digest, Repository, Tag } from './reference.ts';
import { isReferrerTag, parseReferrerTag } from './referrer-tag.ts';
import {
  accessLevelIn,
  tagRulesFor,
  tagRulesForEach,
  tagRulesIn,
  type Caller,
  type RuleSet,
  type TagRule,
} from './rule.ts';
import { denied, undecided, type Facts, type Stop } from './verdict.ts';

/** Whether a rule keeps somebody, whoever that is, from deleting the tags that it covers. */
function guards(rule: TagRule): boolean {
  return rule.kind === 'immutable' || rule.minimumAccessLevelForDelete !== undefined;
}

/** Whether some tags of a repository are kept from being deleted: then its manifests and blobs may be needed. */
export function guardsDeletes(rules: RuleSet, repository: Repository): boolean {
  return tagRulesIn(rules, repository).some(guards);
}

/** Those of many tags that some rule keeps from being deleted, each with the rules that cover it. */
export function guardedTags(
  rules: RuleSet,
  repository: Repository,
  tags: readonly Tag[],
): readonly (readonly [Tag, readonly TagRule[]])[] {
  return tagRulesForEach(rules, repository, tags).filter(([, covering]) => covering.some(guards));
}

/** The rules that keep somebody, whoever that is, from deleting what a tag needs. */
export function rulesKeeping(
  rules: RuleSet,
  repository: Repository,
  { tag, isReferrer }: NeedingTag,
): readonly TagRule[] {
  return tagRulesFor(rules, repository, tag).filter(
    (rule) => guards(rule) && protectsBy(rule, tag, isReferrer),
  );
}

/**
 * Registries delete a digest with every tag that points to it, and what it is a part of breaks without a word: refused
 * where a tag that this caller may not delete needs it.
 */
export function judgeDigestDelete(
  rules: RuleSet,
  operation: DeleteDigest,
  caller: Caller,
  facts: Facts,
): Stop | undefined {
  const what = operation.kind === 'deleteBlob' ? 'blob' : 'manifest';
  const mend = operation.kind === 'deleteManifest' ? '; to drop only a tag, delete the tag' : '';
  const loss = { ...operation, what, mend, isOfReferrers: false };
  return judgeLoss(rules, loss, caller, facts);
}

/** A tag that holds what refers to a manifest is kept as long as the manifest is. */
export function judgeReferrersDelete(
  rules: RuleSet,
  { repository, tag }: DeleteTag,
  caller: Caller,
  facts: Facts,
): Stop | undefined {
  const named = parseReferrerTag(tag)?.named;
  if (named === undefined) return undefined;
  const loss = { repository, digest: named, what: `tag ${tag}`, mend: '', isOfReferrers: true };
  return judgeLoss(rules, loss, caller, facts);
}

interface Loss {
  readonly repository: Repository;
  readonly digest: Digest;
  /** In the words of a message. */
  readonly what: string;
  readonly mend: string;
  /** Only what refers to the digest would be lost. */
  readonly isOfReferrers: boolean;
}

function judgeLoss(
  rules: RuleSet,
  loss: Loss,
  caller: Caller,
  { needing, endsMs = Infinity, unlockedUntilMs }: Facts,
): Stop | undefined {
  const { repository, digest, what, isOfReferrers } = loss;
  const binds = bindingFor(rules, repository, caller);
  const binding = tagRulesIn(rules, repository).filter(binds);
  if (binding.length === 0) return undefined;
  if (needing?.state !== 'known') {
    const reason = needing?.reason ?? 'it was not looked up';
    const ruleIds = binding.map((rule) => rule.id);
    const message = `cannot tell whether a protected tag of ${repository} needs this ${what} (${reason}); try again`;
    return undecided(ruleIds, { code: 'UNAVAILABLE', message, detail: { repository, digest } });
  }
  let isBeingPushed = false;
  for (const { tag, isReferrer } of needing.tags) {
    isBeingPushed ||= isAnnouncement(tag);
    const asReferrer = isReferrer || isOfReferrers;
    // By digest a tag is lost only while it is unlocked: how old it is nobody asks here.
    const isUnlocked = endsMs <= (unlockedUntilMs?.get(tag) ?? -Infinity);
    const [rule] = tagRulesFor(rules, repository, tag).filter(
      (rule) =>
        binds(rule) && protectsBy(rule, tag, asReferrer) && !(isUnlocked && rule.kind === 'immutable'),
    );
    if (rule) return neededBy(loss, tag, rule, asReferrer);
  }
  return isBeingPushed ? neededByPush(loss) : undefined;
}

/** The rules that keep this caller from deleting a tag. */
function bindingFor(rules: RuleSet, repository: Repository, caller: Caller): (rule: TagRule) => boolean {
  const level = accessLevelIn(rules, repository, caller);
  return (rule) =>
    rule.kind === 'immutable' || !meets(level, rule.minimumAccessLevelForDelete ?? 'anonymous');
}

function protectsBy(rule: TagRule, tag: Tag, isReferrer: boolean): boolean {
  if (isReferrer && rule.referrers === 'mutable') return false;
  // What refers to a manifest is kept for its sake, and as long as it is.
  return rule.kind === 'protected' || rule.referrers === 'immutable' || !isReferrerTag(tag);
}

/** Whether a protected tag will need it is known when the push is over. 429: clients print it, and try again. */
function neededByPush({ repository, digest, what }: Loss): Stop {
  const message = `a push that needs this ${what} is under way; try again`;
  return undecided([], { code: 'TOOMANYREQUESTS', message, detail: { repository, digest } });
}

function neededBy(
  { repository, digest, what, mend }: Loss,
  tag: Tag,
  rule: TagRule,
  isReferrer: boolean,
): Stop {
  const protection = rule.kind === 'immutable' ? 'immutable' : 'protected';
  const relation = isReferrer ? 'belongs to' : 'is needed by';
  const message = `${what} ${relation} ${protection} tag ${repository}:${tag} (rule ${rule.id})${mend}`;
  return denied([rule.id], message, { repository, digest, tag, rule: rule.id });
}
