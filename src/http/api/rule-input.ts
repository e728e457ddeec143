import type { Static } from 'typebox';
import type { RepositoryRuleInput, TagRuleInput } from '../../core/managed-input.ts';
import type { MinimumAccessLevel } from '../../core/access-level.ts';
import type { changedRepositoryRule, changedTagRule } from './rule-objects.ts';

type Given = Omit<Static<typeof changedTagRule>, 'tag_name_pattern'>;

export function repositoryRuleInput(body: Static<typeof changedRepositoryRule>): RepositoryRuleInput {
  const { repository_path_pattern: pattern } = body;
  return { ...(pattern !== undefined && { repositoryPathPattern: pattern ?? '' }), ...effectsOf(body) };
}

export function tagRuleInput(body: Static<typeof changedTagRule>): TagRuleInput {
  const { tag_name_pattern: pattern, immutable } = body;
  return {
    ...(pattern !== undefined && { tagNamePattern: pattern ?? '' }),
    ...effectsOf(body),
    ...(immutable !== undefined && { immutable }),
  };
}

function effectsOf({
  minimum_access_level_for_push: push,
  minimum_access_level_for_delete: deletion,
  enforcement,
}: Given) {
  return {
    ...(push !== undefined && { minimumAccessLevelForPush: levelOf(push) }),
    ...(deletion !== undefined && { minimumAccessLevelForDelete: levelOf(deletion) }),
    ...(enforcement !== undefined && { enforcement }),
  };
}

/** Empty is how a form says null. */
function levelOf<Level extends MinimumAccessLevel>(text: Level | '' | null): Level | null {
  return text === '' ? null : text;
}
