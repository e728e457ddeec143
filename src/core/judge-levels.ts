import { meets, rankOf, type AccessLevel, type MinimumAccessLevel } from './access-level.ts';
import type { ErrorDetail } from './errors.ts';
import type { Repository, Tag } from './reference.ts';
import {
  accessLevelIn,
  repositoryRulesFor,
  tagRulesFor,
  type Caller,
  type RepositoryRule,
  type RuleSet,
  type TagRule,
} from './rule.ts';
import { denied, type Stop } from './verdict.ts';

export type Action = 'push' | 'delete';

export function minimumFor(rule: RepositoryRule | TagRule, action: Action): MinimumAccessLevel | undefined {
  if ('kind' in rule && rule.kind === 'immutable') return undefined;
  if (action === 'delete') return rule.minimumAccessLevelForDelete;
  // Who may make a tag may push; whether it is there is asked later.
  const create = 'kind' in rule ? rule.minimumAccessLevelForCreate : undefined;
  return create ?? rule.minimumAccessLevelForPush;
}

interface Unmet {
  readonly ruleIds: readonly string[];
  readonly ruleId: string;
  /** `needs maintainer, you have developer`, or `needs no_access, which nobody has`. */
  readonly because: string;
  readonly detail: ErrorDetail;
}

/** The strictest of the rules whose minimum the caller does not meet, in words. */
function strictestUnmet(
  matching: readonly (RepositoryRule | TagRule)[],
  action: Action,
  level: AccessLevel,
): Unmet | undefined {
  const unmet: { readonly id: string; readonly minimum: MinimumAccessLevel }[] = [];
  for (const rule of matching) {
    const minimum = minimumFor(rule, action);
    if (minimum !== undefined && !meets(level, minimum)) unmet.push({ id: rule.id, minimum });
  }
  unmet.sort((a, b) => (rankOf(b.minimum) > rankOf(a.minimum) ? 1 : -1));
  const strictest = unmet[0];
  if (!strictest) return undefined;
  const because =
    strictest.minimum === 'no_access'
      ? 'needs no_access, which nobody has'
      : `needs ${strictest.minimum}, you have ${level}`;
  return {
    ruleIds: unmet.map((rule) => rule.id),
    ruleId: strictest.id,
    because,
    detail: { rule: strictest.id, needs: strictest.minimum, has: level },
  };
}

export function judgeRepository(
  rules: RuleSet,
  repository: Repository,
  caller: Caller,
  action: Action,
): Stop | undefined {
  const matching = repositoryRulesFor(rules, repository);
  if (matching.length === 0) return undefined;
  const unmet = strictestUnmet(matching, action, accessLevelIn(rules, repository, caller));
  if (!unmet) return undefined;
  const what = action === 'push' ? `push to ${repository}` : `delete from ${repository}`;
  const message = `container protected; you are not allowed to ${what} (${unmet.because}; rule ${unmet.ruleId})`;
  return denied(unmet.ruleIds, message, { repository, ...unmet.detail });
}

export function judgeTag(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  caller: Caller,
  action: Action,
): Stop | undefined {
  const matching = tagRulesFor(rules, repository, tag);
  if (matching.length === 0) return undefined;
  const unmet = strictestUnmet(matching, action, accessLevelIn(rules, repository, caller));
  if (!unmet) return undefined;
  const verb = action === 'push' ? 'pushing' : 'deleting';
  const message = `tag protected; ${verb} ${repository}:${tag} ${unmet.because} (rule ${unmet.ruleId})`;
  return denied(unmet.ruleIds, message, { repository, tag, ...unmet.detail });
}
