import type { DeleteTag, PutManifest } from './operation.ts';
import { abbreviateDigest, type Digest, type Repository, type Tag } from './reference.ts';
import { immutableRulesFor, type ImmutableTagRule, type RuleSet } from './rule.ts';
import { denied, undecided, type Facts, type Refusal, type Stop, type TagFact } from './verdict.ts';

// kaniko's --push-ignore-immutable-tag-errors looks for these words.
const kanikoWords = 'the tag cannot be overwritten because the repository is immutable';
/** Never read as absent. */
export const notLookedUp: TagFact = { state: 'unknown', reason: 'it was not looked up' };

export function unknownState(
  ruleIds: readonly string[],
  repository: Repository,
  tag: Tag,
  reason: string,
): Stop {
  const message = `cannot tell whether ${repository}:${tag} exists (${reason}), and rule ${ruleIds.join(', ')} needs to know; try again`;
  return undecided(ruleIds, { code: 'UNAVAILABLE', message, detail: { repository, tag, rules: ruleIds } });
}

/** A push to a tag that an immutable rule covers: free if absent, idempotent if it is the same manifest. */
export function judgeMove(
  rules: RuleSet,
  { repository }: PutManifest,
  tag: Tag,
  facts: Facts,
): Stop | undefined {
  const matching = immutableRulesFor(rules, repository, tag);
  if (matching.length === 0) return undefined;
  const fact = facts.tags.get(tag) ?? notLookedUp;
  if (fact.state === 'unknown') return unknownState(idsOf(matching), repository, tag, fact.reason);
  if (fact.state === 'present') {
    const ruleIds = idsOf(bindingAmong(matching, tag, facts));
    if (fact.isPushed || ruleIds.length === 0) return undefined;
    const becomes = facts.pushed ? ` and cannot become ${abbreviateDigest(facts.pushed)}` : '';
    const message = `tag is immutable; ${repository}:${tag} is ${abbreviateDigest(fact.digest)}${becomes} (rule ${ruleIds.join(', ')}); use a new tag`;
    const detail = { repository, tag, rule: ruleIds[0], digest: fact.digest, pushed: facts.pushed };
    return denied(ruleIds, message, { ...detail, reason: kanikoWords });
  }
  const buried = judgeReturn(bindingAmong(matching, tag, facts), repository, tag, fact, facts.pushed);
  if (buried) return buried;
  const waiting = matching.filter((rule) => rule.admitsFirstPushFromMs > facts.nowMs);
  if (waiting.length === 0) return undefined;
  const waitMs = Math.max(...waiting.map((rule) => rule.admitsFirstPushFromMs)) - facts.nowMs;
  const seconds = Math.ceil(waitMs / 1000);
  const ruleIds = idsOf(waiting);
  return undecided(ruleIds, {
    code: 'TOOMANYREQUESTS',
    message: `rule ${ruleIds.join(', ')} is new, and pushes from before it may still arrive; push ${repository}:${tag} again in ${seconds} s`,
    retryAfterSeconds: seconds,
  });
}

/**
 * The rules that hold a tag that is there: not those that an unlock lifts, nor those whose time has not come, as long as
 * the write will have ended by then. A tag whose age nobody knows is old, and so is one that was born in the future.
 */
function bindingAmong(
  rules: readonly ImmutableTagRule[],
  tag: Tag,
  { nowMs, endsMs, unlockedUntilMs, bornMs }: Facts,
): readonly ImmutableTagRule[] {
  if (endsMs === undefined) return rules;
  if (endsMs <= (unlockedUntilMs?.get(tag) ?? -Infinity)) return [];
  const toldMs = bornMs?.get(tag) ?? -Infinity;
  const tagBornMs = toldMs > nowMs ? -Infinity : toldMs;
  return rules.filter(
    ({ immutableAfterMs }) => immutableAfterMs === undefined || endsMs > tagBornMs + immutableAfterMs,
  );
}

function idsOf(rules: readonly ImmutableTagRule[]): readonly string[] {
  return rules.map((rule) => rule.id);
}

/** A tag that is gone leaves its name to the manifest that it was, where a rule says so. */
function judgeReturn(
  matching: readonly ImmutableTagRule[],
  repository: Repository,
  tag: Tag,
  { was, isPushed }: TagFact & { readonly state: 'absent' },
  pushed: Digest | undefined,
): Stop | undefined {
  const ruleIds = matching.filter((rule) => rule.tombstone).map((rule) => rule.id);
  if (ruleIds.length === 0 || was === undefined || isPushed) return undefined;
  const message = `tag is immutable; ${repository}:${tag} was ${abbreviateDigest(was)} and is gone; only the same manifest may come back (rule ${ruleIds.join(', ')})`;
  const detail = { repository, tag, rule: ruleIds[0], digest: was, pushed };
  return denied(ruleIds, message, { ...detail, reason: kanikoWords });
}

/** A delete of a tag under an immutable rule is answered here and never forwarded: absent now may be present then. */
export function judgeRemoval(rules: RuleSet, { repository, tag }: DeleteTag, facts: Facts): Stop | undefined {
  const matching = immutableRulesFor(rules, repository, tag);
  if (matching.length === 0) return undefined;
  const fact = facts.tags.get(tag) ?? notLookedUp;
  const ruleIds = idsOf(fact.state === 'present' ? bindingAmong(matching, tag, facts) : matching);
  if (ruleIds.length === 0) return undefined;
  switch (fact.state) {
    case 'unknown':
      return unknownState(ruleIds, repository, tag, fact.reason);
    case 'absent': {
      const refusal: Refusal = {
        code: 'MANIFEST_UNKNOWN',
        message: 'manifest unknown',
        detail: { repository, tag },
      };
      return { effect: 'deny', ruleIds, refusal };
    }
    case 'present': {
      const message = `tag is immutable; ${repository}:${tag} cannot be deleted (rule ${ruleIds.join(', ')})`;
      return denied(ruleIds, message, { repository, tag, rule: ruleIds[0], digest: fact.digest });
    }
  }
}
