import { noManifest } from '../core/claim.ts';
import { hasTombstone } from '../core/decision.ts';
import type { PutManifest } from '../core/operation.ts';
import type { ClaimRequest } from '../core/ports.ts';
import type { Stop } from '../core/verdict.ts';
import { isTag, type Digest, type Tag } from '../core/reference.ts';
import { lookUpTags } from './look-up.ts';
import { isDefiniteRefusal } from './relay.ts';
import {
  away,
  claimAndArm,
  claimOf,
  decideWith,
  denialBy,
  lookUpAll,
  untilUnmarked,
  type CreateOncePorts,
  type Push,
} from './claim-tags.ts';

/** What became of a PUT. `notSent`: nothing of it left this process. `lost`: no answer, it may yet be committed. */
export type PutOutcome<Answer> =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly tags: readonly string[];
      readonly answer: Answer;
    }
  | { readonly kind: 'notSent' | 'lost'; readonly error: Error };

export type Put<Answer> = (operation: PutManifest) => Promise<PutOutcome<Answer>>;

/** `unacknowledged`: the upstream took it, but its claim or its tombstone is not sure, so that nobody may be told so. */
export type PushResult<Answer> =
  | { readonly kind: 'refused'; readonly decision: Stop }
  | { readonly kind: 'sent'; readonly outcome: PutOutcome<Answer> }
  | { readonly kind: 'unacknowledged' };

/**
 * Pushes a manifest to tags that may be created once: claim, ask, arm, put, settle. Every step is there because two
 * pushes could both be acknowledged without it (docs/create-once.md). Calls `put` at most once.
 * @throws CredentialsRefused
 */
export async function pushOnce<Answer>(
  push: Push,
  put: Put<Answer>,
  ports: CreateOncePorts,
): Promise<PushResult<Answer>> {
  const claim = claimOf(push, push.tags);
  const ask = async (base: Digest | undefined): Promise<Stop | undefined> => {
    const [tag] = push.tags;
    // Confirmed by somebody between two questions: the upstream may not show it yet.
    if (base !== undefined && base !== noManifest && tag !== undefined)
      return denialBy(push, tag, { state: 'present', digest: base, isPushed: false }, ports);
    const decision = decideWith(push, await lookUpAll(push, ports), ports);
    return decision.effect === 'allow' ? undefined : decision;
  };
  const readiness = await untilUnmarked(ports.clock, () => claimAndArm(push, claim, ports, ask));
  switch (readiness.kind) {
    case 'refused':
      return readiness;
    case 'withheld':
      return pushUnclaimed(push, readiness.refusal, put, ports);
    case 'claimed': {
      const outcome = await sent(put, push.operation);
      return (await settle(push, outcome, ports)) ? { kind: 'sent', outcome } : { kind: 'unacknowledged' };
    }
  }
}

export function sent<Answer>(put: Put<Answer>, operation: PutManifest): Promise<PutOutcome<Answer>> {
  return put(operation).catch((error: unknown) => ({ kind: 'lost', error: error as Error }));
}

/**
 * What needs no claim goes on while none can be had: what is there already is refused to others, and its own digest is
 * pushed again. A first push is not: nobody could tell it from another one.
 */
async function pushUnclaimed<Answer>(
  push: Push,
  refusal: Stop,
  put: Put<Answer>,
  ports: CreateOncePorts,
): Promise<PushResult<Answer>> {
  const known = await lookUpAll(push, ports);
  const decision = decideWith(push, known, ports);
  if (decision.effect !== 'allow') return { kind: 'refused', decision };
  const isThere = push.tags.every((tag) => known.get(tag)?.state === 'present');
  if (!isThere) return { kind: 'refused', decision: refusal };
  return { kind: 'sent', outcome: await sent(put, withoutTags(push)) };
}

/** By its digest: a push that nobody knows of, and that arrives late, must not move a tag that has changed by then. */
function withoutTags({ operation, tags, pushed }: Push): PutManifest {
  const others = operation.tags.filter((tag) => !tags.includes(tag));
  return { ...operation, reference: { digest: pushed.sha256 }, tags: others };
}

/** Whether a success may be passed on: only while every claim is still ours, and now confirmed. */
function settle<Answer>(push: Push, outcome: PutOutcome<Answer>, ports: CreateOncePorts): Promise<boolean> {
  if (outcome.kind === 'answered' && isSuccess(outcome)) return settleCreated(push, outcome.tags, ports);
  return settleAs(claimOf(push, push.tags), outcome, ports);
}

/** The same for a claim of whatever tags, which a success creates all. */
export async function settleAs(
  claim: ClaimRequest,
  outcome: PutOutcome<unknown>,
  { claims }: Pick<CreateOncePorts, 'claims'>,
): Promise<boolean> {
  if (isSuccess(outcome)) return (await claims.confirm(claim).catch(away)) === true;
  const isDefinite =
    outcome.kind === 'answered' ? isDefiniteRefusal(outcome.status) : outcome.kind === 'notSent';
  if (isDefinite) await claims.giveBack(claim);
  else await claims.leaveUnknown(claim);
  return true;
}

export function isSuccess(outcome: PutOutcome<unknown>): boolean {
  return outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300;
}

/** Of several `?tag=` only those count that the upstream names in OCI-Tag (end-7b); it is asked about the others. */
async function settleCreated(push: Push, named: readonly string[], ports: CreateOncePorts): Promise<boolean> {
  const { claims, facts } = ports;
  const { operation, asCaller, pushed } = push;
  const { repository } = operation;
  const isByTag = 'tag' in operation.reference;
  const created = push.tags.filter((tag) => isByTag || named.filter(isTag).includes(tag));
  const others = push.tags.filter((tag) => !created.includes(tag));
  for (const [tag, fact] of await lookUpTags(facts, others, { repository, asCaller, pushed })) {
    if (fact.state === 'present' && fact.isPushed) created.push(tag);
    else if (fact.state === 'absent') await claims.giveBack(claimOf(push, [tag]));
    else await claims.leaveUnknown(claimOf(push, [tag]));
  }
  if (created.length === 0) return true;
  if ((await claims.confirm(claimOf(push, created)).catch(away)) !== true) return false;
  facts.seen(repository, created, pushed.sha256);
  return buryAll(push, created, ports);
}

/** Whether it is sure that no other manifest can take the names that a rule keeps: only then may the client be told. */
async function buryAll(
  { rules, operation: { repository }, pushed }: Push,
  created: readonly Tag[],
  { tombstones }: CreateOncePorts,
): Promise<boolean> {
  const kept = created.filter((tag) => hasTombstone(rules, repository, tag));
  if (kept.length === 0) return true;
  const buried = Promise.all(kept.map((tag) => tombstones.bury(repository, tag, pushed.sha256)));
  return (await buried.catch(away)) !== 'away';
}
