import { createHash } from 'node:crypto';
import {
  ChangeRefused,
  managedLevels,
  repositoryRuleOf,
  tagRuleOf,
  type Levels,
} from '../core/managed-input.ts';
import {
  withManaged,
  type ManagedRepositoryRule,
  type ManagedState,
  type ManagedTagRule,
} from '../core/managed-rules.ts';
import { isRepository } from '../core/reference.ts';
import { noRules, type Managed, type Project } from '../core/rule.ts';
import { Invalid } from './complaints.ts';
import { readDocument } from './document.ts';
import type { Entry, Fields } from './entry.ts';
import { required } from './rule-entries.ts';
import { rulesSizeLimitBytes, type ParsedRules } from './rules.ts';

/**
 * Reads the file that the management API keeps its rules in: all of it, or every error as `parseRules` tells it. What
 * the API would refuse to make is refused here too, for it could not change it either.
 */
export function parseManagedRules(text: string): ParsedRules {
  if (Buffer.byteLength(text) > rulesSizeLimitBytes) return { errors: ['1:1 larger than 16 MiB'] };
  const outcome = readDocument(text, (root) => readState(root, text));
  if ('errors' in outcome) return outcome;
  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { rules: withManaged({ ...noRules, version }, outcome.value) };
}

function readState(root: Entry, text: string): ManagedState | undefined {
  // As in a rules file: half a line may make sense.
  if (!text.endsWith('\n')) root.complain('the last line needs a line break at its end', text.length);
  const fields = root.fields(['next_number', 'projects', 'repository_rules', 'tag_rules']);
  if (!fields) return undefined;
  const nextNumber = required(root, fields, 'next_number')?.parse(wholeNumber, 'number');
  const registry = new Registry(nextNumber ?? Infinity, readProjects(fields.get('projects')));
  const repositoryRules: ManagedRepositoryRule[] = [];
  const tagRules: ManagedTagRule[] = [];
  const { projects } = registry;
  const state: ManagedState = { projects, nextNumber: nextNumber ?? 1, repositoryRules, tagRules };
  for (const entry of fields.get('repository_rules')?.items() ?? []) {
    const rule = readRepositoryRule(entry, registry, state);
    if (rule) repositoryRules.push(rule);
  }
  for (const entry of fields.get('tag_rules')?.items() ?? []) {
    const rule = readTagRule(entry, registry, state);
    if (rule) tagRules.push(rule);
  }
  return state;
}

function readProjects(list: Entry | undefined): readonly Project[] {
  const numbers = new Taken<number>();
  const paths = new Taken<string>();
  return (list?.items() ?? []).flatMap((entry) => {
    const fields = entry.fields(['number', 'path']);
    if (!fields) return [];
    const number = numbers.take(entry, required(entry, fields, 'number'), wholeNumber, 'number');
    const path = paths.take(entry, required(entry, fields, 'path'), projectPath);
    return number === undefined || path === undefined ? [] : [{ number, path }];
  });
}

/** What is given once in a file. */
class Taken<Value> {
  readonly #places = new Map<Value, string>();

  /** @param owner what is called by it */
  take(
    owner: Entry,
    entry: Entry | undefined,
    parse: (text: string) => Value,
    type: 'string' | 'number' = 'string',
  ): Value | undefined {
    const value = entry?.parse(parse, type);
    if (value === undefined) return undefined;
    const place = this.#places.get(value);
    if (place === undefined) this.#places.set(value, owner.place);
    else entry?.complain(`${String(value)} is that of ${place} already; give each its own`);
    return value;
  }
}

/** Which rules there are, and whose. */
class Registry {
  readonly projects: readonly Project[];
  readonly #nextNumber: number;
  readonly #numbers = new Taken<number>();

  constructor(nextNumber: number, projects: readonly Project[]) {
    this.#nextNumber = nextNumber;
    this.projects = projects;
  }

