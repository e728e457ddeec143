import { Type, type Static } from 'typebox';
import {
  projectAt,
  type ManagedRepositoryRule,
  type ManagedState,
  type ManagedTagRule,
} from '../../core/managed-rules.ts';

const levels = ['maintainer', 'owner', 'admin', 'no_access'] as const;
const aboutLevel = 'The level that is needed; no_access is met by nobody.';
const level = Type.Enum(levels, { description: aboutLevel });
const levelOrNull = Type.Union([level, Type.Null()]);
const enforcement = Type.Enum(['deny', 'warn'], {
  description: 'Whether the rule refuses, or only tells what it would refuse.',
});
const repositoryPathPattern = Type.String({
  description: "Begins with the project's path; * is any run of characters.",
  examples: ['flightjs/flight-*'],
});
const tagNamePattern = Type.String({ description: 'RE2, unanchored.', examples: ['^v\\d+'] });
const immutable = Type.Boolean({
  description: 'Whether a tag may be created once, and never moved or deleted, by anyone.',
});

const numbers = {
  id: Type.Integer({ description: 'Of the rule.' }),
  project_id: Type.Integer({ description: 'Of the project.' }),
};
const shownLevels = {
  minimum_access_level_for_push: levelOrNull,
  minimum_access_level_for_delete: levelOrNull,
};

export const repositoryRuleObject = Type.Object({
  ...numbers,
  repository_path_pattern: repositoryPathPattern,
  ...shownLevels,
  enforcement,
});
export type RepositoryRuleObject = Static<typeof repositoryRuleObject>;

export const tagRuleObject = Type.Object({
  ...numbers,
  tag_name_pattern: tagNamePattern,
  ...shownLevels,
  immutable,
  enforcement,
});
export type TagRuleObject = Static<typeof tagRuleObject>;

/** Of a new rule: GitLab takes no empty text here. */
const givenLevels = {
  minimum_access_level_for_push: Type.Optional(levelOrNull),
  minimum_access_level_for_delete: Type.Optional(levelOrNull),
};
const unset = Type.Enum([...levels, ''], { description: `${aboutLevel} Empty, or null: unset.` });
const changedLevels = {
  minimum_access_level_for_push: Type.Optional(Type.Union([unset, Type.Null()])),
  minimum_access_level_for_delete: Type.Optional(Type.Union([unset, Type.Null()])),
};
const effects = { enforcement: Type.Optional(enforcement) };

export const newRepositoryRule = Type.Object({
  repository_path_pattern: repositoryPathPattern,
  ...givenLevels,
  ...effects,
});
export const changedRepositoryRule = Type.Object({
  repository_path_pattern: Type.Optional(Type.Union([repositoryPathPattern, Type.Null()])),
  ...changedLevels,
  ...effects,
});
export const newTagRule = Type.Object({
  tag_name_pattern: tagNamePattern,
  ...givenLevels,
  immutable: Type.Optional(immutable),
  ...effects,
});
export const changedTagRule = Type.Object({
  tag_name_pattern: Type.Optional(Type.Union([tagNamePattern, Type.Null()])),
  ...changedLevels,
  immutable: Type.Optional(immutable),
  ...effects,
});

export function showRepositoryRule(state: ManagedState, rule: ManagedRepositoryRule): RepositoryRuleObject {
  return {
    ...numbersOf(state, rule),
    repository_path_pattern: rule.repositories.source,
    ...levelsOf(rule),
    enforcement: rule.enforcement ?? 'deny',
  };
}

export function showTagRule(state: ManagedState, rule: ManagedTagRule): TagRuleObject {
  return {
    ...numbersOf(state, rule),
    tag_name_pattern: rule.tags.source,
    ...levelsOf(rule.kind === 'immutable' ? {} : rule),
    immutable: rule.kind === 'immutable',
    enforcement: rule.enforcement ?? 'deny',
  };
}

function numbersOf(state: ManagedState, { managed }: ManagedRepositoryRule | ManagedTagRule) {
  const project = projectAt(state, managed.project);
  // INVARIANT: a project has a number from its first rule on, for good.
  if (!project) throw new Error(`project ${managed.project} has a rule, and no number`);
  return { id: managed.number, project_id: project.number };
}

function levelsOf(
  rule: Pick<ManagedRepositoryRule, 'minimumAccessLevelForPush' | 'minimumAccessLevelForDelete'>,
) {
  return {
    minimum_access_level_for_push: shown(rule.minimumAccessLevelForPush),
    minimum_access_level_for_delete: shown(rule.minimumAccessLevelForDelete),
  };
}

function shown(text: string | undefined): (typeof levels)[number] | null {
  return levels.find((known) => known === text) ?? null;
}
