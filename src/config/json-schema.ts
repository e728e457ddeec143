import { accessLevels, isAccessLevel } from '../core/access-level.ts';
import { referrersTreatments } from '../core/rule.ts';
import type { JsonSchema } from './kinds.ts';
import { keyPaths, keys, type KeyPath } from './schema.ts';

const dialect = 'http://json-schema.org/draft-07/schema#';

/** `config/tagwarden.schema.json`: editors complete the config file by it. */
export function configSchema(): JsonSchema {
  return { $schema: dialect, title: 'Tagwarden: the config file', ...section('') };
}

/** @param prefix of the paths of its keys, as `auth.keys.`; empty at the top */
function section(prefix: string): JsonSchema {
  const paths = keyPaths.filter((path) => path.startsWith(prefix));
  const names = [...new Set(paths.map((path) => path.slice(prefix.length).replace(/\..*/, '')))];
  const properties = names.map((name) => {
    const path = paths.find((candidate) => candidate === prefix + name);
    return [name, path ? key(path) : section(`${prefix}${name}.`)] as const;
  });
  return { type: 'object', properties: Object.fromEntries(properties), additionalProperties: false };
}

function key(path: KeyPath): JsonSchema {
  const { kind, about, defaultText } = keys[path];
  return {
    description: about,
    ...kind.schema,
    ...(defaultText !== undefined && { default: defaultOf(defaultText, kind.schema) }),
  };
}

function defaultOf(text: string, { type }: JsonSchema): unknown {
  switch (type) {
    case 'integer':
    case 'number':
      return Number(text);
    case 'boolean':
      return text === 'true';
    case 'array':
      return text === '' ? [] : text.split(',');
    default:
      return text;
  }
}

const levels = Object.keys(accessLevels).filter(isAccessLevel);
const text = (description: string): JsonSchema => ({ type: 'string', minLength: 1, description });
const minimum = (description: string): JsonSchema => ({
  type: 'string',
  enum: [...levels, 'no_access'],
  description: `${description} no_access is met by nobody.`,
});
const flag = (description: string): JsonSchema => ({ type: 'boolean', description });

const id: JsonSchema = {
  ...text('Unique; made from what the rule says if absent.'),
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
};
const enforcement: JsonSchema = {
  type: 'string',
  enum: ['deny', 'warn'],
  description: 'Whether the rule refuses, or only tells what it would refuse.',
};
const repositories = text('Of the whole path, in any case; * is any run of characters, "/" included.');
const push = minimum('The level that a push needs.');
const deletion = minimum('The level that a delete needs.');

const repositoryRule = mapping(
  {
    id,
    repository_path_pattern: repositories,
    minimum_access_level_for_push: push,
    minimum_access_level_for_delete: deletion,
    enforcement,
  },
  ['repository_path_pattern'],
);

const tagRule = mapping(
  {
    id,
    repository_path_pattern: repositories,
    tag_name_pattern: text('RE2, unanchored and case-sensitive: for one tag write ^latest$.'),
    tag_name_exclude_pattern: text('RE2: the tags that this rule leaves alone.'),
    minimum_access_level_for_push: push,
    minimum_access_level_for_delete: deletion,
    minimum_access_level_for_create: minimum('The level that makes a tag, where a push needs more.'),
    immutable: flag('Tags are created once, and never moved or deleted, by anyone.'),
    immutable_after: text('How long after its first push a tag may still move, as 30m, 1h, 7d.'),
    referrers: {
      type: 'string',
      enum: referrersTreatments,
      description: 'What may become of signatures, and whatever else refers to an image.',
    },
    tombstone: flag('With immutable: the name stays taken though the tag may vanish.'),
    enforcement,
  },
  ['tag_name_pattern'],
);

const member = mapping(
  {
    subject: text('Who has the level.'),
    group: text('Whoever is in it has the level.'),
    repository_path_pattern: repositories,
    access_level: { type: 'string', enum: levels, description: 'The level.' },
  },
  ['access_level'],
);

/** `config/rules.schema.json`: editors complete the rules file by it. */
export function rulesSchema(): JsonSchema {
  const list = (items: JsonSchema, description: string): JsonSchema => ({
    type: 'array',
    description,
    items,
  });
  return {
    $schema: dialect,
    title: 'Tagwarden: the rules file',
    ...mapping(
      {
        repository_rules: list(repositoryRule, 'Who may push to, and delete from, repositories.'),
        tag_rules: list(tagRule, 'Who may push and delete tags, and which of them nobody moves.'),
        members: list(member, 'Who has which level, where; the highest match counts.'),
        enforcement,
      },
      [],
    ),
  };
}

function mapping(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[]): JsonSchema {
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

/** As the files have it, and as prettier would write them. */
export function printSchema(schema: JsonSchema): string {
  return `${printed(schema, '', 0)}\n`;
}

const width = 110;

/** @param column where it begins on its line */
function printed(value: unknown, indent: string, column: number): string {
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const whole = `[${value.map((item) => JSON.stringify(item)).join(', ')}]`;
    const isFlat = value.every((item) => typeof item !== 'object');
    if (isFlat && column + whole.length <= width) return whole;
    const items = value.map((item) => deeper + printed(item, deeper, deeper.length));
    return `[\n${items.join(',\n')}\n${indent}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([name, own]) => {
    const lead = `${deeper}${JSON.stringify(name)}: `;
    return lead + printed(own, deeper, lead.length);
  });
  return entries.length === 0 ? '{}' : `{\n${entries.join(',\n')}\n${indent}}`;
}
