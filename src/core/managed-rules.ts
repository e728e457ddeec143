import {
  ChangeRefused,
  repositoryRuleOf,
  tagRuleOf,
  type Levels,
  type RepositoryRuleInput,
  type TagRuleInput,
} from './managed-input.ts';
import { isRepository } from './reference.ts';
import type {
  ImmutableTagRule,
  Managed,
  ManagedRegistry,
  Project,
  ProtectedTagRule,
  RepositoryRule,
  RuleSet,
  TagRule,
} from './rule.ts';

export type ManagedRepositoryRule = RepositoryRule & { readonly managed: Managed };
export type ManagedTagRule = (ProtectedTagRule | ImmutableTagRule) & { readonly managed: Managed };

/** What the management API keeps: one value, which changes as a whole. */
export interface ManagedState extends ManagedRegistry {
  readonly repositoryRules: readonly ManagedRepositoryRule[];
  readonly tagRules: readonly ManagedTagRule[];
}

/** Rules that are made through the management API, durable, and shared by all replicas. */
export interface ManagedRules {
  /** @throws StoreAway where nobody can say what is there now */
  state(): Promise<ManagedState>;
  /**
   * Puts in force what `edit` makes of what is there: here when this resolves, on other replicas within a second.
   * `edit` is called again where another change came between; what it throws is thrown, and changes nothing.
   * @throws StoreAway also where the change may have been made
   */
  change(edit: (state: ManagedState) => ManagedState): Promise<ManagedState>;
}

/** A rule, or a project, that is not there; or not the asker's. */
export class NotManaged extends Error {
  override readonly name = 'NotManaged';
}

export const nothingManaged: ManagedState = {
  projects: [],
  nextNumber: 1,
  repositoryRules: [],
  tagRules: [],
};

/** Ids that the rules of a file may not have. */
export const managedIdGrammar = /^managed-\d+$/;

export function managedStateOf({ repositoryRules, tagRules, registry }: RuleSet): ManagedState {
  return {
    ...(registry ?? { projects: [], nextNumber: 1 }),
    repositoryRules: repositoryRules.filter((rule): rule is ManagedRepositoryRule => isManaged(rule)),
    tagRules: tagRules.filter((rule): rule is ManagedTagRule => isManaged(rule)),
  };
}

/** The rules of others, and beside them these. */
export function withManaged(rules: RuleSet, state: ManagedState): RuleSet {
  const { projects, nextNumber, repositoryRules, tagRules } = state;
  const others = withoutManaged(rules);
  return {
    ...others,
    repositoryRules: [...others.repositoryRules, ...repositoryRules],
    tagRules: [...others.tagRules, ...tagRules],
    ...((projects.length > 0 || nextNumber > 1) && { registry: { projects, nextNumber } }),
  };
}

/** What an operator's own file says of these rules. */
export function withoutManaged({ version, repositoryRules, tagRules, members }: RuleSet): RuleSet {
  return {
    ...{ version, members },
    repositoryRules: repositoryRules.filter((rule) => !isManaged(rule)),
    tagRules: tagRules.filter((rule) => !isManaged(rule)),
  };
}

function isManaged(rule: RepositoryRule | TagRule): boolean {
  return rule.managed !== undefined;
}

/** The project of a path; without a number as long as it has no rules. */
export function projectAt(state: ManagedState, path: string): Project | undefined {
  return state.projects.find((project) => project.path === path.toLowerCase());
}

/** @returns the state with the rule, and the rule @throws ChangeRefused */
export function addRepositoryRule(
  state: ManagedState,
  projectPath: string,
  input: RepositoryRuleInput,
): readonly [ManagedState, ManagedRepositoryRule] {
  const [registered, managed] = register(state, projectPath);
  const rule = repositoryRuleOf(registered, managed, input);
  return [{ ...registered, repositoryRules: [...registered.repositoryRules, rule] }, rule];
}

