import { randomUUID } from 'node:crypto';
import type { Upstream, UpstreamAnswer } from '../adapters/upstream.ts';
import { decide } from '../core/decision.ts';
import { RegistryError } from '../core/errors.ts';
import type { DeleteDigest, DeleteTag } from '../core/operation.ts';
import {
  StoreAway,
  type Changes,
  type ClaimedManifest,
  type ClaimStore,
  type Clock,
  type DeleteMark,
  type Needs,
  type TagFacts,
  type Tombstones,
} from '../core/ports.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import type { Digest } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { unlocksFor, type Unlock, type Unlocks } from '../core/unlock.ts';
import type { Facts, NeedFact } from '../core/verdict.ts';
import type { Exchange } from './exchange.ts';
import { forgetTag } from './lifting.ts';
import { lookUpHeaders } from './look-up.ts';
import { refusalError } from './refusal.ts';
import { Turns } from './turns.ts';
import { isDefiniteRefusal, noAnswer, relay, sendDelete, type Unanswered } from './relay.ts';

/** Of a tag that holds what refers to a manifest, too: it is kept as long as the manifest is needed. */
export type Deleting = DeleteDigest | DeleteTag;

export interface DeletePorts {
  readonly claims: ClaimStore;
  readonly facts: TagFacts;
  readonly unlocks: Unlocks;
  readonly tombstones: Pick<Tombstones, 'recall' | 'bury' | 'replace'>;
  readonly needs: Needs;
  readonly clock: Clock;
  readonly upstream: Upstream;
  readonly changes: Changes;
  readonly idleMs: number;
  /** How long the walk over a repository may take. */
  readonly walkMs: number;
  /** How long one delete may take; its mark outlives it. */
  readonly putDeadlineMs: number;
}

/**
 * Deletes what nobody is kept from deleting.
 * @throws RegistryError where there is no answer
 */
export async function deleteAtOnce(
  exchange: Exchange,
  operation: Deleting,
  ports: Pick<DeletePorts, 'upstream' | 'changes' | 'idleMs'>,
): Promise<void> {
  const answer = await sendDelete(exchange, operation, ports.idleMs, ports);
  if ('kind' in answer) throw noAnswer(answer, 'and may yet delete it');
  relay(exchange, answer, ports.upstream);
}

/**
 * So many deletes in one repository are sent at a time: distribution reads every tag for each, and what is sent has a
 * deadline.
 */
const turns = new Turns(4);
/** How often the rules may change under a walk. */
const attemptLimit = 3;

/**
 * Deletes a manifest or a blob that no tag needs which this caller may not delete. First the delete is announced, so
 * that no push that needs the target goes unseen, then the tags are walked (docs/deletes.md).
 * @param rulesNow the rules in force, by which the delete is not denied already
 * @throws RegistryError
 */
export async function deleteNeeded(
  exchange: Exchange,
  operation: Deleting,
  caller: Caller,
  rulesNow: () => RuleSet,
  ports: DeletePorts,
): Promise<void> {
  const { claims } = ports;
  const mark = { repository: operation.repository, target: targetOf(operation), id: randomUUID() };
  let mayArrive = false;
  try {
    const claimed = await announce(mark, claims);
    const { rules, unlocked } = await judge({ exchange, operation, caller, claimed }, rulesNow, ports);
    const answer = await turns.inTurn(operation.repository, async () => {
      if (rulesNow().version !== rules.version) throw rulesChange();
      if (!(await claims.armMark(mark).catch(refuseAway))) throw outlasted();
      const endsMs = ports.clock.nowMs() + ports.putDeadlineMs;
      if (unlocked.some(({ untilMs }) => untilMs < endsMs)) throw outlasted();
      exchange.trail.unlocks = unlocked;
      mayArrive = true;
      return sendDelete(exchange, operation, ports.putDeadlineMs, ports);
    });
    mayArrive = isUnknown(answer);
    if (mayArrive || isDone(answer))
      for (const { repository, tag } of unlocked) await forgetTag(rules, repository, tag, ports);
    if ('kind' in answer) throw noAnswer(answer, 'and may yet delete it');
    relay(exchange, answer, ports.upstream);
  } finally {
    // Where it may yet be carried out the mark stays, until its time is up.
    if (!mayArrive) await claims.unmark(mark);
  }
}

function targetOf(operation: Deleting): Digest {
  if (operation.kind !== 'deleteTag') return operation.digest;
  const named = parseReferrerTag(operation.tag)?.named;
  if (named === undefined) throw new Error(`${operation.tag} is not the tag of referrers`);
  return named;
}

