import { importSources, type ImportSource } from './import/import-rules.ts';
import {
  instanceFlags,
  readArguments,
  readInstance,
  type ReadArguments,
  type ToldInstance,
} from './arguments.ts';

/** What `tagwarden rules` is told. */
export type RulesArguments =
  | {
      readonly command: 'import';
      readonly file: string;
      readonly from?: ImportSource;
      /** By number; of the only project by nothing. */
      readonly projects: ReadonlyMap<string | undefined, string>;
      readonly output?: string;
      readonly isForced: boolean;
    }
  | ({
      readonly command: 'list';
      readonly rulesFile?: string;
      readonly project?: string;
      readonly isJson: boolean;
    } & ToldInstance)
  | ({
      readonly command: 'add';
      readonly project: string;
      readonly kind: RuleKind;
      /** As the management API has it. */
      readonly rule: Readonly<Record<string, string | boolean>>;
      readonly isJson: boolean;
    } & ToldInstance)
  | ({
      readonly command: 'remove';
      readonly project: string;
      readonly kind: RuleKind;
      readonly number: number;
    } & ToldInstance);

export type RuleKind = 'repository' | 'tag';

const project = { placeholder: 'PATH', about: 'The project: a prefix of the paths of its repositories.' };
const json = { about: 'JSON in place of a table.' };

/** The flags of each command. */
export const rulesFlags = {
  list: {
    rules: { placeholder: 'FILE', about: 'A rules file, in place of a running Tagwarden.' },
    ...{ project, json },
    ...instanceFlags,
  },
  add: {
    project,
    repository: { placeholder: 'PATTERN', about: 'For the repositories whose path matches.' },
    tag: {
      placeholder: 'PATTERN',
      about: 'For the tags that match (RE2), in all repositories of the project.',
    },
    push: { placeholder: 'LEVEL', about: 'The level that a push needs.' },
    delete: { placeholder: 'LEVEL', about: 'The level that a delete needs.' },
    immutable: { about: 'Tags are created once, and never moved or deleted.' },
    warn: { about: 'The rule refuses nothing, and tells what it would refuse.' },
    json,
    ...instanceFlags,
  },
  remove: { project, ...instanceFlags },
  import: {
    from: { placeholder: importSources.join('|'), about: 'Whose rules they are; absent: by how they look.' },
    project: {
      placeholder: '[NUMBER=]PATH',
      about: "The path of the rules' project; with its number where there are several.",
      isRepeated: true,
    },
    output: { placeholder: 'FILE', about: 'Where the rules file is written; absent: standard output.' },
    force: { about: 'The file is written over, if it is there.' },
  },
} as const;

export type RulesCommand = keyof typeof rulesFlags;
export const rulesCommands = Object.keys(rulesFlags) as readonly RulesCommand[];

export type ToldRules = { readonly told: RulesArguments } | { readonly errors: readonly string[] };

/** @param argv what follows `rules` */
export function readRulesArguments([command, ...argv]: readonly string[]): ToldRules {
  switch (command) {
    case 'list':
      return readList(argv);
    case 'add':
      return readAdd(argv);
    case 'remove':
      return readRemove(argv);
    case 'import':
      return readImport(argv);
    default:
      return { errors: [`rules needs one of ${rulesCommands.join(', ')}`] };
  }
}

class Errors {
  readonly all: string[];

  constructor(read: ReadArguments<never>, words: number) {
    this.all = [...read.errors];
    for (const word of read.words.slice(words)) this.all.push(`argument "${word}": is one too many`);
    for (const flag of read.others.filter((text) => text.startsWith('--')))
      this.all.push(`flag ${flag}: unknown to this command`);
  }

  readonly add = (error: string): void => void this.all.push(error);

  or(told: RulesArguments): ToldRules {
    return this.all.length > 0 ? { errors: this.all } : { told };
  }
}

