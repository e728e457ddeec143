import { meets, type AccessLevel } from './access-level.ts';
import type { Access } from './access.ts';
import { judgeRepository, minimumFor } from './judge-levels.ts';
import { isRepository, type Repository } from './reference.ts';
import {
  accessLevelEverywhere,
  accessLevelIn,
  tagRulesIn,
  type Caller,
  type RuleSet,
  type TagRule,
} from './rule.ts';
import type { Stop } from './verdict.ts';

/** One entry of a token's `access`, with GitLab's `meta`. */
export interface GrantedEntry extends Access {
  readonly meta?: TokenMeta;
}

export interface TokenMeta {
  /** In lower case, as GitLab's. */
  readonly project_path: string;
  /** A list for each granted action, empty: unrestricted; absent where there are no tag rules. */
  readonly tag_deny_access_patterns?: {
    readonly push?: readonly string[];
    readonly delete?: readonly string[];
  };
  /** Absent where nothing that changes a tag is granted. */
  readonly tag_immutable_patterns?: readonly string[];
}

/** From which level an action may be done, as GitLab has it; rules may ask for more. */
const levelFor: Readonly<Record<string, AccessLevel>> = {
  pull: 'reporter',
  push: 'developer',
  delete: 'maintainer',
  '*': 'maintainer',
};
const catalogLevel: AccessLevel = 'admin';

/** What is granted of what was asked for: requested ∩ allowed. What is unknown or not allowed is no error, it is absent. */
export function grant(rules: RuleSet, requested: readonly Access[], caller: Caller): readonly GrantedEntry[] {
  return requested.flatMap((access) => {
    if (access.type === 'registry' && access.name === 'catalog' && access.actions.includes('*')) {
      return meets(accessLevelEverywhere(rules, caller), catalogLevel) ? [{ ...access, actions: ['*'] }] : [];
    }
    const { type, name, actions } = access;
    return type === 'repository' && isRepository(name) ? grantInRepository(rules, name, actions, caller) : [];
  });
}

function grantInRepository(
  rules: RuleSet,
  repository: Repository,
  requested: readonly string[],
  caller: Caller,
): readonly GrantedEntry[] {
  const level = accessLevelIn(rules, repository, caller);
  const actions = requested.filter((action) => {
    const needed = levelFor[action];
    return needed !== undefined && meets(level, needed);
  });
  if (actions.length === 0) return [];
  return [{ type: 'repository', name: repository, actions, meta: metaOf(rules, repository, actions, level) }];
}

function metaOf(
  rules: RuleSet,
  repository: Repository,
  actions: readonly string[],
  level: AccessLevel,
): TokenMeta {
  const covering = tagRulesIn(rules, repository);
  const isProtected = covering.some((rule) => rule.kind === 'protected');
  const immutable = covering.filter((rule) => rule.kind === 'immutable').filter(isExpressible);
  const grants = (action: string): boolean => actions.includes(action) || actions.includes('*');
  const denied = (action: 'push' | 'delete'): readonly string[] =>
    covering
      .filter((rule) => isDenied(rule, action, level))
      .filter(isExpressible)
      .map((rule) => rule.tags.source);
  return {
    project_path: repository.toLowerCase(),
    ...(isProtected && {
      tag_deny_access_patterns: {
        ...(grants('push') && { push: denied('push') }),
        ...(grants('delete') && { delete: denied('delete') }),
      },
    }),
    ...(immutable.length > 0 &&
      (grants('push') || grants('delete')) && {
        tag_immutable_patterns: immutable.map((rule) => rule.tags.source),
      }),
  };
}

function isDenied(rule: TagRule, action: 'push' | 'delete', level: AccessLevel): boolean {
  const minimum = minimumFor(rule, action);
  return minimum !== undefined && !meets(level, minimum);
}

/** GitLab's patterns know no exclusion and no time: one would be denied there that the rule allows. The door judges those itself. */
function isExpressible(rule: TagRule): boolean {
  const mayMove = rule.kind === 'immutable' && rule.immutableAfterMs !== undefined;
  return rule.excludedTags === undefined && !mayMove;
}

/** The refusal of a push scope on a repository that is protected against the caller: before a byte is sent. */
export function refuseAtToken(rules: RuleSet, granted: readonly Access[], caller: Caller): Stop | undefined {
  return granted
    .filter(
      ({ type, actions }) => type === 'repository' && (actions.includes('push') || actions.includes('*')),
    )
    .map(({ name }) => (isRepository(name) ? judgeRepository(rules, name, caller, 'push') : undefined))
    .find((stop) => stop !== undefined);
}
