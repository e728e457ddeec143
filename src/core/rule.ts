import { rankOf, type AccessLevel, type MinimumAccessLevel } from './access-level.ts';
import type { Access } from './access.ts';
import type { Pattern } from './pattern.ts';
import type { Repository, Tag } from './reference.ts';
import type { TokenPatterns } from './token-rules.ts';

/** Keeps callers below a level from pushing to, or deleting from, the repositories that it matches. */
export interface RepositoryRule {
  readonly id: string;
  readonly repositories: Pattern;
  readonly minimumAccessLevelForPush?: MinimumAccessLevel;
  readonly minimumAccessLevelForDelete?: MinimumAccessLevel;
}

interface TagSelection {
  readonly id: string;
  /** Absent: every repository. */
  readonly repositories?: Pattern;
  readonly tags: Pattern;
  /** Part of this rule alone: another rule that matches the tag still counts. */
  readonly excludedTags?: Pattern;
}

/** Keeps callers below a level from pushing or deleting the tags that it matches. */
export interface ProtectedTagRule extends TagSelection {
  readonly kind: 'protected';
  readonly minimumAccessLevelForPush?: MinimumAccessLevel;
  readonly minimumAccessLevelForDelete?: MinimumAccessLevel;
}

/** Lets a tag be created once and never moved or deleted, by anyone. */
export interface ImmutableTagRule extends TagSelection {
  readonly kind: 'immutable';
  /**
   * Epoch milliseconds from which a tag that does not exist yet may be created. A write that was judged before the
   * rule came into force made no claim and may still be on its way until then.
   */
  readonly admitsFirstPushFromMs: number;
}

export type TagRule = ProtectedTagRule | ImmutableTagRule;

/** Gives whoever it names (by subject or by group) a level in the repositories that it matches. */
export interface Member {
  readonly subject?: string;
  readonly group?: string;
  readonly repositories: Pattern;
  readonly accessLevel: AccessLevel;
}

/** All that is in force at one moment: a request is judged by one rule set from beginning to end. */
export interface RuleSet {
  /** Names the content, for logs. */
  readonly version: string;
  readonly repositoryRules: readonly RepositoryRule[];
  readonly tagRules: readonly TagRule[];
  readonly members: readonly Member[];
}

/** Who asks. Without a subject nobody was identified. */
export interface Caller {
  readonly subject?: string;
  readonly groups: readonly string[];
  /** Held wherever no member entry gives more. */
  readonly defaultAccessLevel: AccessLevel;
  /** What a token forbids its bearer, beside the rules. */
  readonly tokenPatterns?: readonly TokenPatterns[];
  /** What a token that we verified grants; absent: the upstream judges access. */
  readonly granted?: readonly Access[];
}

/** The highest level that a member entry gives the caller in the repository, else the default. */
export function accessLevelIn(rules: RuleSet, repository: Repository, caller: Caller): AccessLevel {
  return highestOf(
    rules.members.filter((member) => member.repositories.matches(repository)),
    caller,
  );
}

function highestOf(members: readonly Member[], caller: Caller): AccessLevel {
  return members
    .filter((member) => isMember(member, caller))
    .map((member) => member.accessLevel)
    .reduce(
      (highest, level) => (rankOf(level) > rankOf(highest) ? level : highest),
      caller.defaultAccessLevel,
    );
}

/** The level that the caller has in every repository, also in those that no rule names. */
export function accessLevelEverywhere(rules: RuleSet, caller: Caller): AccessLevel {
  const members = rules.members.filter((member) => /^\*+$/.test(member.repositories.source));
  return highestOf(members, caller);
}

function isMember(member: Member, caller: Caller): boolean {
  if (member.subject !== undefined) return member.subject === caller.subject;
  return member.group !== undefined && caller.groups.includes(member.group);
}

export function coversRepository(rule: TagRule, repository: Repository): boolean {
  return rule.repositories?.matches(repository) ?? true;
}

export function coversTag(rule: TagRule, repository: Repository, tag: Tag): boolean {
  return coversRepository(rule, repository) && rule.tags.matches(tag) && !rule.excludedTags?.matches(tag);
}

/** The immutable rules that cover a tag; empty where it may move. */
export function immutableRulesFor(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
): readonly ImmutableTagRule[] {
  return rules.tagRules.filter(
    (rule): rule is ImmutableTagRule => rule.kind === 'immutable' && coversTag(rule, repository, tag),
  );
}
