import type { Static, TSchema } from 'typebox';
import type { RepositoryRuleInput, TagRuleInput } from '../../core/managed-input.ts';
import {
  addRepositoryRule,
  addTagRule,
  changeRepositoryRule,
  changeTagRule,
  removeRepositoryRule,
  removeTagRule,
  type ManagedRepositoryRule,
  type ManagedState,
  type ManagedTagRule,
} from '../../core/managed-rules.ts';
import type { Managed } from '../../core/rule.ts';
import { ApiRefusal } from './refusals.ts';
import { repositoryRuleInput, tagRuleInput } from './rule-input.ts';
import {
  changedRepositoryRule,
  changedTagRule,
  newRepositoryRule,
  newTagRule,
  repositoryRuleObject,
  showRepositoryRule,
  showTagRule,
  tagRuleObject,
  type RepositoryRuleObject,
  type TagRuleObject,
} from './rule-objects.ts';

type Edited<Rule> = readonly [ManagedState, Rule];

/** All that makes the one kind of rules another than the other. */
export interface RuleKind<Input, Rule extends { readonly managed: Managed }, Shown> {
  readonly name: 'repository' | 'tag';
  /** For readers. */
  readonly title: string;
  readonly schemas: { readonly made: TSchema; readonly changed: TSchema; readonly shown: TSchema };
  /** Of bodies that the schemas let pass. @throws ApiRefusal */
  madeFrom(body: unknown): Input;
  changedFrom(body: unknown): Input;
  /** What GitLab's two services answer differently: the body of a 422 to a new rule. */
  readonly refusesInPlain: boolean;
  rulesOf(state: ManagedState): readonly Rule[];
  add(state: ManagedState, project: string, input: Input): Edited<Rule>;
  change(state: ManagedState, project: string, number: number, input: Input): Edited<Rule>;
  remove(state: ManagedState, project: string, number: number): Edited<Rule>;
  show(state: ManagedState, rule: Rule): Shown;
}

/** What rules of files may have, and those of the API cannot: to ignore it would make another rule than was asked for. */
const namesOfFiles = [
  'immutable_after',
  'minimum_access_level_for_create',
  'referrers',
  'tag_name_exclude_pattern',
  'tombstone',
];

/** @throws ApiRefusal */
function refuseNamesOfFiles(body: unknown): void {
  const name = namesOfFiles.find((name) => Object.hasOwn(body as object, name));
  if (name !== undefined) throw new ApiRefusal(400, { error: `${name} is for rules of a file alone` });
}

const levelNames = ['minimum_access_level_for_push', 'minimum_access_level_for_delete'] as const;

export const repositoryRules: RuleKind<RepositoryRuleInput, ManagedRepositoryRule, RepositoryRuleObject> = {
  name: 'repository',
  title: 'container repository protection rule',
  schemas: { made: newRepositoryRule, changed: changedRepositoryRule, shown: repositoryRuleObject },
  madeFrom: (body) => {
    const given = body as Static<typeof newRepositoryRule>;
    if (levelNames.every((name) => given[name] === undefined)) {
      const error = `${levelNames.join(', ')} are missing, at least one parameter must be provided`;
      throw new ApiRefusal(400, { error });
    }
    return repositoryRuleInput(given);
  },
  changedFrom: (body) => repositoryRuleInput(body as Static<typeof changedRepositoryRule>),
  refusesInPlain: false,
  rulesOf: (state) => state.repositoryRules,
  add: addRepositoryRule,
  change: changeRepositoryRule,
  remove: removeRepositoryRule,
  show: showRepositoryRule,
};

export const tagRules: RuleKind<TagRuleInput, ManagedTagRule, TagRuleObject> = {
  name: 'tag',
  title: 'container registry protection tag rule',
  schemas: { made: newTagRule, changed: changedTagRule, shown: tagRuleObject },
  madeFrom: (body) => {
    refuseNamesOfFiles(body);
    return tagRuleInput(body as Static<typeof newTagRule>);
  },
  changedFrom: (body) => {
    refuseNamesOfFiles(body);
    return tagRuleInput(body as Static<typeof changedTagRule>);
  },
  refusesInPlain: true,
  rulesOf: (state) => state.tagRules,
  add: addTagRule,
  change: changeTagRule,
  remove: removeTagRule,
  show: showTagRule,
};
