import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readRulesFile } from '../adapters/rules-watch.ts';
import { fieldsOf, type RuleFields } from '../config/rule-fields.ts';
import { unreadable } from '../config/files.ts';
import { importRules } from '../config/import/import-rules.ts';
import { readRulesArguments, type RuleKind, type RulesArguments } from '../config/rules-arguments.ts';
import { alignedRows } from './aligned-rows.ts';
import { fail, unavailable, usageError, type CommandSurroundings } from './explain.ts';
import { askInstance, InstanceError } from './instance.ts';

type Told<Command extends RulesArguments['command']> = Extract<RulesArguments, { command: Command }>;

/** @returns the exit code: 0, 1 for a file that cannot be used, 64 asked wrongly, 69 the instance does not do it */
export async function runRules(around: CommandSurroundings): Promise<number> {
  const read = readRulesArguments(around.argv);
  if ('errors' in read) return fail(around, read.errors, usageError);
  const { told } = read;
  try {
    switch (told.command) {
      case 'list':
        return told.rulesFile === undefined ? await listThere(told, around) : listFile(told, around);
      case 'add':
        return await add(told, around);
      case 'remove':
        return await remove(told, around);
      case 'import':
        return importFile(told, around);
    }
  } catch (error) {
    if (error instanceof InstanceError) return fail(around, [error.message], unavailable);
    throw error;
  }
}

type Shown = Readonly<Record<string, unknown>>;

async function listThere(told: Told<'list'>, around: CommandSurroundings): Promise<number> {
  const [repository_rules, tag_rules] = await Promise.all([
    allOf(told, 'repository', around),
    allOf(told, 'tag', around),
  ]);
  return tellLists(told, around, { repository_rules, tag_rules });
}

const pageSize = 100;

async function allOf(
  told: Told<'list'>,
  kind: RuleKind,
  around: CommandSurroundings,
): Promise<readonly Shown[]> {
  const rules: Shown[] = [];
  for (let page = 1; ; page += 1) {
    const path = `${pathOf(told.project ?? '', kind)}?per_page=${pageSize}&page=${page}`;
    const found = (await askInstance(told, around, { method: 'GET', path })) as readonly Shown[];
    rules.push(...found);
    if (found.length < pageSize) return rules;
  }
}

function listFile(told: Told<'list'>, around: CommandSurroundings): number {
  const parsed = readRulesFile(resolve(around.cwd, told.rulesFile ?? ''));
  if ('errors' in parsed) return fail(around, parsed.errors, 1);
  const { repositoryRules, tagRules } = parsed.rules;
  return tellLists(told, around, {
    repository_rules: repositoryRules.map(fieldsOf),
    tag_rules: tagRules.map(fieldsOf),
  });
}

interface Lists {
  readonly repository_rules: readonly Shown[];
  readonly tag_rules: readonly Shown[];
}

function tellLists({ isJson }: Told<'list'>, { out }: CommandSurroundings, lists: Lists): number {
  out.write(isJson ? `${JSON.stringify(lists, undefined, 2)}\n` : tableOf(lists));
  return 0;
}

function tableOf({ repository_rules: ofRepositories, tag_rules: ofTags }: Lists): string {
  const rows = [
    ...ofRepositories.map((rule) => rowOf('repository', rule)),
    ...ofTags.map((rule) => rowOf('tag', rule)),
  ];
  if (rows.length === 0) return 'no rules\n';
  return `${alignedRows([['KIND', 'ID', 'FOR', 'WHAT'], ...rows]).join('\n')}\n`;
}

function rowOf(kind: RuleKind, rule: Shown): readonly string[] {
  const text = (key: string): string | undefined =>
    typeof rule[key] === 'string' || typeof rule[key] === 'number' ? String(rule[key]) : undefined;
  const named = (key: string, words: string): readonly string[] => {
    const value = text(key);
    return value === undefined ? [] : [`${words}${value}`];
  };
  const selection = [
    ...named('repository_path_pattern', ''),
    ...named('tag_name_pattern', kind === 'tag' ? 'tag ' : ''),
    ...named('tag_name_exclude_pattern', 'except '),
  ];
  const effect = [
    ...(rule.immutable === true ? ['immutable'] : []),
    ...named('immutable_after', 'after '),
    ...(rule.tombstone === true ? ['tombstone'] : []),
    ...named('minimum_access_level_for_create', 'create ≥ '),
    ...named('minimum_access_level_for_push', 'push ≥ '),
    ...named('minimum_access_level_for_delete', 'delete ≥ '),
    ...named('referrers', 'referrers '),
    ...(rule.enforcement === 'warn' ? ['only warns'] : []),
  ];
  return [kind, text('id') ?? '', selection.join(' '), effect.join(', ')];
}

async function add(told: Told<'add'>, around: CommandSurroundings): Promise<number> {
  const path = pathOf(told.project, told.kind);
  const rule = (await askInstance(told, around, { method: 'POST', path, body: told.rule })) as RuleFields;
  around.out.write(
    told.isJson
      ? `${JSON.stringify(rule, undefined, 2)}\n`
      : `${alignedRows([rowOf(told.kind, rule)]).join('\n')}\n`,
  );
  return 0;
}

async function remove(told: Told<'remove'>, around: CommandSurroundings): Promise<number> {
  const path = `${pathOf(told.project, told.kind)}/${told.number}`;
  await askInstance(told, around, { method: 'DELETE', path });
  return 0;
}

function pathOf(project: string, kind: RuleKind): string {
  return `/api/v4/projects/${encodeURIComponent(project)}/registry/protection/${kind}/rules`;
}

function importFile(told: Told<'import'>, around: CommandSurroundings): number {
  const { file, output, isForced, ...options } = told;
  let json: string;
  try {
    json = readFileSync(file === '-' ? 0 : resolve(around.cwd, file), 'utf8');
  } catch (error) {
    return fail(around, [`cannot read ${file}: ${unreadable(error)}`], 1);
  }
  const imported = importRules(json, options);
  if ('errors' in imported)
    return fail(
      around,
      imported.errors.map((error) => `${file}: ${error}`),
      1,
    );
  if (output === undefined) {
    around.out.write(imported.text);
  } else {
    try {
      writeFileSync(resolve(around.cwd, output), imported.text, { flag: isForced ? 'w' : 'wx' });
    } catch (error) {
      const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
      const why = isThere
        ? 'is there already; --force writes over it'
        : `cannot be written: ${unreadable(error)}`;
      return fail(around, [`${output}: ${why}`], 1);
    }
  }
  for (const note of imported.notes) around.err.write(`tagwarden: note: ${note}\n`);
  return 0;
}
