/** A flag of one command, beside those of the configuration. */
export interface CommandFlag {
  /** Absent: it takes no value. */
  readonly placeholder?: string;
  readonly about: string;
  readonly isRepeated?: true;
}

export type CommandFlags<Name extends string> = Readonly<Record<Name, CommandFlag>>;

export interface ReadArguments<Name extends string> {
  /** What is neither a flag nor its value. */
  readonly words: readonly string[];
  has(name: Name): boolean;
  valueOf(name: Name): string | undefined;
  valuesOf(name: Name): readonly string[];
  /** Flags of the configuration, each with its value. */
  readonly others: readonly string[];
  readonly errors: readonly string[];
}

/** `--name value` or `--name=value`; a flag that is not known is taken for one of the configuration, which all have a value. */
export function readArguments<Name extends string>(
  argv: readonly string[],
  flags: CommandFlags<Name>,
): ReadArguments<Name> {
  const words: string[] = [];
  const others: string[] = [];
  const errors: string[] = [];
  const given = new Map<string, string[]>();
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    if (!argument.startsWith('--')) {
      words.push(argument);
      continue;
    }
    const equals = argument.indexOf('=');
    const name = argument.slice(2, equals < 0 ? undefined : equals);
    const known = Object.hasOwn(flags, name) ? flags[name as Name] : undefined;
    const takesValue = !known || known.placeholder !== undefined;
    const next = argv[index + 1];
    const isNext = takesValue && equals < 0 && next !== undefined && !next.startsWith('--');
    if (isNext) index += 1;
    if (!known) {
      others.push(argument, ...(isNext ? [next] : []));
      continue;
    }
    const value = isNext ? next : equals < 0 ? undefined : argument.slice(equals + 1);
    const before = given.get(name);
    if (takesValue && value === undefined) errors.push(`flag --${name}: needs a value`);
    else if (!takesValue && value !== undefined) errors.push(`flag --${name}: takes no value`);
    else if (before && !known.isRepeated) errors.push(`flag --${name}: given twice; give it once`);
    given.set(name, [...(before ?? []), value ?? '']);
  }
  return {
    ...{ words, others, errors },
    has: (name) => given.has(name),
    valueOf: (name) => given.get(name)?.[0],
    valuesOf: (name) => given.get(name) ?? [],
  };
}

export type Complain = (error: string) => void;

/** Of the commands that can ask a running Tagwarden. */
export const instanceFlags = {
  instance: {
    placeholder: 'URL',
    about: 'A running Tagwarden: its admin listener, as http://127.0.0.1:9090.',
  },
  'token-file': { placeholder: 'FILE', about: 'Holds the API token; absent: TAGWARDEN_API_TOKEN does.' },
} as const;

export interface ToldInstance {
  readonly instance?: string;
  readonly tokenFile?: string;
}

export function readInstance(
  read: ReadArguments<keyof typeof instanceFlags>,
  complain: Complain,
): ToldInstance {
  const instance = read.valueOf('instance');
  const tokenFile = read.valueOf('token-file');
  if (instance !== undefined && !(/^https?:\/\/[^/?#@]+\/?$/.test(instance) && URL.canParse(instance)))
    complain('flag --instance: must be a scheme, a host and a port, as http://127.0.0.1:9090');
  if (tokenFile !== undefined && instance === undefined)
    complain('flag --token-file: does nothing without --instance');
  return { ...(instance !== undefined && { instance }), ...(tokenFile !== undefined && { tokenFile }) };
}