function readList(argv: readonly string[]): ToldRules {
  const read = readArguments(argv, rulesFlags.list);
  const errors = new Errors(read, 0);
  const instance = readInstance(read, errors.add);
  const rulesFile = read.valueOf('rules');
  const path = read.valueOf('project');
  if ((rulesFile === undefined) === (instance.instance === undefined))
    errors.add('rules list needs either --instance URL or --rules FILE');
  if (instance.instance !== undefined && path === undefined)
    errors.add('rules list --instance needs --project PATH');
  const isJson = read.has('json');
  return errors.or({
    ...{ command: 'list', isJson, ...instance },
    ...(rulesFile !== undefined && { rulesFile }),
    ...(path !== undefined && { project: path }),
  });
}

function readAdd(argv: readonly string[]): ToldRules {
  const read = readArguments(argv, rulesFlags.add);
  const errors = new Errors(read, 0);
  const instance = readInstance(read, errors.add);
  const path = needed(read, errors);
  const [repository, tag] = [read.valueOf('repository'), read.valueOf('tag')];
  if ((repository === undefined) === (tag === undefined))
    errors.add('rules add needs either --repository PATTERN or --tag PATTERN');
  if (read.has('immutable') && tag === undefined) errors.add('flag --immutable: is for --tag');
  const [push, deletion] = [read.valueOf('push'), read.valueOf('delete')];
  const rule = {
    ...(repository !== undefined && { repository_path_pattern: repository }),
    ...(tag !== undefined && { tag_name_pattern: tag }),
    ...(push !== undefined && { minimum_access_level_for_push: push }),
    ...(deletion !== undefined && { minimum_access_level_for_delete: deletion }),
    ...(read.has('immutable') && { immutable: true }),
    ...(read.has('warn') && { enforcement: 'warn' }),
  };
  const kind = tag === undefined ? 'repository' : 'tag';
  return errors.or({ command: 'add', project: path, kind, rule, isJson: read.has('json'), ...instance });
}

function readRemove(argv: readonly string[]): ToldRules {
  const read = readArguments(argv, rulesFlags.remove);
  const errors = new Errors(read, 2);
  const instance = readInstance(read, errors.add);
  const path = needed(read, errors);
  const [kind = '', number = ''] = read.words;
  if ((kind !== 'repository' && kind !== 'tag') || !/^\d{1,15}$/.test(number))
    errors.add('rules remove needs a kind and a number: rules remove --project flightjs tag 7');
  return errors.or({
    ...{ command: 'remove', project: path, number: Number(number), ...instance },
    kind: kind === 'repository' ? 'repository' : 'tag',
  });
}

/** What every change of a running Tagwarden needs. */
function needed(read: ReadArguments<'project' | 'instance'>, errors: Errors): string {
  if (!read.has('instance')) errors.add('it needs --instance URL: rules in a file are changed there');
  const path = read.valueOf('project');
  if (path === undefined) errors.add('it needs --project PATH');
  return path ?? '';
}

function readImport(argv: readonly string[]): ToldRules {
  const read = readArguments(argv, rulesFlags.import);
  const errors = new Errors(read, 1);
  const [file] = read.words;
  if (file === undefined) errors.add('rules import needs a FILE, or - for standard input');
  const given = read.valueOf('from');
  const from = importSources.find((source) => source === given);
  if (given !== undefined && !from)
    errors.add(`flag --from: must be one of ${importSources.join(', ')}, not "${given}"`);
  const projects = new Map<string | undefined, string>();
  for (const text of read.valuesOf('project')) {
    const [, number, path = ''] = /^(?:(\d+)=)?([a-z0-9][a-z0-9._/-]*)$/i.exec(text) ?? [];
    if (path === '') errors.add(`flag --project: "${text}" is no PATH, nor NUMBER=PATH, as 7=flightjs`);
    else if (projects.has(number)) errors.add(`flag --project: given twice for ${number ?? 'the only one'}`);
    projects.set(number, path.replace(/\/+$/, ''));
  }
  const output = read.valueOf('output');
  if (read.has('force') && output === undefined) errors.add('flag --force: does nothing without --output');
  return errors.or({
    ...{ command: 'import', file: file ?? '', projects, isForced: read.has('force') },
    ...(from && { from }),
    ...(output !== undefined && { output }),
  });
}
