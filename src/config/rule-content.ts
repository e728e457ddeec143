import type { Member, ProtectedTagRule, RepositoryRule, TagRule } from '../core/rule.ts';

type Without<Key extends string, Rule> = Rule extends unknown ? Omit<Rule, Key> : never;
/** A rule that has no id yet. */
export type Nameless = Without<'id', RepositoryRule | TagRule>;

/**
 * What a rule or a member says, on one line of ASCII, as `immutable ^v\d except -rc in flightjs/*`. Two that say the
 * same have the same content. It is the id of a rule that was given none, and how a rule is known again after a reload.
 */
export function contentOf(content: Nameless | Member): string {
  if ('accessLevel' in content) {
    const who =
      content.group === undefined
        ? `subject ${visible(content.subject ?? '')}`
        : `group ${visible(content.group)}`;
    return `${who} is ${content.accessLevel} in ${content.repositories.source}`;
  }
  if ('kind' in content) {
    const effect = [
      content.kind === 'immutable' ? 'immutable' : levelsOf(content),
      ...(content.referrers ? [`referrers=${content.referrers}`] : []),
      ...(content.kind === 'immutable' && content.tombstone ? ['tombstone'] : []),
      ...(content.kind === 'immutable' && content.immutableAfterMs !== undefined
        ? [`after=${content.immutableAfterMs / 1000}s`]
        : []),
      ...warning(content),
    ].join(' ');
    const except = content.excludedTags ? ` except ${visible(content.excludedTags.source)}` : '';
    const where = content.repositories ? ` in ${content.repositories.source}` : '';
    return `${effect} ${visible(content.tags.source)}${except}${where}`;
  }
  return `${[levelsOf(content), ...warning(content)].join(' ')} in ${content.repositories.source}`;
}

/** A rule that only warned is a new one when it denies: writes from before made no claim. */
function warning({ enforcement }: Pick<Nameless, 'enforcement'>): readonly string[] {
  return enforcement ? [`enforcement=${enforcement}`] : [];
}

type Levels = Pick<RepositoryRule, 'minimumAccessLevelForPush' | 'minimumAccessLevelForDelete'>;

function levelsOf(levels: Levels & Pick<ProtectedTagRule, 'minimumAccessLevelForCreate'>): string {
  const { minimumAccessLevelForCreate, minimumAccessLevelForPush, minimumAccessLevelForDelete } = levels;
  const create = minimumAccessLevelForCreate && `create=${minimumAccessLevelForCreate}`;
  const push = minimumAccessLevelForPush && `push=${minimumAccessLevelForPush}`;
  const deletion = minimumAccessLevelForDelete && `delete=${minimumAccessLevelForDelete}`;
  return [create, push, deletion].filter((level) => level !== undefined).join(' ');
}

/** Spaces and what is not printable as RE2 writes them: a content is one line, and its words are told apart. */
function visible(pattern: string): string {
  return pattern.replace(
    /[^\x21-\x7e]/gu,
    (character) => `\\x{${character.codePointAt(0)?.toString(16) ?? ''}}`,
  );
}
