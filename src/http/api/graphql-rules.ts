import type { MinimumAccessLevel } from '../../core/access-level.ts';
import type { RepositoryRuleInput, TagRuleInput } from '../../core/managed-input.ts';
import { globalId, type Model } from './graphql-ids.ts';
import type { RepositoryRuleObject, TagRuleObject } from './rule-objects.ts';

interface Effects {
  readonly minimumAccessLevelForPush?: Uppercase<MinimumAccessLevel> | null;
  readonly minimumAccessLevelForDelete?: Uppercase<MinimumAccessLevel> | null;
  readonly enforcement?: 'DENY' | 'WARN' | null;
}

export interface TagRuleArguments extends Effects {
  readonly tagNamePattern?: string | null;
  readonly immutable?: boolean | null;
}

export interface RepositoryRuleArguments extends Effects {
  readonly repositoryPathPattern?: string | null;
}

export const tagRuleModel: Model = 'ContainerRegistry::Protection::TagRule';
export const repositoryRuleModel: Model = 'ContainerRegistry::Protection::Rule';

export function tagRuleInput(given: TagRuleArguments): TagRuleInput {
  const { tagNamePattern: pattern, immutable } = given;
  return {
    ...(pattern !== undefined && { tagNamePattern: pattern ?? '' }),
    ...effectsOf(given),
    ...(typeof immutable === 'boolean' && { immutable }),
  };
}

export function repositoryRuleInput(given: RepositoryRuleArguments): RepositoryRuleInput {
  const { repositoryPathPattern: pattern } = given;
  return { ...(pattern !== undefined && { repositoryPathPattern: pattern ?? '' }), ...effectsOf(given) };
}

function effectsOf({
  minimumAccessLevelForPush: push,
  minimumAccessLevelForDelete: deletion,
  enforcement,
}: Effects) {
  return {
    ...(push !== undefined && { minimumAccessLevelForPush: push && lower(push) }),
    ...(deletion !== undefined && { minimumAccessLevelForDelete: deletion && lower(deletion) }),
    ...(enforcement && { enforcement: lower(enforcement) }),
  };
}

function lower<Text extends string>(text: Text): Lowercase<Text> {
  return text.toLowerCase() as Lowercase<Text>;
}

export function tagRuleNode(rule: TagRuleObject) {
  return {
    id: globalId(tagRuleModel, rule.id),
    tagNamePattern: rule.tag_name_pattern,
    ...shownEffects(rule),
    immutable: rule.immutable,
  };
}

export function repositoryRuleNode(rule: RepositoryRuleObject) {
  return {
    id: globalId(repositoryRuleModel, rule.id),
    repositoryPathPattern: rule.repository_path_pattern,
    ...shownEffects(rule),
  };
}

function shownEffects(rule: TagRuleObject | RepositoryRuleObject) {
  return {
    minimumAccessLevelForPush: rule.minimum_access_level_for_push?.toUpperCase() ?? null,
    minimumAccessLevelForDelete: rule.minimum_access_level_for_delete?.toUpperCase() ?? null,
    enforcement: rule.enforcement.toUpperCase(),
  };
}
