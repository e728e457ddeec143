import { rankOf, type AccessLevel, type MinimumAccessLevel } from './access-level.ts';
import type { Access } from './access.ts';
import type { Pattern } from './pattern.ts';
import { isReferrerTag } from './referrer-tag.ts';
import type { Repository, Tag } from './reference.ts';
import { indexOfMembers, indexOfRepositoryRules, indexOfTagRules } from './rule-index.ts';
import type { TokenPatterns } from './token-rules.ts';

/** What a rule is that the management API keeps. */
export interface Managed {
  /** GitLab's `id`: unique among all that are managed, and never given twice. */
  readonly number: number;
  /** Whose it is: a prefix of repository paths, in lower case. */
  readonly project: string;
}

interface Ruling {
  readonly id: string;
  /** Nothing is refused by it: what would be is told. Absent: `deny`. */
  readonly enforcement?: 'warn';
  /** Absent: it is from the operator's own file. */
  readonly managed?: Managed;
}

/** Keeps callers below a level from pushing to, or deleting from, the repositories that it matches. */
export interface RepositoryRule extends Ruling {
  readonly repositories: Pattern;
  readonly minimumAccessLevelForPush?: MinimumAccessLevel;
  readonly minimumAccessLevelForDelete?: MinimumAccessLevel;
}

export const referrersTreatments = ['append_only', 'immutable', 'mutable'] as const;
/** What may become of the tags that hold what refers to an image: its signatures, attestations, bills of materials. */
export type ReferrersTreatment = (typeof referrersTreatments)[number];

interface TagSelection extends Ruling {
  /** Absent: every repository. */
  readonly repositories?: Pattern;
  readonly tags: Pattern;
  /** Part of this rule alone: another rule that matches the tag still counts. */
  readonly excludedTags?: Pattern;
  /** Of referrer tags that the rule matches, or whose image it protects; absent: `append_only`. */
  readonly referrers?: ReferrersTreatment;
}

/** Keeps callers below a level from pushing or deleting the tags that it matches. */
export interface ProtectedTagRule extends TagSelection {
  readonly kind: 'protected';
  /** Who meets it may make a tag that is not there, and not move one that is. Absent: as for a push; never above it. */
  readonly minimumAccessLevelForCreate?: MinimumAccessLevel;
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
  /** For so long after its first push a tag may still be moved or deleted; absent: not at all. */
  readonly immutableAfterMs?: number;
  /** Whether the name stays taken by its digest where the tag vanishes behind our back; absent: it does not. */
  readonly tombstone?: true;
}

export type TagRule = ProtectedTagRule | ImmutableTagRule;

/** Gives whoever it names (by subject or by group) a level in the repositories that it matches. */
export interface Member {
  readonly subject?: string;
  readonly group?: string;
  readonly repositories: Pattern;
  readonly accessLevel: AccessLevel;
}

/** A prefix of repository paths: `flightjs` has `flightjs` itself and `flightjs/flight`. */
export interface Project {
  readonly number: number;
  /** In lower case. */
  readonly path: string;
}

export interface ManagedRegistry {
  readonly projects: readonly Project[];
  /** Of the next rule. */
  readonly nextNumber: number;
}

/** All that is in force at one moment: a request is judged by one rule set from beginning to end. */
export interface RuleSet {
  /** Names the content, for logs. */
  readonly version: string;
  readonly repositoryRules: readonly RepositoryRule[];
  readonly tagRules: readonly TagRule[];
  readonly members: readonly Member[];
  /** What of the management API's is no rule. Absent: it never kept any. */
  readonly registry?: ManagedRegistry;
  /** Those that only warn, where these rules are what requests are judged by: then they are not among them. */
  readonly watched?: RuleSet;
  /** What a token adds to the tag rules of one request: few, and in no index. */
  readonly tokenRules?: readonly TagRule[];
}

/** Before the first rules were loaded. */
export const noRules: RuleSet = { version: 'none', repositoryRules: [], tagRules: [], members: [] };

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
  return highestOf(indexOfMembers(rules.members).covering(repository, caller), caller);
}

function highestOf(members: readonly Member[], caller: Caller): AccessLevel {
  let highest = caller.defaultAccessLevel;
  for (const { accessLevel } of members) if (rankOf(accessLevel) > rankOf(highest)) highest = accessLevel;
  return highest;
}

/** The level that the caller has in every repository, also in those that no rule names. */
export function accessLevelEverywhere(rules: RuleSet, caller: Caller): AccessLevel {
  const members = rules.members.filter((member) => /^\*+$/.test(member.repositories.source));
  return highestOf(
    members.filter((member) => isMember(member, caller)),
    caller,
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

export function repositoryRulesFor(rules: RuleSet, repository: Repository): readonly RepositoryRule[] {
  return indexOfRepositoryRules(rules.repositoryRules).covering(repository);
}

/** The rules for some tags of a repository, whichever. */
export function tagRulesIn(rules: RuleSet, repository: Repository): readonly TagRule[] {
  const own = indexOfTagRules(rules.tagRules).covering(repository).all();
  return withTokenRules(own, rules, (rule) => coversRepository(rule, repository));
}

/** The rules that cover a tag. */
export function tagRulesFor(rules: RuleSet, repository: Repository, tag: Tag): readonly TagRule[] {
  const own = indexOfTagRules(rules.tagRules).covering(repository).matching(tag);
  return withTokenRules(own, rules, (rule) => coversTag(rule, repository, tag));
}

/** The same for many tags of a repository, each of which is asked for once. */
export function tagRulesForEach(
  rules: RuleSet,
  repository: Repository,
  tags: readonly Tag[],
): readonly (readonly [Tag, readonly TagRule[]])[] {
  const covering = indexOfTagRules(rules.tagRules).covering(repository);
  return tags.map((tag) => [
    tag,
    withTokenRules(covering.matchingOnce(tag), rules, (rule) => coversTag(rule, repository, tag)),
  ]);
}

function withTokenRules(
  own: readonly TagRule[],
  { tokenRules }: RuleSet,
  covers: (rule: TagRule) => boolean,
): readonly TagRule[] {
  return tokenRules ? [...own, ...tokenRules.filter(covers)] : own;
}

/** The immutable rules by which a tag may be created once and never moved; empty where it may. */
export function immutableRulesFor(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
): readonly ImmutableTagRule[] {
  return immutableAmong(tagRulesFor(rules, repository, tag), tag);
}

/** Of the rules that cover a tag. */
export function immutableAmong(rules: readonly TagRule[], tag: Tag): readonly ImmutableTagRule[] {
  const mayGrow = isReferrerTag(tag);
  return rules.filter(
    (rule): rule is ImmutableTagRule =>
      rule.kind === 'immutable' && (!mayGrow || rule.referrers === 'immutable'),
  );
}

/** The immutable rules by which a tag may grow and never shrink: one that holds what refers to a manifest. */
export function growthRulesFor(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
): readonly ImmutableTagRule[] {
  if (!isReferrerTag(tag)) return [];
  return tagRulesFor(rules, repository, tag).filter(
    (rule): rule is ImmutableTagRule =>
      rule.kind === 'immutable' && (rule.referrers ?? 'append_only') === 'append_only',
  );
}
