import { meets } from './access-level.ts';
import { notLookedUp, unknownState } from './judge-immutability.ts';
import type { PutManifest } from './operation.ts';
import { abbreviateDigest, type Repository, type Tag } from './reference.ts';
import { accessLevelIn, tagRulesFor, type Caller, type ProtectedTagRule, type RuleSet } from './rule.ts';
import { denied, type Facts, type Stop } from './verdict.ts';

/** Whether some who may make a tag may not move it. */
export function hasCreateLevel(rules: RuleSet, repository: Repository, tag: Tag): boolean {
  return createRulesFor(rules, repository, tag).length > 0;
}

function createRulesFor(rules: RuleSet, repository: Repository, tag: Tag): readonly ProtectedTagRule[] {
  return tagRulesFor(rules, repository, tag).filter(
    (rule): rule is ProtectedTagRule =>
      rule.kind === 'protected' && rule.minimumAccessLevelForCreate !== undefined,
  );
}

/** A push by somebody who may make the tag and not move it: as with an immutable tag, the same manifest passes. */
export function judgeOverwrite(
  rules: RuleSet,
  { repository }: PutManifest,
  tag: Tag,
  caller: Caller,
  facts: Facts,
): Stop | undefined {
  const creating = createRulesFor(rules, repository, tag);
  if (creating.length === 0) return undefined;
  const level = accessLevelIn(rules, repository, caller);
  const unmet = creating.filter((rule) => !meets(level, rule.minimumAccessLevelForPush ?? 'anonymous'));
  const [rule] = unmet;
  if (!rule) return undefined;
  const ruleIds = unmet.map(({ id }) => id);
  const fact = facts.tags.get(tag) ?? notLookedUp;
  if (fact.state === 'absent' || (fact.state === 'present' && fact.isPushed)) return undefined;
  if (fact.state === 'unknown') return unknownState(ruleIds, repository, tag, fact.reason);
  const needs = rule.minimumAccessLevelForPush;
  const message = `tag protected; ${repository}:${tag} is ${abbreviateDigest(fact.digest)}, and moving it needs ${needs ?? ''}, you have ${level} (rule ${rule.id}); use a new tag`;
  const detail = {
    repository,
    tag,
    rule: rule.id,
    needs,
    has: level,
    digest: fact.digest,
    pushed: facts.pushed,
  };
  return denied(ruleIds, message, detail);
}
