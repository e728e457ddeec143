import type { Kind } from './kinds.ts';

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
}

export function defaulting<Value>(defaultText: string, kind: Kind<Value>, about: string): Key<Value> {
  return { kind, about, defaultText };
}

export function required<Value>(example: string, kind: Kind<Value>, about: string): Key<Value> {
  return { kind, about, example, isRequired: true };
}

/** Required in most installations. */
export function usual<Value>(example: string, kind: Kind<Value>, about: string): Key<Value | undefined> {
  return { kind, about, example };
}

export function optional<Value>(kind: Kind<Value>, about: string): Key<Value | undefined> {
  return { kind, about };
}
