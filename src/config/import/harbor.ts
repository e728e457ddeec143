import { doublestarToPaths, doublestarToRe2 } from './glob.ts';
import { importEach, Inexpressible, isRecord, textIn, type Imported, type Json } from './imported.ts';

/** Answers of `GET /projects/{project}/immutabletagrules`: its patterns are for the repositories below the project. */
export function importHarbor(document: unknown, project: string | undefined): Imported {
  return importEach(harborItems(document), nameOf, (item, name) => convert(item, name, project));
}

export function harborItems(document: unknown): readonly Json[] {
  return Array.isArray(document) ? document.filter(isRecord) : [];
}

function nameOf({ id }: Json, index: number): string {
  return `Harbor's rule ${typeof id === 'number' ? id : index + 1}`;
}

function convert(item: Json, name: string, project: string | undefined): Partial<Imported> {
  if (item.disabled === true) return { notes: [`${name}: is disabled, and left out`] };
  const { action = 'immutable', scope_selectors: scopes } = item;
  if (action !== 'immutable') throw new Inexpressible(`is for ${String(action)}, and not immutable`);
  if (project === undefined) throw new Inexpressible('is for one project; give --project NAME');
  const repositories = selectorOf(isRecord(scopes) ? scopes.repository : undefined, 'repository');
  if (repositories.decoration !== 'repoMatches') {
    throw new Inexpressible(
      `leaves repositories out (${repositories.pattern}), which no rule can; name those that it is for`,
    );
  }
  const tags = selectorOf(item.tag_selectors, 'tag');
  const re2 = `^(?:${doublestarToRe2(tags.pattern)})$`;
  const selection =
    tags.decoration === 'excludes'
      ? { tag_name_pattern: '.*', tag_name_exclude_pattern: re2 }
      : { tag_name_pattern: re2 };
  const paths = doublestarToPaths(repositories.pattern, project);
  return {
    rules: paths.map((path) => ({
      list: 'tag_rules' as const,
      from: name,
      fields: { repository_path_pattern: path, ...selection, immutable: true },
    })),
  };
}

interface Selector {
  readonly decoration: string;
  readonly pattern: string;
}

const decorations = { repository: ['repoMatches', 'repoExcludes'], tag: ['matches', 'excludes'] } as const;

/** Of several Harbor reads the first, and forgets the others: whoever wrote them meant them. */
function selectorOf(selectors: unknown, what: keyof typeof decorations): Selector {
  const [selector, ...others] = Array.isArray(selectors) ? (selectors as unknown[]) : [];
  if (!isRecord(selector)) throw new Inexpressible(`has no ${what} selector, and so does nothing`);
  if (others.length > 0) throw new Inexpressible(`has several ${what} selectors, of which Harbor reads one`);
  const { kind = 'doublestar', decoration } = selector;
  if (kind !== 'doublestar')
    throw new Inexpressible(`its ${what} selector is ${String(kind)}, not doublestar`);
  const known = decorations[what].find((name) => name === decoration);
  if (!known) throw new Inexpressible(`its ${what} selector has the decoration ${String(decoration)}`);
  return { decoration: known, pattern: textIn(selector, 'pattern') ?? '' };
}
