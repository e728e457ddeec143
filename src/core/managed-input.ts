import { rankOf, type MinimumAccessLevel } from './access-level.ts';
import type { ManagedRepositoryRule, ManagedState, ManagedTagRule } from './managed-rules.ts';
import {
  compileProjectPattern,
  compileTagPattern,
  compileWithin,
  PatternError,
  sizeOfTagPattern,
  repositoryPatternLengthLimit,
  type Pattern,
} from './pattern.ts';
import type { Managed } from './rule.ts';

/** A change that the rules of rules do not allow. Its messages are GitLab's, where GitLab has one. */
export class ChangeRefused extends Error {
  override readonly name = 'ChangeRefused';
  readonly messages: readonly string[];

  constructor(messages: readonly string[]) {
    super(messages.join(', '));
    this.messages = messages;
  }
}

/** As requests give it: absent, not mentioned; null, unset. */
export interface RepositoryRuleInput {
  readonly repositoryPathPattern?: string;
  readonly minimumAccessLevelForPush?: MinimumAccessLevel | null;
  readonly minimumAccessLevelForDelete?: MinimumAccessLevel | null;
  readonly enforcement?: 'deny' | 'warn';
}

export interface TagRuleInput {
  readonly tagNamePattern?: string;
  readonly minimumAccessLevelForPush?: MinimumAccessLevel | null;
  readonly minimumAccessLevelForDelete?: MinimumAccessLevel | null;
  /** Absent: as the levels say; a rule without levels is immutable. */
  readonly immutable?: boolean;
  readonly enforcement?: 'deny' | 'warn';
}

export type Levels = Pick<RepositoryRuleInput, 'minimumAccessLevelForPush' | 'minimumAccessLevelForDelete'>;

/** Those that GitLab's rules know. */
export const managedLevels: readonly MinimumAccessLevel[] = ['maintainer', 'owner', 'admin', 'no_access'];

/** Only what is given; levels that GitLab's rules do not know are an error. */
function checkedLevels(levels: Levels, messages: string[]) {
  const { minimumAccessLevelForPush: push, minimumAccessLevelForDelete: deletion } = levels;
  for (const level of [push, deletion]) {
    if (level && !managedLevels.includes(level))
      messages.push(`Minimum access level ${level} is not allowed`);
  }
  return {
    ...(push && { minimumAccessLevelForPush: push }),
    ...(deletion && { minimumAccessLevelForDelete: deletion }),
  };
}

/**
 * The rule that an input says, beside those that are there.
 * @throws ChangeRefused
 */
export function repositoryRuleOf(
  state: ManagedState,
  managed: Managed,
  input: RepositoryRuleInput,
): ManagedRepositoryRule {
  const messages: string[] = [];
  const source = input.repositoryPathPattern ?? '';
  const repositories = repositoryPattern(source, managed.project, messages);
  const isTaken = state.repositoryRules.some(
    (other) =>
      other.managed.project === managed.project &&
      other.managed.number !== managed.number &&
      other.repositories.source === source,
  );
  if (isTaken) messages.push('Repository path pattern has already been taken');
  const levels = checkedLevels(input, messages);
  if (Object.keys(levels).length === 0)
    messages.push('A rule must have at least a minimum access role for push or delete.');
  if (!repositories || messages.length > 0) throw new ChangeRefused(messages);
  return { ...rulingOf(managed, input), repositories, ...levels };
}

function repositoryPattern(source: string, project: string, messages: string[]): Pattern | undefined {
  const isTooLong = source.length > repositoryPatternLengthLimit;
  if (source === '') messages.push("Repository path pattern can't be blank");
  if (isTooLong) {
    messages.push(
      `Repository path pattern is too long (maximum is ${repositoryPatternLengthLimit} characters)`,
    );
  }
  const pattern = compiled((text) => compileWithin(project, text), source);
  if (!pattern && !isTooLong) {
    messages.push(
      'Repository path pattern should be a valid container repository path with optional wildcard characters.',
    );
  }
  if (!source.toLowerCase().startsWith(project))
    messages.push("Repository path pattern should start with the project's full path");
  return pattern;
}

/**
 * The rule that an input says, beside those that are there.
 * @throws ChangeRefused
 */
export function tagRuleOf(state: ManagedState, managed: Managed, input: TagRuleInput): ManagedTagRule {
  const messages: string[] = [];
  const tags = tagPattern(input.tagNamePattern ?? '', messages);
  const levels = checkedLevels(input, messages);
  const given = Object.keys(levels).length;
  const isImmutable = input.immutable ?? given === 0;
  if (input.immutable === true && given > 0)
    messages.push('An immutable rule is for everyone, and has no access levels');
  else if (given === 1 || (!isImmutable && given === 0))
    messages.push('Access levels should either both be present or both be nil');
  // As in GitLab one protected and one immutable rule may share a pattern.
  const isTaken = state.tagRules.some(
    (other) =>
      other.managed.project === managed.project &&
      other.managed.number !== managed.number &&
      other.tags.source === input.tagNamePattern &&
      (other.kind === 'immutable') === isImmutable,
  );
  if (isTaken) messages.push('Tag name pattern has already been taken');
  if (!tags || messages.length > 0) throw new ChangeRefused(messages);
  const selection = {
    ...rulingOf(managed, input),
    repositories: compileProjectPattern(managed.project),
    tags,
  };
  if (!isImmutable) return { kind: 'protected', ...selection, ...levels };
  return { kind: 'immutable', ...selection, admitsFirstPushFromMs: 0 };
}

/** Instructions: an ordinary pattern has tens. Who may write rules for one project must not slow down all others. */
const patternSizeLimit = 2_000;

function tagPattern(source: string, messages: string[]): Pattern | undefined {
  if (source === '') {
    messages.push("Tag name pattern can't be blank");
    return undefined;
  }
  if (source.length > 100) {
    messages.push('Tag name pattern is too long (maximum is 100 characters)');
    return undefined;
  }
  try {
    const pattern = compileTagPattern(source);
    if (sizeOfTagPattern(source) <= patternSizeLimit) return pattern;
    messages.push('Tag name pattern is too complex: write fewer or smaller repetitions');
    return undefined;
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const reason = error.message.replace(/^error parsing regexp: /, '').replaceAll('`', '');
    messages.push(`Tag name pattern not valid RE2 syntax: ${reason}`);
    return undefined;
  }
}

function rulingOf(managed: Managed, { enforcement }: Pick<TagRuleInput, 'enforcement'>) {
  return {
    id: `managed-${managed.number}`,
    managed,
    ...(enforcement === 'warn' && { enforcement }),
  } as const;
}

function compiled(compile: (source: string) => Pattern, source: string): Pattern | undefined {
  try {
    return compile(source);
  } catch (error) {
    if (error instanceof PatternError) return undefined;
    throw error;
  }
}

/** The highest of some levels; undefined where there is none. */
export function highestLevel(
  levels: readonly (MinimumAccessLevel | undefined)[],
): MinimumAccessLevel | undefined {
  const given = levels.filter((level) => level !== undefined);
  return given.sort((one, other) => (rankOf(other) > rankOf(one) ? 1 : -1))[0];
}