async function announce(mark: DeleteMark, claims: ClaimStore): Promise<readonly ClaimedManifest[]> {
  const answer = await claims.mark(mark).catch(refuseAway);
  if (answer.outcome === 'marked') return answer.claimed;
  throw new RegistryError('UNAVAILABLE', {
    message:
      'the store that the replicas share may have lost data; a delete by digest waits for what may be on its way; try again',
    retryAfterSeconds: Math.ceil(answer.leftMs / 1000),
  });
}

interface Deletion {
  readonly exchange: Exchange;
  readonly operation: Deleting;
  readonly caller: Caller;
  readonly claimed: readonly ClaimedManifest[];
}

interface Judged {
  readonly rules: RuleSet;
  /** The unlocks of tags that need it. */
  readonly unlocked: readonly Unlock[];
}

/**
 * The rules by which it may be deleted, and the unlocks without which it might not.
 * @throws RegistryError where it may not by those that are in force at the end of the walk
 */
async function judge(deletion: Deletion, rulesNow: () => RuleSet, ports: DeletePorts): Promise<Judged> {
  for (let attempt = 0; attempt < attemptLimit; attempt++) {
    const rules = rulesNow();
    const needing = await askWho(deletion, rules, ports);
    if (rulesNow().version !== rules.version) continue;
    return {
      rules,
      unlocked: decideWith(deletion, rules, await withUnlocks(deletion, needing, ports), ports),
    };
  }
  throw rulesChange();
}

interface Needed {
  readonly needing: NeedFact;
  /** Those of the tags that need it which are unlocked for this caller. */
  readonly unlocks: readonly Unlock[];
}

async function withUnlocks(
  { operation: { repository }, caller }: Deletion,
  needing: NeedFact,
  { unlocks }: DeletePorts,
): Promise<Needed> {
  const all = await unlocks.all().catch(refuseAway);
  const own = [...unlocksFor(all, { repository, action: 'delete', caller }).values()];
  if (own.length === 0 || needing.state !== 'known') return { needing, unlocks: [] };
  // Read more than once: with the unlocks, and without.
  const tags = [...needing.tags];
  return {
    needing: { ...needing, tags },
    unlocks: own.filter((unlock) => tags.some(({ tag }) => tag === unlock.tag)),
  };
}

/** @returns the unlocks without which it would be denied @throws RegistryError where it is denied even so */
function decideWith(
  { operation, caller }: Deletion,
  rules: RuleSet,
  { needing, unlocks }: Needed,
  { clock, putDeadlineMs }: DeletePorts,
): readonly Unlock[] {
  const nowMs = clock.nowMs();
  const facts: Facts = { nowMs, tags: new Map(), needing };
  const unlockedUntilMs = new Map(unlocks.map(({ tag, untilMs }) => [tag, untilMs]));
  const decision = decide(rules, operation, caller, {
    ...facts,
    endsMs: nowMs + putDeadlineMs,
    unlockedUntilMs,
  });
  if (decision.effect !== 'allow') throw refusalError(decision);
  const [first] = unlocks;
  if (!first || decide(rules, operation, caller, facts).effect === 'allow') return [];
  return unlocks;
}

function askWho(
  { exchange, operation, caller, claimed }: Deletion,
  rules: RuleSet,
  ports: DeletePorts,
): Promise<NeedFact> {
  return ports.needs.tagsNeeding({
    repository: operation.repository,
    target: targetOf(operation),
    // Registries delete a layer by the route of manifests too, but never the other way round.
    isManifest: operation.kind !== 'deleteBlob',
    rules,
    asCaller: lookUpHeaders(exchange),
    isVerified: caller.granted !== undefined,
    claimed,
    withinMs: ports.walkMs,
  });
}

function isDone(answer: UpstreamAnswer | Unanswered): boolean {
  return !('kind' in answer) && answer.status >= 200 && answer.status < 300;
}

function isUnknown(answer: UpstreamAnswer | Unanswered): boolean {
  if ('kind' in answer) return answer.kind === 'lost';
  return !isDone(answer) && !isDefiniteRefusal(answer.status);
}

/** @throws RegistryError UNAVAILABLE, or what is no fault of the store */
function refuseAway(error: unknown): never {
  if (!(error instanceof StoreAway)) throw error;
  throw new RegistryError('UNAVAILABLE', {
    message: 'the store that the replicas share is away, and a delete by digest needs it; try again',
    retryAfterSeconds: 5,
    cause: error,
  });
}

function rulesChange(): RegistryError {
  return new RegistryError('UNAVAILABLE', {
    message: 'the rules changed meanwhile; try again',
    retryAfterSeconds: 5,
  });
}

function outlasted(): RegistryError {
  return new RegistryError('UNAVAILABLE', {
    message: 'it took longer than the delete was announced for; try again',
    retryAfterSeconds: 5,
  });
}
