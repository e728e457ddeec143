import { isRepository, type Repository } from '../../core/reference.ts';
import { GraphqlRefusal } from './graphql-failures.ts';

/** GitLab's models, as its global ids name them. */
export type Model =
  | 'Project'
  | 'ContainerRepository'
  | 'ContainerRegistry::Protection::Rule'
  | 'ContainerRegistry::Protection::TagRule';

/** @param id a number, or a path: where GitLab numbers repositories and projects, a path is all that we have */
export function globalId(model: Model, id: number | string): string {
  return `gid://gitlab/${model}/${encodeURIComponent(id)}`;
}

/** @throws GraphqlRefusal */
export function repositoryIn(text: string): Repository {
  const repository = decoded(idIn(text, 'ContainerRepository'));
  if (repository !== undefined && isRepository(repository)) return repository;
  throw notAn('ContainerRepository', text);
}

/** @throws GraphqlRefusal */
export function ruleNumberIn(text: string, model: Model): number {
  const id = idIn(text, model);
  if (/^\d{1,15}$/.test(id)) return Number(id);
  throw notAn(model, text);
}

function idIn(text: string, model: Model): string {
  const prefix = globalId(model, '');
  if (text.startsWith(prefix)) return text.slice(prefix.length);
  throw notAn(model, text);
}

function decoded(text: string): string | undefined {
  // One spelling: a slash that is not encoded would begin something else.
  if (text.includes('/')) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function notAn(model: Model, text: string): GraphqlRefusal {
  return new GraphqlRefusal(`"${text}" does not represent an instance of ${model}`);
}

/** As GitLab's clients name the types of ids in their queries: here all of them are `ID`. */
export const idTypes: ReadonlySet<string> = new Set([
  'ContainerRepositoryID',
  'ContainerRegistryProtectionRuleID',
  'ContainerRegistryProtectionTagRuleID',
]);
