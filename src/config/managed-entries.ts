import { Document, Scalar, YAMLSeq } from 'yaml';
import type { ManagedState } from '../core/managed-rules.ts';
import type { Project, ProtectedTagRule, RepositoryRule, TagRule } from '../core/rule.ts';
import { contentOf } from './rule-content.ts';

/** What an entry of a list says, by the keys of the file. */
export type Words = Readonly<Record<string, string | number | true>>;
export const listNames = ['projects', 'repository_rules', 'tag_rules'] as const;
export type Lists = Readonly<Record<(typeof listNames)[number], readonly Words[]>>;

type Levels = Pick<ProtectedTagRule, 'minimumAccessLevelForPush' | 'minimumAccessLevelForDelete'>;

/** As an item of a list in block style. */
export function itemLines(words: Words, indent: string): string {
  const lines = Object.entries(words).map(([name, word]) => `${indent}  ${name}: ${scalarText(word)}\n`);
  return lines.join('').replace(`${indent}  `, `${indent}- `);
}

export function flowText(words: Words): string {
  return `{ ${Object.entries(words)
    .map(([name, word]) => `${name}: ${scalarText(word)}`)
    .join(', ')} }`;
}

/** On one line, and good in both styles. */
export function scalarText(word: string | number | true): string {
  const list = new YAMLSeq();
  list.flow = true;
  list.items.push(new Scalar(word));
  const form = { lineWidth: 0, blockQuote: false, singleQuote: true, flowCollectionPadding: false } as const;
  const text = new Document(list).toString(form);
  return text.trim().slice(1, -1);
}

/** Whatever the order. */
export function saysTheSame(one: ManagedState, other: ManagedState): boolean {
  return inOneOrder(one) === inOneOrder(other);
}

function inOneOrder(state: ManagedState): string {
  const lists = Object.values(listsOf(state)).map((list) =>
    [...list].sort((one, other) => Number(one.number) - Number(other.number)),
  );
  // Also what a rule says that the file has no word for.
  const rules = [...state.repositoryRules, ...state.tagRules];
  const contents = rules.map((rule) => `${rule.managed.number} ${contentOf(rule)}`).sort();
  return JSON.stringify([state.nextNumber, lists, contents]);
}

/** The lists of the file. */
export function listsOf({ projects, repositoryRules, tagRules }: ManagedState): Lists {
  return {
    projects: projects.map(({ number, path }: Project) => ({ number, path })),
    repository_rules: repositoryRules.map((rule) => ({
      ...ownerOf(rule),
      repository_path_pattern: rule.repositories.source,
      ...restOf(rule),
    })),
    tag_rules: tagRules.map((rule) => ({
      ...ownerOf(rule),
      tag_name_pattern: rule.tags.source,
      ...restOf(rule),
    })),
  };
}

function ownerOf({ managed }: RepositoryRule | TagRule): Words {
  return managed ? { ...managed } : {};
}

function restOf(rule: RepositoryRule | TagRule): Words {
  return {
    ...('kind' in rule && rule.kind === 'immutable' ? { immutable: true as const } : levelsOf(rule)),
    ...(rule.enforcement && { enforcement: rule.enforcement }),
  };
}

function levelsOf({ minimumAccessLevelForPush: push, minimumAccessLevelForDelete: deletion }: Levels): Words {
  return {
    ...(push && { minimum_access_level_for_push: push }),
    ...(deletion && { minimum_access_level_for_delete: deletion }),
  };
}
