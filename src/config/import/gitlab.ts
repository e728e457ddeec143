import { accessLevels, isAccessLevel, rankOf, type MinimumAccessLevel } from '../../core/access-level.ts';
import { wildcardToRe2 } from './glob.ts';
import {
  importEach,
  Inexpressible,
  isRecord,
  textIn,
  type Imported,
  type ImportedRule,
  type Json,
} from './imported.ts';
import { patternsWithin } from './within-project.ts';

/** The path of a project by its number; of the only one by nothing. */
export type Projects = ReadonlyMap<string | undefined, string>;

/** What GitLab's REST lists, of either kind and in either vocabulary; several lists may be put into one. */
export function importGitlab(document: unknown, projects: Projects): Imported {
  return importEach(gitlabItems(document), nameOf, (item, name) => ({
    rules: convert(item, name, projects),
  }));
}

export function gitlabItems(document: unknown): readonly Json[] {
  const lists = isRecord(document) ? Object.values(document) : [document];
  return lists.flatMap((list) => (Array.isArray(list) ? list.filter(isRecord) : []));
}

function nameOf(item: Json, index: number): string {
  const kind = 'tag_name_pattern' in item ? 'tag rule' : 'repository rule';
  return `GitLab's ${kind} ${typeof item.id === 'number' ? item.id : index + 1}`;
}

function convert(item: Json, from: string, projects: Projects): readonly ImportedRule[] {
  const project = projectOf(item, projects);
  if ('tag_name_pattern' in item) return tagRule(item, from, project);
  const pattern = textIn(item, 'repository_path_pattern') ?? textIn(item, 'container_path');
  if (pattern === undefined) throw new Inexpressible('has no pattern that is known');
  const levels = 'container_path' in item ? olderLevels(item) : levelsOf(item);
  if (Object.keys(levels).length === 0) throw new Inexpressible('restricts nothing');
  const paths = patternsWithin(project, pattern);
  if (paths.length === 0)
    throw new Inexpressible(
      `its pattern ${pattern} matches no repository of ${project}, and so it does nothing`,
    );
  const version = textIn(item, 'matching_package_version');
  const tags = version === undefined || /^\*+$/.test(version) ? undefined : `^${olderWildcard(version)}$`;
  return paths.map((path) => ({
    list: tags === undefined ? 'repository_rules' : 'tag_rules',
    from,
    fields: {
      repository_path_pattern: path,
      ...(tags !== undefined && { tag_name_pattern: tags }),
      ...levels,
    },
  }));
}

/** It is about every repository of its project. */
function tagRule(item: Json, from: string, project: string): readonly ImportedRule[] {
  const pattern = textIn(item, 'tag_name_pattern');
  if (pattern === undefined) throw new Inexpressible('has no tag_name_pattern');
  const levels = levelsOf(item);
  const given = Object.keys(levels).length;
  if (given === 1) throw new Inexpressible('has one level of two; GitLab knows both or none');
  if (given === 2 && item.immutable === true) throw new Inexpressible('is immutable, and has levels');
  const effect = given === 0 ? { immutable: true } : levels;
  return [project, `${project}/*`].map((path) => ({
    list: 'tag_rules',
    from,
    fields: { repository_path_pattern: path, tag_name_pattern: pattern, ...effect },
  }));
}

function projectOf({ project_id: id }: Json, projects: Projects): string {
  const number = typeof id === 'number' ? String(id) : undefined;
  const path = projects.get(number) ?? projects.get(undefined);
  if (path !== undefined) return path;
  const which = number === undefined ? '--project PATH' : `--project ${number}=PATH`;
  throw new Inexpressible(`is for one project, whose path it does not say; give ${which}`);
}

type LevelFields = Readonly<Record<string, MinimumAccessLevel>>;

function levelsOf(item: Json): LevelFields {
  const push = textIn(item, 'minimum_access_level_for_push');
  const deletion = textIn(item, 'minimum_access_level_for_delete');
  return {
    ...(push !== undefined && { minimum_access_level_for_push: minimumOf(push) }),
    ...(deletion !== undefined && { minimum_access_level_for_delete: minimumOf(deletion) }),
  };
}

function minimumOf(text: string): MinimumAccessLevel {
  const level = text.toLowerCase();
  if (isAccessLevel(level) || level === 'no_access') return level;
  throw new Inexpressible(`its level ${text} is not known`);
}

function olderLevels(item: Json): LevelFields {
  const push = textIn(item, 'push_protected_up_to_access_level');
  const deletion = textIn(item, 'delete_protected_up_to_access_level');
  return {
    ...(push !== undefined && { minimum_access_level_for_push: above(minimumOf(push)) }),
    ...(deletion !== undefined && { minimum_access_level_for_delete: above(minimumOf(deletion)) }),
  };
}

/** Everyone up to and including a level was kept out. */
function above(level: MinimumAccessLevel): MinimumAccessLevel {
  const levels = Object.keys(accessLevels).filter(isAccessLevel);
  return levels.find((other) => rankOf(other) > rankOf(level)) ?? 'no_access';
}

/** The older vocabulary knew one wildcard: what looks like more may mean something else. */
function olderWildcard(version: string): string {
  try {
    return wildcardToRe2(version);
  } catch (error) {
    if (!(error instanceof Inexpressible)) throw error;
    throw new Inexpressible(`its matching_package_version ${version} is no tag with optional wildcards (*)`);
  }
}
