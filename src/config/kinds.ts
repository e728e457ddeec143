import { resolve } from 'node:path';
import { Invalid } from './complaints.ts';
import { chooseFrom, type Entry } from './entry.ts';

/** How the value of a key is written, and what is made of it. */
export interface Kind<Value> {
  /** For a reader, as `HOST:PORT`. */
  readonly placeholder: string;
  /**
   * From a flag, an environment variable, or the key's default. Relative paths are relative to the directory.
   * @throws Invalid
   */
  fromText(text: string, directory: string): Value;
  /** From the config file; what is wrong is complained of at its place there. */
  fromEntry(entry: Entry, directory: string): Value | undefined;
  /** A text that `fromText` takes, as the config file has it. */
  toYaml(text: string): string;
  /** What the config file may have, as JSON Schema; what it cannot say is left to the parser. */
  readonly schema: JsonSchema;
}

export type JsonSchema = Readonly<Record<string, unknown>>;

type ScalarType = 'string' | 'number' | 'boolean';
type Parse<Value> = (text: string, directory: string) => Value;

export function scalar<Value>(
  placeholder: string,
  parse: Parse<Value>,
  type: ScalarType = 'string',
): Kind<Value> {
  return {
    placeholder,
    fromText: parse,
    fromEntry: (entry, directory) => entry.parse((text) => parse(text, directory), type),
    toYaml: (text) => text,
    schema: { type },
  };
}

export const text = scalar('TEXT', (value) => {
  if (value.trim() !== '') return value;
  throw new Invalid('must not be empty');
});

export const userName = scalar('NAME', (value, directory) => {
  if (!value.includes(':')) return text.fromText(value, directory);
  throw new Invalid('must hold no colon: Basic authentication could not tell it from the password');
});

export const path = scalar('PATH', (value, directory) => resolve(directory, text.fromText(value, directory)));

export const pathOrStdout = scalar('PATH|-', (value, directory) =>
  value === '-' ? value : path.fromText(value, directory),
);

export const flag = scalar(
  'true|false',
  (value) => chooseFrom(['true', 'false'], value) === 'true',
  'boolean',
);

export function oneOf<Choice extends string>(choices: readonly Choice[]): Kind<Choice> {
  const kind = scalar(choices.join('|'), (value) => chooseFrom(choices, value));
  return { ...kind, schema: { type: 'string', enum: choices } };
}

export function integer(placeholder: string, min: number, max: number): Kind<number> {
  const parse = (value: string) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw new Invalid(`must be a whole number from ${min} to ${max}, not ${value}`);
  };
  return {
    ...scalar(placeholder, parse, 'number'),
    schema: { type: 'integer', minimum: min, maximum: max },
  };
}

/** A part of all, as 0.1. */
export const ratio: Kind<number> = {
  ...scalar(
    '0..1',
    (value) => {
      if (/^(?:0?\.\d{1,9}|0|1(?:\.0{1,9})?)$/.test(value)) return Number(value);
      throw new Invalid(`must be from 0 to 1, as 0.1, not ${value}`);
    },
    'number',
  ),
  schema: { type: 'number', minimum: 0, maximum: 1 },
};

export function listOf<Item>(item: Kind<Item>): Kind<readonly Item[]> {
  return {
    placeholder: `${item.placeholder},...`,
    fromText: (text, directory) =>
      text === '' ? [] : text.split(',').map((part) => item.fromText(part.trim(), directory)),
    fromEntry: (entry, directory) =>
      entry
        .items()
        ?.map((part) => item.fromEntry(part, directory))
        .filter((value) => value !== undefined),
    toYaml: (text) => `[${text.split(',').join(', ')}]`,
    schema: { type: 'array', items: item.schema },
  };
}
