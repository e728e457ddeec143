import { meets, rankOf, type AccessLevel, type MinimumAccessLevel } from './access-level.ts';
import type { ErrorCode, ErrorDetail } from './errors.ts';
import type { DeleteDigest, DeleteTag, Operation, PutManifest } from './operation.ts';
import { abbreviateDigest, type Digest, type Repository, type Tag } from './reference.ts';
import {
  accessLevelIn,
  coversRepository,
  coversTag,
  immutableRulesFor,
  type Caller,
  type RepositoryRule,
  type RuleSet,
  type TagRule,
} from './rule.ts';

/** What is known of a tag at the upstream. `unknown` is never read as `absent`. */
export type TagFact =
  | { readonly state: 'absent' }
  /** `isPushed`: the tag already points to the manifest that is being pushed. */
  | { readonly state: 'present'; readonly digest: Digest; readonly isPushed: boolean }
  | { readonly state: 'unknown'; readonly reason: string };

export interface Facts {
  readonly nowMs: number;
  /** The digest of the manifest that is being pushed, by its bytes. */
  readonly pushed?: Digest;
  /** Only of the tags that an immutable rule covers. */
  readonly tags: ReadonlyMap<Tag, TagFact>;
}

/** A refusal in words: what happened, where, which rule, what now. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: ErrorDetail;
  readonly retryAfterSeconds?: number;
}

/** Three outcomes, never two: what could not be decided must not pass. */
export type Decision =
  | { readonly effect: 'allow' }
  | { readonly effect: 'deny'; readonly ruleIds: readonly string[]; readonly refusal: Refusal }
  | { readonly effect: 'undecided'; readonly ruleIds: readonly string[]; readonly refusal: Refusal };

/** What must not pass. */
export type Stop = Exclude<Decision, { effect: 'allow' }>;

const allow: Decision = { effect: 'allow' };
const retryAfterSeconds = 5;
// kaniko's --push-ignore-immutable-tag-errors looks for these words.
const kanikoWords = 'the tag cannot be overwritten because the repository is immutable';

/**
 * Judges one operation: 1. repository rules, 2. tag rules, 3. immutability; the strictest matching rule wins.
 * Where an immutable rule covers a tag of which `facts` say nothing, the answer is `undecided`.
 */
export function decide(rules: RuleSet, operation: Operation, caller: Caller, facts: Facts): Decision {
  switch (operation.kind) {
    case 'startUpload':
    case 'upload':
      return decideRepository(rules, operation.repository, caller, 'push') ?? allow;
    case 'putManifest':
      return (
        decideRepository(rules, operation.repository, caller, 'push') ??
        first(operation.tags, (tag) => decideTag(rules, operation.repository, tag, caller, 'push')) ??
        first(operation.tags, (tag) => decideMove(rules, operation, tag, facts)) ??
        allow
      );
    case 'deleteTag':
      return (
        decideRepository(rules, operation.repository, caller, 'delete') ??
        decideTag(rules, operation.repository, operation.tag, caller, 'delete') ??
        decideRemoval(rules, operation, facts) ??
        allow
      );
    case 'deleteManifest':
    case 'deleteBlob':
      return (
        decideRepository(rules, operation.repository, caller, 'delete') ??
        decideDigestDelete(rules, operation, caller) ??
        allow
      );
    default:
      return allow;
  }
}

/** The tags whose state at the upstream a decision needs: those that an immutable rule covers. */
export function tagsToLookUp(rules: RuleSet, operation: PutManifest | DeleteTag): readonly Tag[] {
  const tags = operation.kind === 'putManifest' ? operation.tags : [operation.tag];
  return tags.filter((tag) => immutableRulesFor(rules, operation.repository, tag).length > 0);
}

/** A denial outweighs what could not be decided: waiting would not help. */
function first(tags: readonly Tag[], judge: (tag: Tag) => Decision | undefined): Decision | undefined {
  const found = tags.map(judge).filter((decision) => decision !== undefined);
  return found.find((decision) => decision.effect === 'deny') ?? found[0];
}

type Action = 'push' | 'delete';

function minimumFor(rule: RepositoryRule | TagRule, action: Action): MinimumAccessLevel | undefined {
  if ('kind' in rule && rule.kind === 'immutable') return undefined;
  return action === 'push' ? rule.minimumAccessLevelForPush : rule.minimumAccessLevelForDelete;
}

interface Unmet {
  readonly ruleIds: readonly string[];
  readonly ruleId: string;
  /** `needs maintainer, you have developer`, or `needs no_access, which nobody has`. */
  readonly because: string;
  readonly detail: ErrorDetail;
}

/** The strictest of the rules whose minimum the caller does not meet, in words. */
function strictestUnmet(
  matching: readonly (RepositoryRule | TagRule)[],
  action: Action,
  level: AccessLevel,
): Unmet | undefined {
  const unmet = matching
    .map((rule) => ({ id: rule.id, minimum: minimumFor(rule, action) }))
    .filter((rule): rule is { id: string; minimum: MinimumAccessLevel } => rule.minimum !== undefined)
    .filter((rule) => !meets(level, rule.minimum))
    .sort((a, b) => (rankOf(b.minimum) > rankOf(a.minimum) ? 1 : -1));
  const strictest = unmet[0];
  if (!strictest) return undefined;
  const because =
    strictest.minimum === 'no_access'
      ? 'needs no_access, which nobody has'
      : `needs ${strictest.minimum}, you have ${level}`;
  return {
    ruleIds: unmet.map((rule) => rule.id),
    ruleId: strictest.id,
    because,
    detail: { rule: strictest.id, needs: strictest.minimum, has: level },
  };
}