/** @throws ChangeRefused, NotManaged */
export function changeRepositoryRule(
  state: ManagedState,
  projectPath: string,
  number: number,
  input: RepositoryRuleInput,
): readonly [ManagedState, ManagedRepositoryRule] {
  const before = findRule(state.repositoryRules, projectPath, number);
  const rule = repositoryRuleOf(state, before.managed, {
    repositoryPathPattern: before.repositories.source,
    ...levelsOf(before),
    ...enforcementOf(before),
    ...input,
  });
  return [{ ...state, repositoryRules: replaced(state.repositoryRules, rule) }, rule];
}

/** @throws NotManaged */
export function removeRepositoryRule(
  state: ManagedState,
  projectPath: string,
  number: number,
): readonly [ManagedState, ManagedRepositoryRule] {
  const rule = findRule(state.repositoryRules, projectPath, number);
  return [{ ...state, repositoryRules: state.repositoryRules.filter((other) => other !== rule) }, rule];
}

/** @returns the state with the rule, and the rule @throws ChangeRefused */
export function addTagRule(
  state: ManagedState,
  projectPath: string,
  input: TagRuleInput,
): readonly [ManagedState, ManagedTagRule] {
  const [registered, managed] = register(state, projectPath);
  const rule = tagRuleOf(registered, managed, input);
  return [{ ...registered, tagRules: [...registered.tagRules, rule] }, rule];
}

/**
 * Levels and `immutable` exclude each other: whichever is given makes the other go, where that is not given too.
 * @throws ChangeRefused, NotManaged
 */
export function changeTagRule(
  state: ManagedState,
  projectPath: string,
  number: number,
  input: TagRuleInput,
): readonly [ManagedState, ManagedTagRule] {
  const before = findRule(state.tagRules, projectPath, number);
  const kept = input.immutable === true ? {} : levelsOf(before);
  const rule = tagRuleOf(state, before.managed, {
    tagNamePattern: before.tags.source,
    ...kept,
    ...enforcementOf(before),
    ...input,
  });
  return [{ ...state, tagRules: replaced(state.tagRules, rule) }, rule];
}

/** @throws NotManaged */
export function removeTagRule(
  state: ManagedState,
  projectPath: string,
  number: number,
): readonly [ManagedState, ManagedTagRule] {
  const rule = findRule(state.tagRules, projectPath, number);
  return [{ ...state, tagRules: state.tagRules.filter((other) => other !== rule) }, rule];
}

/** The next number, and the project with one of its own. @throws ChangeRefused */
function register(state: ManagedState, projectPath: string): readonly [ManagedState, Managed] {
  const path = projectPath.toLowerCase();
  if (!isRepository(path)) throw new ChangeRefused(['Project path is invalid']);
  const managed = { number: state.nextNumber, project: path };
  const next = { ...state, nextNumber: state.nextNumber + 1 };
  if (projectAt(state, path)) return [next, managed];
  const number = Math.max(0, ...state.projects.map((project) => project.number)) + 1;
  return [{ ...next, projects: [...state.projects, { number, path }] }, managed];
}

function findRule<Rule extends { readonly managed: Managed }>(
  rules: readonly Rule[],
  projectPath: string,
  number: number,
): Rule {
  const path = projectPath.toLowerCase();
  const rule = rules.find(({ managed }) => managed.number === number && managed.project === path);
  if (rule) return rule;
  throw new NotManaged(`project ${path} has no rule ${number}`);
}

function replaced<Rule extends { readonly managed: Managed }>(
  rules: readonly Rule[],
  rule: Rule,
): readonly Rule[] {
  return rules.map((other) => (other.managed.number === rule.managed.number ? rule : other));
}

function levelsOf(rule: RepositoryRule | TagRule): Levels {
  if ('kind' in rule && rule.kind === 'immutable') return {};
  const { minimumAccessLevelForPush: push, minimumAccessLevelForDelete: deletion } = rule;
  return {
    ...(push && { minimumAccessLevelForPush: push }),
    ...(deletion && { minimumAccessLevelForDelete: deletion }),
  };
}

function enforcementOf({ enforcement }: RepositoryRule | TagRule): Pick<TagRuleInput, 'enforcement'> {
  return enforcement ? { enforcement } : {};
}
