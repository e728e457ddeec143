import { stringify } from 'yaml';
import { parseRules } from '../rules.ts';
import { ecrItems, importEcr } from './ecr.ts';
import { gitlabItems, importGitlab, type Projects } from './gitlab.ts';
import { harborItems, importHarbor } from './harbor.ts';
import type { Imported, ImportedRule } from './imported.ts';

export const importSources = ['gitlab', 'harbor', 'ecr'] as const;
export type ImportSource = (typeof importSources)[number];

export interface ImportOptions {
  /** Absent: by what the document looks like. */
  readonly from?: ImportSource;
  readonly projects: Projects;
}

/** A rules file, and what is to be known of it; or why there is none. */
export type ImportOutcome =
  { readonly text: string; readonly notes: readonly string[] } | { readonly errors: readonly string[] };

/** Another registry's rules as a rules file that says the same, or every reason why not: never half of them. */
export function importRules(json: string, { from, projects }: ImportOptions): ImportOutcome {
  const document = readJson(json);
  if (document === undefined) return { errors: ['is no JSON'] };
  const source = from ?? guess(document);
  if (!source) return { errors: [`is nothing that is known; give --from ${importSources.join('|')}`] };
  const imported = importFrom(source, document, projects);
  if (imported.problems.length > 0) return { errors: imported.problems };
  const text = rulesText(imported);
  const parsed = parseRules(text);
  // What our own grammar refuses was no pattern of theirs either, or more than they say.
  if ('errors' in parsed) return { errors: parsed.errors.map((error) => `what it would become: ${error}`) };
  return { text, notes: imported.notes };
}

function importFrom(source: ImportSource, document: unknown, projects: Projects): Imported {
  switch (source) {
    case 'gitlab':
      return importGitlab(document, projects);
    case 'harbor':
      return importHarbor(document, projects.get(undefined));
    case 'ecr':
      return importEcr(document);
  }
}

function readJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function guess(document: unknown): ImportSource | undefined {
  const has = (items: readonly object[], ...keys: readonly string[]): boolean =>
    items.some((item) => keys.some((key) => key in item));
  if (has(ecrItems(document), 'imageTagMutability', 'repositoryArn')) return 'ecr';
  if (has(harborItems(document), 'tag_selectors', 'scope_selectors')) return 'harbor';
  const gitlabs = ['repository_path_pattern', 'tag_name_pattern', 'container_path'];
  return has(gitlabItems(document), ...gitlabs) ? 'gitlab' : undefined;
}

function rulesText({ rules, notes }: Imported): string {
  const lines = notes.map((note) => `# ${note.replace(/[^\x20-\x7e]/g, '?')}`);
  const taken = new Set<string>();
  for (const list of ['repository_rules', 'tag_rules'] as const) {
    const own = rules.filter((rule) => rule.list === list);
    if (own.length > 0) lines.push(`${list}:`, ...own.flatMap((rule) => ruleLines(rule, taken)));
  }
  if (rules.length === 0) lines.push('tag_rules: []');
  return `${lines.join('\n')}\n`;
}

function ruleLines({ from, fields }: ImportedRule, taken: Set<string>): string[] {
  const entries = Object.entries({ id: freeId(from, taken), ...fields });
  return [
    `  # ${from}`,
    ...entries.map(([key, value], at) => `  ${at === 0 ? '-' : ' '} ${key}: ${scalar(value)}`),
  ];
}

const idLimit = 55;

/** As `gitlab-tag-rule-7`, and `gitlab-tag-rule-7-2` for the second rule that came of it. */
function freeId(from: string, taken: Set<string>): string {
  const words = from.replace("'s ", ' ').replace(/[^A-Za-z0-9._]+/g, '-');
  const id = words.toLowerCase().slice(0, idLimit);
  let free = id;
  for (let count = 2; taken.has(free); count += 1) free = `${id}-${count}`;
  taken.add(free);
  return free;
}

function scalar(value: string | boolean): string {
  return stringify(value, { lineWidth: 0 }).trimEnd();
}
