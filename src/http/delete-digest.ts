import { randomUUID } from 'node:crypto';
import type { Upstream, UpstreamAnswer } from '../adapters/upstream.ts';
import { decide } from '../core/decision.ts';
import { RegistryError } from '../core/errors.ts';
import { printOperation, type DeleteDigest, type DeleteTag } from '../core/operation.ts';
import {
  StoreAway,
  type ClaimedManifest,
  type ClaimStore,
  type Clock,
  type DeleteMark,
  type Needs,
} from '../core/ports.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import type { Digest } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { NeedFact } from '../core/verdict.ts';
import type { Exchange } from './exchange.ts';
import { requestHeaders } from './headers.ts';
import { lookUpHeaders } from './look-up.ts';
import { refusalError } from './refusal.ts';
import { Turns } from './turns.ts';
import { isDefiniteRefusal, noAnswer, relay, sendWrite, type Unanswered } from './relay.ts';

/** Of a tag that holds what refers to a manifest, too: it is kept as long as the manifest is needed. */
export type Deleting = DeleteDigest | DeleteTag;

export interface DeletePorts {
  readonly claims: ClaimStore;
  readonly needs: Needs;
  readonly clock: Clock;
  readonly upstream: Upstream;
  /** How long the walk over a repository may take. */
  readonly walkMs: number;
  /** How long one delete may take; its mark outlives it. */
  readonly putDeadlineMs: number;
}

const answerLimitBytes = 1024 * 1024;
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
    const rules = await judge({ exchange, operation, caller, claimed }, rulesNow, ports);
    const answer = await turns.inTurn(operation.repository, async () => {
      if (rulesNow().version !== rules.version) throw rulesChange();
      if (!(await claims.armMark(mark).catch(refuseAway))) throw outlasted();
      mayArrive = true;
      return send(exchange, operation, ports);
    });
    mayArrive = isUnknown(answer);
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

/**
 * The rules by which it may be deleted.
 * @throws RegistryError where it may not by those that are in force at the end of the walk
 */
async function judge(deletion: Deletion, rulesNow: () => RuleSet, ports: DeletePorts): Promise<RuleSet> {
  const { operation, caller } = deletion;
  for (let attempt = 0; attempt < attemptLimit; attempt++) {
    const rules = rulesNow();
    const needing = await askWho(deletion, rules, ports);
    if (rulesNow().version !== rules.version) continue;
    const facts = { nowMs: ports.clock.nowMs(), tags: new Map(), needing };
    const decision = decide(rules, operation, caller, facts);
    if (decision.effect === 'allow') return rules;
    throw refusalError(decision);
  }
  throw rulesChange();
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

function send(
  { headers: received, addressed }: Exchange,
  operation: Deleting,
  { upstream, putDeadlineMs }: DeletePorts,
): Promise<UpstreamAnswer | Unanswered> {
  const request = { ...printOperation(operation), headers: requestHeaders(received, addressed) };
  return sendWrite(() => upstream.ask(request, putDeadlineMs, answerLimitBytes));
}

function isUnknown(answer: UpstreamAnswer | Unanswered): boolean {
  if ('kind' in answer) return answer.kind === 'lost';
  return !(answer.status >= 200 && answer.status < 300) && !isDefiniteRefusal(answer.status);
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
