import { rankOf, type AccessLevel, type MinimumAccessLevel } from './access-level.ts';
import { decide, tagsToLookUp } from './decision.ts';
import { guardsDeletes } from './judge-digest-delete.ts';
import { keepingOf } from './judge-growth.ts';
import { minimumFor, type Action } from './judge-levels.ts';
import type { DeleteDigest, DeleteTag, PutManifest } from './operation.ts';
import { parseReferrerTag } from './referrer-tag.ts';
import { formatReference, isDigest, isRepository, isTag, type Repository, type Tag } from './reference.ts';
import { indexOfMembers } from './rule-index.ts';
import {
  accessLevelIn,
  growthRulesFor,
  repositoryRulesFor,
  tagRulesFor,
  tagRulesIn,
  type Caller,
  type Member,
  type RepositoryRule,
  type RuleSet,
  type TagRule,
} from './rule.ts';
import type { Decision, Facts } from './verdict.ts';

/** What can be explained: the writes that have a verdict of their own. */
export type Explainable = PutManifest | DeleteTag | DeleteDigest;

/** In the order of judging; `need`: of tags that need what is to be deleted. */
export type Stage = 'repository' | 'tag' | 'immutability' | 'need';

/** A rule that is about an operation, and what it makes of it. */
export interface MatchedRule {
  readonly stage: Stage;
  readonly rule: RepositoryRule | TagRule;
  /** Absent where it is about a repository, or about whatever needs something. */
  readonly tag?: Tag;
  /** It only warns. */
  readonly isWatched: boolean;
  /** The level that it asks for; absent: it asks for none. */
  readonly needs?: MinimumAccessLevel;
  /** What would be decided if there were no other rule; undefined: its exclusion spares the tag. */
  readonly alone: Decision | undefined;
}

/** A level, and the member entry that gives it; absent: everybody has it. */
export interface HeldLevel {
  readonly level: AccessLevel;
  readonly member?: Member;
}

export interface Explanation {
  /** What `decide` says, and nothing else. */
  readonly decision: Decision;
  readonly held: HeldLevel;
  readonly matched: readonly MatchedRule[];
  /** The rules because of which the manifest itself is read too, where nothing else speaks against a push. */
  readonly grows: readonly string[];
}

/** Why an operation is decided as it is. */
export function explain(rules: RuleSet, operation: Explainable, caller: Caller, facts: Facts): Explanation {
  const decision = decide(rules, operation, caller, facts);
  const watched = rules.watched ? matching({ ...rules.watched, members: rules.members }, operation) : [];
  const judged = [
    ...matching(rules, operation).map((match) => ({ ...match, isWatched: false })),
    ...watched.map((match) => ({ ...match, isWatched: true })),
  ].map(({ isSpared, ...match }) => ({
    ...match,
    ...needsOf(match.rule, actionOf(operation)),
    alone: isSpared ? undefined : judgeAlone(rules.members, match, operation, caller, facts),
  }));
  return {
    decision,
    held: heldIn(rules, operation.repository, caller),
    matched: stages.flatMap((stage) => judged.filter((match) => match.stage === stage)),
    grows: decision.effect === 'allow' ? growingRules(rules, operation, facts) : [],
  };
}

const stages: readonly Stage[] = ['repository', 'tag', 'immutability', 'need'];

export function actionOf({ kind }: Explainable): Action {
  return kind === 'putManifest' ? 'push' : 'delete';
}

/** @param reference a tag or a digest */
export function operationOn(
  action: 'push' | 'delete',
  repository: string,
  reference: string,
): Explainable | undefined {
  if (!isRepository(repository)) return undefined;
  if (isDigest(reference)) {
    return action === 'push'
      ? { kind: 'putManifest', repository, reference: { digest: reference }, tags: [] }
      : { kind: 'deleteManifest', repository, digest: reference };
  }
  if (!isTag(reference)) return undefined;
  return action === 'push'
    ? { kind: 'putManifest', repository, reference: { tag: reference }, tags: [reference] }
    : { kind: 'deleteTag', repository, tag: reference, route: 'manifests' };
}

/** The tag or the digest that it is about. */
export function referenceOf(operation: Explainable): string {
  if (operation.kind === 'putManifest') return formatReference(operation.reference);
  return operation.kind === 'deleteTag' ? operation.tag : operation.digest;
}

