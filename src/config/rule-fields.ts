import type { ImmutableTagRule, Member, ProtectedTagRule, RepositoryRule, TagRule } from '../core/rule.ts';

/** A rule or a member, by the keys of a rules file. */
export type RuleFields = Readonly<Record<string, string | boolean>>;

export function fieldsOf(rule: RepositoryRule | TagRule): RuleFields {
  const { id, repositories, enforcement } = rule;
  return {
    id,
    ...(repositories && { repository_path_pattern: repositories.source }),
    ...('kind' in rule && tagFieldsOf(rule)),
    ...(!('kind' in rule && rule.kind === 'immutable') && levelFieldsOf(rule)),
    ...(enforcement && { enforcement }),
  };
}

function tagFieldsOf(rule: TagRule): RuleFields {
  const { tags, excludedTags, referrers } = rule;
  return {
    tag_name_pattern: tags.source,
    ...(excludedTags && { tag_name_exclude_pattern: excludedTags.source }),
    ...(rule.kind === 'immutable' && immutabilityFieldsOf(rule)),
    ...(referrers && { referrers }),
  };
}

function immutabilityFieldsOf({ tombstone, immutableAfterMs }: ImmutableTagRule): RuleFields {
  return {
    immutable: true,
    ...(immutableAfterMs !== undefined && { immutable_after: `${immutableAfterMs / 1000}s` }),
    ...(tombstone && { tombstone: true }),
  };
}

type Levels = Pick<RepositoryRule, 'minimumAccessLevelForPush' | 'minimumAccessLevelForDelete'>;

function levelFieldsOf(rule: Levels & Pick<ProtectedTagRule, 'minimumAccessLevelForCreate'>): RuleFields {
  const { minimumAccessLevelForPush: push, minimumAccessLevelForDelete: deletion } = rule;
  const { minimumAccessLevelForCreate: creation } = rule;
  return {
    ...(creation && { minimum_access_level_for_create: creation }),
    ...(push && { minimum_access_level_for_push: push }),
    ...(deletion && { minimum_access_level_for_delete: deletion }),
  };
}

/** Who has a level, and where, as `subject ci-release in flightjs/*`. */
export function memberText({ subject, group, repositories }: Member): string {
  const who = subject === undefined ? `group ${group ?? ''}` : `subject ${subject}`;
  return `${who} in ${repositories.source}`;
}
