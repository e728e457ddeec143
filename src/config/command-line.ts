import type { CommandFlag } from './arguments.ts';
import { explainFlags } from './explain-arguments.ts';
import { rulesFlags } from './rules-arguments.ts';
import { flagOf, keyPaths, keys } from './schema.ts';

/** A command as a shell completes it. */
export interface CommandLine {
  /** As `rules add`. */
  readonly name: string;
  /** What may follow, beside flags. */
  readonly words: readonly string[];
  readonly flags: readonly Flag[];
}

export interface Flag {
  /** As `--as`. */
  readonly name: string;
  readonly about: string;
  /** What follows it: one of some texts, a file, or anything; undefined: nothing. */
  readonly value: readonly string[] | 'file' | 'any' | undefined;
}

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

const configuration: readonly Flag[] = [
  flag('config', { placeholder: 'FILE', about: 'The config file.' }),
  ...keyPaths.map((path) => flag(flagOf(path).slice(2), { ...keys[path].kind, about: keys[path].about })),
];

function flag(name: string, { placeholder, about }: CommandFlag): Flag {
  return { name: `--${name}`, about, value: placeholder === undefined ? undefined : valueOf(placeholder) };
}

function valueOf(placeholder: string): Flag['value'] {
  if (/^(?:FILE|PATH)(?:\||$)/.test(placeholder)) return 'file';
  return /^[a-z_]+(?:\|[a-z_]+)+$/.test(placeholder) ? placeholder.split('|') : 'any';
}

function own(flags: Readonly<Record<string, CommandFlag>>): readonly Flag[] {
  return Object.entries(flags).map(([name, what]) => flag(name, what));
}

/** Every command, with every flag that it takes. */
export const commandLines: readonly CommandLine[] = [
  { name: 'serve', words: [], flags: configuration },
  { name: 'check', words: [], flags: configuration },
  { name: 'immutability', words: ['on', 'off'], flags: configuration },
  {
    name: 'scan',
    words: [],
    flags: [flag('json', { about: 'One JSON document in place of a table.' }), ...configuration],
  },
  { name: 'explain', words: ['push', 'delete'], flags: [...own(explainFlags), ...configuration] },
  { name: 'rules', words: Object.keys(rulesFlags), flags: [] },
  ...Object.entries(rulesFlags).map(([name, flags]) => ({
    name: `rules ${name}`,
    words: name === 'remove' ? ['repository', 'tag'] : [],
    flags: own(flags),
  })),
  { name: 'api-token', words: [], flags: [flag('role', { placeholder: 'ROLE', about: 'What it may do.' })] },
  { name: 'hash-password', words: [], flags: [] },
  { name: 'completion', words: shells, flags: [] },
];

/** The first word of each. */
export const commandNames: readonly string[] = [
  ...new Set(commandLines.map(({ name }) => name.replace(/ .*/, ''))),
];
