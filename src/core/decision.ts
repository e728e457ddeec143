import { judgeDigestDelete, judgeReferrersDelete } from './judge-digest-delete.ts';
import { judgeRepository, judgeTag } from './judge-levels.ts';
import { judgeMove, judgeRemoval } from './judge-immutability.ts';
import { hasCreateLevel, judgeOverwrite } from './judge-overwrite.ts';
import type { DeleteTag, Operation, PutManifest } from './operation.ts';
import type { Repository, Tag } from './reference.ts';
import { immutableAmong, immutableRulesFor, tagRulesFor, type Caller, type RuleSet } from './rule.ts';
import { allow, type Decision, type Facts, type Stop } from './verdict.ts';

/**
 * Judges one operation: 1. repository rules, 2. tag rules, 3. immutability; the strictest matching rule wins.
 * Where an immutable rule covers a tag of which `facts` say nothing, the answer is `undecided`.
 */
export function decide(rules: RuleSet, operation: Operation, caller: Caller, facts: Facts): Decision {
  switch (operation.kind) {
    case 'startUpload':
    case 'upload':
      return judgeRepository(rules, operation.repository, caller, 'push') ?? allow;
    case 'putManifest':
      return (
        judgeRepository(rules, operation.repository, caller, 'push') ??
        first(operation.tags, (tag) => judgeTag(rules, operation.repository, tag, caller, 'push')) ??
        first(operation.tags, (tag) => judgeOverwrite(rules, operation, tag, caller, facts)) ??
        first(operation.tags, (tag) => judgeMove(rules, operation, tag, facts)) ??
        allow
      );
    case 'deleteTag':
      return (
        judgeRepository(rules, operation.repository, caller, 'delete') ??
        judgeTag(rules, operation.repository, operation.tag, caller, 'delete') ??
        judgeRemoval(rules, operation, facts) ??
        judgeReferrersDelete(rules, operation, caller, facts) ??
        allow
      );
    case 'deleteManifest':
    case 'deleteBlob':
      return (
        judgeRepository(rules, operation.repository, caller, 'delete') ??
        judgeDigestDelete(rules, operation, caller, facts) ??
        allow
      );
    default:
      return allow;
  }
}

/**
 * The tags whose state at the upstream a decision needs: those that an immutable rule covers, or one that tells those who
 * may make a tag from those who may move it.
 */
export function tagsToLookUp(rules: RuleSet, operation: PutManifest | DeleteTag): readonly Tag[] {
  const { repository } = operation;
  const isImmutable = (tag: Tag): boolean => immutableRulesFor(rules, repository, tag).length > 0;
  if (operation.kind === 'deleteTag') return [operation.tag].filter(isImmutable);
  return operation.tags.filter((tag) => isImmutable(tag) || hasCreateLevel(rules, repository, tag));
}

/** Whether a tag that has to be looked up may be moved by some, or for some time: no rule makes it immutable for good. */
export function mayMove(rules: RuleSet, repository: Repository, tag: Tag): boolean {
  return immutableRulesFor(rules, repository, tag).every((rule) => rule.immutableAfterMs !== undefined);
}

/**
 * Epoch milliseconds from which on nobody could move a tag; undefined where somebody may. A rule of the caller's token
 * does not count: it binds that caller alone; nor does one that lets the tag move for a while.
 * @param covering the rules that cover the tag
 */
export function immutableSince(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  covering = tagRulesFor(rules, repository, tag),
): number | undefined {
  const binding = immutableAmong(covering, tag).filter(
    (rule) => !rules.tokenRules?.includes(rule) && rule.immutableAfterMs === undefined,
  );
  return binding.length > 0 ? Math.min(...binding.map((rule) => rule.admitsFirstPushFromMs)) : undefined;
}

/** Whether a tag's name stays taken by its digest though the tag may vanish. */
export function hasTombstone(rules: RuleSet, repository: Repository, tag: Tag): boolean {
  return immutableRulesFor(rules, repository, tag).some((rule) => rule.tombstone);
}

/** A denial outweighs what could not be decided: waiting would not help. */
function first(tags: readonly Tag[], judge: (tag: Tag) => Stop | undefined): Stop | undefined {
  let undecided: Stop | undefined;
  for (const tag of tags) {
    const decision = judge(tag);
    if (decision?.effect === 'deny') return decision;
    undecided ??= decision;
  }
  return undecided;
}
