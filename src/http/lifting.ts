import type { Births } from '../core/births.ts';
import { decide, hasTombstone } from '../core/decision.ts';
import type { DeleteTag, PutManifest } from '../core/operation.ts';
import type { Clock, TagFacts, Tombstones } from '../core/ports.ts';
import type { Digest, Repository, Tag } from '../core/reference.ts';
import { immutableRulesFor, type Caller, type RuleSet } from '../core/rule.ts';
import { unlocksFor, type Unlock, type UnlockAction, type Unlocks } from '../core/unlock.ts';
import type { Decision, Facts, TagFact } from '../core/verdict.ts';
import { away } from './claim-tags.ts';
import type { Trail } from './trail.ts';

export interface LiftingPorts {
  readonly births: Births;
  readonly unlocks: Unlocks;
  readonly clock: Clock;
  /** How long one write of a manifest may take: it must have ended before what lifts a rule does. */
  readonly putDeadlineMs: number;
}

/** A write to one tag, by the rules of one moment. */
export interface TagWrite {
  readonly rules: RuleSet;
  readonly operation: PutManifest | DeleteTag;
  readonly caller: Caller;
  readonly tag: Tag;
  /** What is pushed. */
  readonly digest?: Digest;
}

/** What a tag is, and what lifts rules off it. */
export interface Lifting {
  readonly fact: TagFact;
  readonly bornMs?: number;
  readonly unlock?: Unlock;
}

/** Whether a rule for a tag begins some time after its first push. */
export function hasAge(rules: RuleSet, repository: Repository, tag: Tag): boolean {
  return immutableRulesFor(rules, repository, tag).some((rule) => rule.immutableAfterMs !== undefined);
}

/**
 * What a tag was that is gone, where a rule keeps its name. Nothing is noted of one that is there.
 * @param pushed absent where it is not known what is pushed
 */
export async function recalled(
  { rules, repository, tag, pushed }: Recollection,
  fact: TagFact,
  tombstones: Pick<Tombstones, 'recall'>,
): Promise<TagFact> {
  if (fact.state !== 'absent' || !hasTombstone(rules, repository, tag)) return fact;
  const was = await tombstones.recall(repository, tag).catch(away);
  if (was === 'away')
    return { state: 'unknown', reason: 'it is absent now, but what it was before cannot be read' };
  return was === undefined ? fact : { ...fact, was, isPushed: was === pushed };
}

interface Recollection {
  readonly rules: RuleSet;
  readonly repository: Repository;
  readonly tag: Tag;
  readonly pushed: Digest | undefined;
}

export interface KeepingPorts {
  readonly facts: Pick<TagFacts, 'gone'>;
  readonly tombstones: Pick<Tombstones, 'replace'>;
}

/** A tag is deleted, and rightly so: nothing that was kept of it counts any more. */
export async function forgetTag(
  rules: RuleSet,
  repository: Repository,
  tag: Tag,
  { facts, tombstones }: KeepingPorts,
): Promise<void> {
  facts.gone(repository, tag);
  if (hasTombstone(rules, repository, tag)) await tombstones.replace(repository, tag, undefined).catch(away);
}

/** Where the store is away nothing is lifted: an exception that nobody can find is none. */
export async function findLifting(
  write: TagWrite,
  fact: TagFact,
  { births, unlocks }: LiftingPorts,
): Promise<Lifting> {
  const { rules, operation, tag } = write;
  if (immutableRulesFor(rules, operation.repository, tag).length === 0) return { fact };
  const [bornMs, unlock] = await Promise.all([
    hasAge(rules, operation.repository, tag)
      ? births.recall(operation.repository, tag).catch(away)
      : undefined,
    unlockOf(write, unlocks),
  ]);
  return { fact, ...(typeof bornMs === 'number' && { bornMs }), ...(unlock && { unlock }) };
}

/** The unlock that is for a write; none where nobody can say. */
export async function unlockOf(write: TagWrite, unlocks: Unlocks): Promise<Unlock | undefined> {
  const { operation, tag, caller } = write;
  const action: UnlockAction = operation.kind === 'putManifest' ? 'push' : 'delete';
  const all = await unlocks.all().catch(away);
  if (all === 'away') return undefined;
  return unlocksFor(all, { repository: operation.repository, action, caller }).get(tag);
}

/** As of now: what lifts a rule may have ended since it was found. */
export function decideLifted(
  { rules, operation, caller, tag, digest }: TagWrite,
  { fact, bornMs, unlock }: Lifting,
  { clock, putDeadlineMs }: LiftingPorts,
): Decision {
  const nowMs = clock.nowMs();
  const facts: Facts = {
    ...{ nowMs, tags: new Map([[tag, fact]]), endsMs: nowMs + putDeadlineMs },
    ...(digest !== undefined && { pushed: digest }),
    ...(bornMs !== undefined && { bornMs: new Map([[tag, bornMs]]) }),
    ...(unlock && { unlockedUntilMs: new Map([[tag, unlock.untilMs]]) }),
  };
  return decide(rules, operation, caller, facts);
}

/** What the tag was, and the unlock by which the write passes, if it would not pass without. */
export function trace(trail: Trail, write: TagWrite, lifting: Lifting, ports: LiftingPorts): void {
  const { fact, bornMs, unlock } = lifting;
  if (fact.state === 'present') trail.before = fact.digest;
  const without = { fact, ...(bornMs !== undefined && { bornMs }) };
  if (unlock && decideLifted(write, without, ports).effect !== 'allow') trail.unlocks = [unlock];
}