function denied(ruleIds: readonly string[], message: string, detail: ErrorDetail): Decision {
  return { effect: 'deny', ruleIds, refusal: { code: 'DENIED', message, detail } };
}

function decideRepository(
  rules: RuleSet,
  repository: Repository,
  caller: Caller,
  action: Action,
): Decision | undefined {
  const matching = rules.repositoryRules.filter((rule) => rule.repositories.matches(repository));
  const unmet = strictestUnmet(matching, action, accessLevelIn(rules, repository, caller));
  if (!unmet) return undefined;
  const what = action === 'push' ? `push to ${repository}` : `delete from ${repository}`;
  const message = `container protected; you are not allowed to ${what} (${unmet.because}; rule ${unmet.ruleId})`;
  return denied(unmet.ruleIds, message, { repository, ...unmet.detail });
}

function decideTag(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  caller: Caller,
  action: Action,
): Decision | undefined {
  const matching = rules.tagRules.filter((rule) => coversTag(rule, repository, tag));
  const unmet = strictestUnmet(matching, action, accessLevelIn(rules, repository, caller));
  if (!unmet) return undefined;
  const verb = action === 'push' ? 'pushing' : 'deleting';
  const message = `tag protected; ${verb} ${repository}:${tag} ${unmet.because} (rule ${unmet.ruleId})`;
  return denied(unmet.ruleIds, message, { repository, tag, ...unmet.detail });
}

function undecided(ruleIds: readonly string[], refusal: Refusal): Decision {
  return { effect: 'undecided', ruleIds, refusal: { retryAfterSeconds, ...refusal } };
}

function unknownState(
  ruleIds: readonly string[],
  repository: Repository,
  tag: Tag,
  reason: string,
): Decision {
  const message = `cannot tell whether ${repository}:${tag} exists (${reason}), and rule ${ruleIds.join(', ')} needs to know; try again`;
  return undecided(ruleIds, { code: 'UNAVAILABLE', message, detail: { repository, tag, rules: ruleIds } });
}

/** A push to a tag that an immutable rule covers: free if absent, idempotent if it is the same manifest. */
function decideMove(
  rules: RuleSet,
  { repository }: PutManifest,
  tag: Tag,
  facts: Facts,
): Decision | undefined {
  const matching = immutableRulesFor(rules, repository, tag);
  if (matching.length === 0) return undefined;
  const ruleIds = matching.map((rule) => rule.id);
  const fact = facts.tags.get(tag) ?? { state: 'unknown', reason: 'it was not looked up' };
  if (fact.state === 'unknown') return unknownState(ruleIds, repository, tag, fact.reason);
  if (fact.state === 'present') {
    if (fact.isPushed) return undefined;
    const becomes = facts.pushed ? ` and cannot become ${abbreviateDigest(facts.pushed)}` : '';
    const message = `tag is immutable; ${repository}:${tag} is ${abbreviateDigest(fact.digest)}${becomes} (rule ${ruleIds.join(', ')}); use a new tag`;
    const detail = { repository, tag, rule: ruleIds[0], digest: fact.digest, pushed: facts.pushed };
    return denied(ruleIds, message, { ...detail, reason: kanikoWords });
  }
  const waitMs = Math.max(...matching.map((rule) => rule.admitsFirstPushFromMs)) - facts.nowMs;
  if (waitMs <= 0) return undefined;
  const seconds = Math.ceil(waitMs / 1000);
  return undecided(ruleIds, {
    code: 'TOOMANYREQUESTS',
    message: `rule ${ruleIds.join(', ')} is new, and pushes from before it may still arrive; push ${repository}:${tag} again in ${seconds} s`,
    retryAfterSeconds: seconds,
  });
}

/** A delete of a tag under an immutable rule is answered here and never forwarded: absent now may be present then. */
function decideRemoval(rules: RuleSet, { repository, tag }: DeleteTag, facts: Facts): Decision | undefined {
  const ruleIds = immutableRulesFor(rules, repository, tag).map((rule) => rule.id);
  if (ruleIds.length === 0) return undefined;
  const fact = facts.tags.get(tag) ?? { state: 'unknown', reason: 'it was not looked up' };
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

/** Registries delete a digest with every tag that needs it: refused wherever the caller may not delete some tag. */
function decideDigestDelete(rules: RuleSet, operation: DeleteDigest, caller: Caller): Decision | undefined {
  const { repository, digest } = operation;
  const level = accessLevelIn(rules, repository, caller);
  const restricting = rules.tagRules.filter(
    (rule) =>
      coversRepository(rule, repository) &&
      (rule.kind === 'immutable' || !meets(level, rule.minimumAccessLevelForDelete ?? 'anonymous')),
  );
  if (restricting.length === 0) return undefined;
  const ruleIds = restricting.map((rule) => rule.id);
  const what = operation.kind === 'deleteBlob' ? 'blob' : 'manifest';
  const message = `${what} may be needed by a protected tag of ${repository} (rule ${ruleIds.join(', ')}), so it cannot be deleted by digest; to drop a tag, delete it by name`;
  return denied(ruleIds, message, { repository, digest, rules: ruleIds });
}