  managed(entry: Entry, fields: Fields<'number' | 'project'>): Managed | undefined {
    const given = required(entry, fields, 'number');
    const number = this.#numbers.take(entry, given, wholeNumber, 'number');
    if (number !== undefined && number >= this.#nextNumber)
      given?.complain(
        `${number} must be below next_number, which is the number of the next rule; raise that`,
      );
    const whose = required(entry, fields, 'project');
    const project = whose?.parse(projectPath);
    if (project !== undefined && !this.projects.some(({ path }) => path === project))
      whose?.complain(`"${project}" is not among the projects; add it there`);
    return number === undefined || project === undefined ? undefined : { number, project };
  }
}

const rulingKeys = ['number', 'project', 'enforcement'] as const;
const levelKeys = ['minimum_access_level_for_push', 'minimum_access_level_for_delete'] as const;

function readRepositoryRule(
  entry: Entry,
  registry: Registry,
  state: ManagedState,
): ManagedRepositoryRule | undefined {
  const fields = entry.fields([...rulingKeys, 'repository_path_pattern', ...levelKeys]);
  if (!fields) return undefined;
  const managed = registry.managed(entry, fields);
  const pattern = required(entry, fields, 'repository_path_pattern');
  const source = pattern?.parse(String);
  const ruling = readRuling(fields);
  if (!pattern || !managed || !ruling || source === undefined) return undefined;
  return allowed(entry, pattern, () =>
    repositoryRuleOf(state, managed, { repositoryPathPattern: source, ...ruling }),
  );
}

function readTagRule(entry: Entry, registry: Registry, state: ManagedState): ManagedTagRule | undefined {
  const fields = entry.fields([...rulingKeys, 'tag_name_pattern', ...levelKeys, 'immutable']);
  if (!fields) return undefined;
  const managed = registry.managed(entry, fields);
  const pattern = required(entry, fields, 'tag_name_pattern');
  const source = pattern?.parse(String);
  const ruling = readRuling(fields);
  const flag = fields.get('immutable');
  const immutable = flag?.boolean();
  if (!flag && !levelKeys.some((key) => fields.has(key)))
    entry.complain(`restricts nothing; give immutable: true, or ${levelKeys.join(' and ')}`);
  if (!pattern || !managed || !ruling || source === undefined) return undefined;
  const effect = immutable === undefined ? ruling : { ...ruling, immutable };
  return allowed(entry, pattern, () => tagRuleOf(state, managed, { tagNamePattern: source, ...effect }));
}

/** Undefined where a level is none: what lacks it then is nothing to complain of. */
function readRuling(fields: Fields<(typeof levelKeys)[number] | 'enforcement'>) {
  const [push, deletion] = levelKeys.map((key) => fields.get(key)?.oneOf(managedLevels));
  const given = levelKeys.filter((key) => fields.has(key)).length;
  const levels: Levels = {
    ...(push && { minimumAccessLevelForPush: push }),
    ...(deletion && { minimumAccessLevelForDelete: deletion }),
  };
  const enforcement = fields.get('enforcement')?.oneOf(['deny', 'warn'] as const);
  const ruling = { ...levels, ...(enforcement && { enforcement }) };
  return Object.keys(levels).length === given ? ruling : undefined;
}

/** What the API makes, or its refusal as a complaint. */
function allowed<Rule>(entry: Entry, pattern: Entry, make: () => Rule): Rule | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error;
    for (const message of error.messages) {
      const about = /^(?:Repository path|Tag name) pattern /.test(message) ? pattern : entry;
      about.complain(`the management API would refuse it: ${message}; change it, or remove the rule`);
    }
    return undefined;
  }
}

function wholeNumber(text: string): number {
  const number = /^[1-9]\d*$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new Invalid(`must be a whole number from 1, not ${text}`);
}

function projectPath(text: string): string {
  if (text === text.toLowerCase() && isRepository(text)) return text;
  throw new Invalid('must be the path of a project in lower case, as flightjs or flightjs/team');
}
