import { notYet, type Kind } from './kinds.ts';

/** One key of the configuration. */
export interface Key<Value> {
  readonly kind: Kind<Value>;
  /** What it is for, in a sentence. */
  readonly about: string;
  /** As it would be written in a flag. */
  readonly defaultText?: string;
  /** Of a key that must be given, or mostly is. */
  readonly example?: string;
  readonly isRequired?: boolean;
  /** Whether it does anything in this version. */
  readonly isAvailable: boolean;
}

export function defaulting<Value>(defaultText: string, kind: Kind<Value>, about: string): Key<Value> {
  return { kind, about, defaultText, isAvailable: true };
}

export function required<Value>(example: string, kind: Kind<Value>, about: string): Key<Value> {
  return { kind, about, example, isRequired: true, isAvailable: true };
}

/** Required in most installations. */
export function usual<Value>(example: string, kind: Kind<Value>, about: string): Key<Value | undefined> {
  return { kind, about, example, isAvailable: true };
}

export function optional<Value>(kind: Kind<Value>, about: string): Key<Value | undefined> {
  return { kind, about, isAvailable: true };
}

/** Its name stays, its behaviour is still to come: no other value than its default is taken. */
export function later(
  kind: Kind<string | number | readonly string[]>,
  about: string,
  onlyValue?: string,
): Key<unknown> {
  const defaultText = onlyValue === undefined ? {} : { defaultText: onlyValue };
  return { kind: notYet(kind, onlyValue), about, ...defaultText, isAvailable: false };
}
