import type { ErrorCode, ErrorDetail } from './errors.ts';
import type { NeedingTag } from './need-graph.ts';
import type { Digest, Tag } from './reference.ts';

/** What is known of a tag at the upstream. `unknown` is never read as `absent`. */
export type TagFact =
  /** `was`: what it was before it vanished, where a rule keeps its name; `isPushed`: whether that is being pushed. */
  | { readonly state: 'absent'; readonly was?: Digest; readonly isPushed?: boolean }
  /** `isPushed`: the tag already points to the manifest that is being pushed. */
  | { readonly state: 'present'; readonly digest: Digest; readonly isPushed: boolean }
  | { readonly state: 'unknown'; readonly reason: string };

/** What is known of who needs a digest. */
export type NeedFact =
  | { readonly state: 'known'; readonly tags: Iterable<NeedingTag> }
  | { readonly state: 'unknown'; readonly reason: string };

export type PartsFact =
  | { readonly state: 'known'; readonly parts: readonly Digest[] }
  | { readonly state: 'unknown'; readonly reason: string };

export type TextFact =
  | { readonly state: 'known'; readonly text: string }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown'; readonly reason: string };

export interface Facts {
  readonly nowMs: number;
  /** The digest of the manifest that is being pushed, by its bytes. */
  readonly pushed?: Digest;
  /** Only of the tags that an immutable rule covers. */
  readonly tags: ReadonlyMap<Tag, TagFact>;
  /** By when a write that is judged now will have ended; absent: nothing is lifted for it. */
  readonly endsMs?: number;
  /** Until when tags are unlocked for this caller and what is asked. */
  readonly unlockedUntilMs?: ReadonlyMap<Tag, number>;
  /** When tags were pushed first, where that is known. */
  readonly bornMs?: ReadonlyMap<Tag, number>;
  /** Of a digest that is to be deleted, where some tags of its repository are kept from that. */
  readonly needing?: NeedFact;
}

/** A refusal in words: what happened, where, which rule, what now. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: ErrorDetail;
  readonly retryAfterSeconds?: number;
}

/** Three outcomes, never two: what could not be decided must not pass. */
export type Decision =
  | { readonly effect: 'allow' }
  | { readonly effect: 'deny'; readonly ruleIds: readonly string[]; readonly refusal: Refusal }
  | { readonly effect: 'undecided'; readonly ruleIds: readonly string[]; readonly refusal: Refusal };

/** What must not pass. */
export type Stop = Exclude<Decision, { effect: 'allow' }>;

export const allow: Decision = { effect: 'allow' };

export function denied(ruleIds: readonly string[], message: string, detail: ErrorDetail): Stop {
  return { effect: 'deny', ruleIds, refusal: { code: 'DENIED', message, detail } };
}

export function undecided(ruleIds: readonly string[], refusal: Refusal): Stop {
  return { effect: 'undecided', ruleIds, refusal: { retryAfterSeconds: 5, ...refusal } };
}