/** The level of a caller in a repository, and where it comes from. */
export function heldIn(rules: RuleSet, repository: Repository, caller: Caller): HeldLevel {
  const level = accessLevelIn(rules, repository, caller);
  const entries = indexOfMembers(rules.members).covering(repository, caller);
  const member =
    rankOf(level) > rankOf(caller.defaultAccessLevel)
      ? entries.find((entry) => entry.accessLevel === level)
      : undefined;
  return { level, ...(member && { member }) };
}

interface Match {
  readonly stage: Stage;
  readonly rule: RepositoryRule | TagRule;
  readonly tag?: Tag;
  readonly isSpared: boolean;
}

function matching(rules: RuleSet, operation: Explainable): readonly Match[] {
  const { repository } = operation;
  const ofRepository = repositoryRulesFor(rules, repository).map((rule) => ({
    stage: 'repository' as const,
    rule,
    isSpared: false,
  }));
  const tags = tagsOf(operation);
  const ofTags = tags.flatMap((tag) => matchingTag(rules, repository, tag));
  if (!dependsOnNeed(operation)) return [...ofRepository, ...ofTags];
  const named = new Set(ofTags.filter((match) => !match.isSpared).map((match) => match.rule));
  const ofNeeds = tagRulesIn(rules, repository)
    .filter((rule) => !named.has(rule) && guardsDeletes(only(rules.members, rule), repository))
    .map((rule) => ({ stage: 'need' as const, rule, isSpared: false }));
  return [...ofRepository, ...ofTags, ...ofNeeds];
}

function matchingTag(rules: RuleSet, repository: Repository, tag: Tag): readonly Match[] {
  const covering = tagRulesFor(rules, repository, tag);
  const spared = tagRulesIn(rules, repository).filter(
    (rule) => rule.tags.matches(tag) && rule.excludedTags?.matches(tag),
  );
  return [...covering, ...spared].map((rule) => ({
    stage: rule.kind === 'immutable' ? 'immutability' : 'tag',
    rule,
    tag,
    isSpared: spared.includes(rule),
  }));
}

function tagsOf(operation: Explainable): readonly Tag[] {
  if (operation.kind === 'putManifest') return operation.tags;
  return operation.kind === 'deleteTag' ? [operation.tag] : [];
}

/** Whether it matters who needs what is to be deleted. */
export function dependsOnNeed(operation: Explainable): boolean {
  if (operation.kind === 'deleteTag') return parseReferrerTag(operation.tag) !== undefined;
  return operation.kind !== 'putManifest';
}

/** By `decide` itself, so that there is no second opinion. */
function judgeAlone(
  members: readonly Member[],
  { rule, tag }: Omit<Match, 'isSpared'>,
  operation: Explainable,
  caller: Caller,
  facts: Facts,
): Decision {
  const ofTag =
    operation.kind === 'putManifest' && tag !== undefined ? { ...operation, tags: [tag] } : operation;
  return decide(only(members, rule), ofTag, caller, facts);
}

function only(members: readonly Member[], rule: RepositoryRule | TagRule): RuleSet {
  const [repositoryRules, tagRules] = 'kind' in rule ? [[], [rule]] : [[rule], []];
  return { version: rule.id, repositoryRules, tagRules, members };
}

function needsOf(rule: RepositoryRule | TagRule, action: Action): { readonly needs?: MinimumAccessLevel } {
  const needs = minimumFor(rule, action);
  return needs === undefined ? {} : { needs };
}

/** Tags that hold what refers to an image may grow: what is pushed is compared with what is there (docs/deletes.md). */
export function growingTags(rules: RuleSet, operation: Explainable): readonly Tag[] {
  if (operation.kind !== 'putManifest' || !guardsDeletes(rules, operation.repository)) return [];
  const once = tagsToLookUp(rules, operation);
  return operation.tags.filter((tag) => parseReferrerTag(tag) !== undefined && !once.includes(tag));
}

function growingRules(rules: RuleSet, operation: Explainable, facts: Facts): readonly string[] {
  const { repository } = operation;
  const ids = growingTags(rules, operation).flatMap((tag) => {
    const fact = facts.tags.get(tag);
    if (fact?.state === 'present' && fact.isPushed) return [];
    if (facts.needing?.state === 'known')
      return keepingOf(rules, repository, tag, facts.needing)?.ruleIds ?? [];
    const ofOthers = tagRulesIn(rules, repository).filter(
      (rule) => rule.kind === 'immutable' && rule.referrers !== 'mutable',
    );
    return [...growthRulesFor(rules, repository, tag), ...ofOthers].map((rule) => rule.id);
  });
  return [...new Set(ids)];
}
