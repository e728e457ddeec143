import { accessLevels, isAccessLevel, type AccessLevel } from '../core/access-level.ts';
import { operationOn, type Explainable } from '../core/explain.ts';
import { isDigest, type Digest } from '../core/reference.ts';
import {
  instanceFlags,
  readArguments,
  readInstance,
  type Complain,
  type ReadArguments,
} from './arguments.ts';

/** What `tagwarden explain` is told beside the configuration. */
export interface ExplainArguments {
  readonly operation: Explainable;
  readonly subject?: string;
  readonly groups: readonly string[];
  /** Absent: as `auth.mode` has it. */
  readonly level?: AccessLevel;
  readonly pushed?: Digest;
  readonly is?: Digest | 'absent';
  readonly isJson: boolean;
  /** A running Tagwarden that is asked in place of the rules file. */
  readonly instance?: string;
  readonly tokenFile?: string;
}

export const explainFlags = {
  as: { placeholder: 'SUBJECT', about: 'Who asks; absent: somebody who is not identified.' },
  group: { placeholder: 'GROUP', about: 'A group that the caller is in; may be repeated.', isRepeated: true },
  level: {
    placeholder: Object.keys(accessLevels).join('|'),
    about: 'The level that the caller has everywhere.',
  },
  digest: { placeholder: 'DIGEST', about: 'What is pushed; absent: something that is nowhere yet.' },
  is: { placeholder: 'DIGEST', about: 'What the tag is; absent: the upstream is asked.' },
  absent: { about: 'The tag is not there, and never was.' },
  json: { about: 'One JSON document in place of text.' },
  ...instanceFlags,
} as const;

export interface Explaining {
  /** Undefined where something is wrong. */
  readonly told: ExplainArguments | undefined;
  /** Those that are not ours. */
  readonly flags: readonly string[];
  readonly errors: string[];
}

/** @param argv what follows `explain` */
export function readExplainArguments(argv: readonly string[]): Explaining {
  const read = readArguments(argv, explainFlags);
  const errors = [...read.errors];
  const complain = (error: string): void => {
    errors.push(error);
  };
  const [action, place, ...rest] = read.words;
  for (const word of rest) complain(`argument "${word}": is one too many`);
  const operation = readOperation(action, place, complain);
  const instance = readInstance(read, complain);
  const told = operation && {
    operation,
    ...readCaller(read, complain),
    ...readTag(read, operation, complain),
  };
  const isJson = read.has('json');
  return { told: told && { ...told, isJson, ...instance }, flags: read.others, errors };
}

function readOperation(
  action: string | undefined,
  place: string | undefined,
  complain: Complain,
): Explainable | undefined {
  if (action !== 'push' && action !== 'delete') {
    complain('explain needs push or delete, and where: explain push flightjs/flight:v1.0');
    return undefined;
  }
  const operation = parsePlace(action, place ?? '');
  if (!operation) {
    const what = place === undefined ? `explain ${action} needs` : `argument "${place}": is no`;
    complain(`${what} REPOSITORY:TAG or REPOSITORY@DIGEST, as flightjs/flight:v1.0`);
  }
  return operation;
}

/** As docker names images, without the address of the registry. */
export function parsePlace(action: 'push' | 'delete', place: string): Explainable | undefined {
  const at = place.indexOf('@');
  const cut = at < 0 ? place.lastIndexOf(':') : at;
  return operationOn(action, place.slice(0, Math.max(cut, 0)), place.slice(cut + 1));
}

type Read = ReadArguments<keyof typeof explainFlags>;

function readCaller(read: Read, complain: Complain): Pick<ExplainArguments, 'subject' | 'groups' | 'level'> {
  const subject = read.valueOf('as');
  const level = read.valueOf('level');
  if (subject?.trim() === '') complain('flag --as: must not be empty');
  if (level !== undefined && !isAccessLevel(level))
    complain(`flag --level: must be one of ${Object.keys(accessLevels).join(', ')}, not "${level}"`);
  return {
    groups: read.valuesOf('group'),
    ...(subject !== undefined && { subject }),
    ...(level !== undefined && isAccessLevel(level) && { level }),
  };
}

function readTag(
  read: Read,
  { kind }: Explainable,
  complain: Complain,
): Pick<ExplainArguments, 'pushed' | 'is'> {
  const digestOf = (flag: 'digest' | 'is'): Digest | undefined => {
    const text = read.valueOf(flag);
    if (text === undefined || isDigest(text)) return text;
    complain(`flag --${flag}: "${text}" is no digest, as sha256:<64 hex>`);
    return undefined;
  };
  const [pushed, is] = [digestOf('digest'), digestOf('is')];
  if (pushed !== undefined && kind !== 'putManifest') complain('flag --digest: is for a push');
  const isAbsent = read.has('absent');
  if (isAbsent && is !== undefined) complain('flag --absent: says the contrary of --is; give one of them');
  const isOfTag = kind === 'putManifest' || kind === 'deleteTag';
  if ((isAbsent || is !== undefined) && !isOfTag) complain('flags --is and --absent: are about a tag');
  return {
    ...(pushed !== undefined && { pushed }),
    ...(isAbsent ? { is: 'absent' as const } : is !== undefined && { is }),
  };
}
