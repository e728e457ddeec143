import { wildcardToRe2 } from './glob.ts';
import { importEach, Inexpressible, isRecord, textIn, type Imported, type Json } from './imported.ts';

/** Answers of `describe-repositories`, and of `describe-repository-creation-templates`. */
export function importEcr(document: unknown): Imported {
  return importEach(ecrItems(document), nameOf, convert);
}

export function ecrItems(document: unknown): readonly Json[] {
  const lists = isRecord(document)
    ? [document.repositories, document.repositoryCreationTemplates]
    : [document];
  return lists.flatMap((list) => (Array.isArray(list) ? list.filter(isRecord) : []));
}

function nameOf({ repositoryName, prefix }: Json, index: number): string {
  if (typeof repositoryName === 'string') return `ECR's repository ${repositoryName}`;
  return typeof prefix === 'string' ? `ECR's template ${prefix}` : `ECR's repository ${index + 1}`;
}

const deletable = 'ECR lets an immutable tag be deleted, and pushed again; here nobody deletes it';

function convert(item: Json, name: string): Partial<Imported> {
  const where = whereOf(item);
  const mutability = textIn(item, 'imageTagMutability') ?? 'MUTABLE';
  const filters = filtersOf(item).map(wildcardToRe2);
  const some = `^(?:${filters.join('|')})$`;
  const rule = (fields: Json & Readonly<Record<string, string>>): Partial<Imported> => ({
    rules: [{ list: 'tag_rules', from: name, fields: { ...where, ...fields, immutable: true } }],
    notes: [`${name}: ${deletable}`],
  });
  switch (mutability) {
    case 'MUTABLE':
      return { notes: [`${name}: its tags may change, and so it needs no rule`] };
    case 'IMMUTABLE':
      return rule({ tag_name_pattern: '.*' });
    case 'IMMUTABLE_WITH_EXCLUSION':
      if (filters.length === 0) return rule({ tag_name_pattern: '.*' });
      return rule({ tag_name_pattern: '.*', tag_name_exclude_pattern: some });
    case 'MUTABLE_WITH_EXCLUSION':
      if (filters.length === 0) return { notes: [`${name}: its tags may change, and so it needs no rule`] };
      return rule({ tag_name_pattern: some });
    default:
      throw new Inexpressible(`its imageTagMutability ${mutability} is not known`);
  }
}

function whereOf(item: Json): Readonly<Record<string, string>> {
  const repository = textIn(item, 'repositoryName');
  if (repository !== undefined) return { repository_path_pattern: repository };
  const prefix = textIn(item, 'prefix');
  if (prefix === undefined) throw new Inexpressible('has neither repositoryName nor prefix');
  return prefix === 'ROOT' ? {} : { repository_path_pattern: `${prefix}/*` };
}

function filtersOf(item: Json): readonly string[] {
  const filters = item.imageTagMutabilityExclusionFilters ?? [];
  if (!Array.isArray(filters)) throw new Inexpressible('its imageTagMutabilityExclusionFilters are no list');
  return filters.map((filter: unknown) => {
    if (!isRecord(filter) || filter.filterType !== 'WILDCARD')
      throw new Inexpressible('has a filter that is no WILDCARD');
    const text = textIn(filter, 'filter');
    if (text === undefined) throw new Inexpressible('has an empty filter');
    return text;
  });
}
