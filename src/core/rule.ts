import { rankOf, type AccessLevel, type MinimumAccessLevel } from './access-level.ts';
import type { Pattern } from './pattern.ts';
import type { Repository, Tag } from './reference.ts';

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
}

/** The highest level that a member entry gives the caller in the repository, else the default. */
export function accessLevelIn(rules: RuleSet, repository: Repository, caller: Caller): AccessLevel {
  return rules.members
    .filter((member) => isMember(member, caller) && member.repositories.matches(repository))
    .map((member) => member.accessLevel)
    .reduce(
      (highest, level) => (rankOf(level) > rankOf(highest) ? level : highest),
      caller.defaultAccessLevel,
    );
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
