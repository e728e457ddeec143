import { randomUUID } from 'node:crypto';
import { hasTombstone, immutableSince } from '../core/decision.ts';
import type { ClaimRequest } from '../core/ports.ts';
import type { Digest } from '../core/reference.ts';
import { denied, type Stop } from '../core/verdict.ts';
import { away, claimAndArm, claimOf, untilUnmarked, type CreateOncePorts, type Push } from './claim-tags.ts';
import { isSuccess, sent, settleAs, type Put, type PushResult } from './create-once.ts';
import { lookUpBase } from './grow.ts';
import {
  decideLifted,
  findLifting,
  hasAge,
  recalled,
  trace,
  unlockOf,
  type Lifting,
  type LiftingPorts,
  type TagWrite,
} from './lifting.ts';
import type { Trail } from './trail.ts';

export interface MovePorts extends CreateOncePorts, LiftingPorts {}

/**
 * Pushes to a tag that some may move, or that may be moved for some time: one push after the other, each judged by what
 * the one before has left (compare and swap). It is sent only if it will have ended while it may still be
 * (docs/create-once.md).
 * @throws CredentialsRefused
 */
export async function pushMoving<Answer>(
  push: Push,
  trail: Trail,
  put: Put<Answer>,
  ports: MovePorts,
): Promise<PushResult<Answer>> {
  const write = tagWriteOf(push);
  if (!write) return { kind: 'refused', decision: notAlone(push) };
  // A holder of its own: what was given back before may still arrive.
  const claim: ClaimRequest = { ...claimOf(push, [write.tag]), holder: randomUUID(), swaps: true };
  const found: { lifting?: Lifting } = {};
  const judge = async (base: Digest | undefined): Promise<Stop | undefined> => {
    const { repository } = push.operation;
    const kept = { rules: push.rules, repository, tag: write.tag, pushed: push.pushed.sha256 };
    const fact = await recalled(kept, await lookUpBase(push, write.tag, base, ports), ports.tombstones);
    const lifting = await findLifting(write, fact, ports);
    const decision = decideLifted(write, lifting, ports);
    if (decision.effect !== 'allow') return decision;
    found.lifting = lifting;
    return undefined;
  };
  const readiness = await untilUnmarked(ports.clock, () => claimAndArm(push, claim, ports, judge));
  if (readiness.kind === 'refused') return readiness;
  if (readiness.kind === 'withheld') return { kind: 'refused', decision: readiness.refusal };
  const { lifting } = found;
  if (!lifting) throw new Error('a push was armed that nobody judged');
  // The clock has gone on: what is sent now ends later than what was judged.
  const decision = decideLifted(write, lifting, ports);
  if (decision.effect !== 'allow') {
    await ports.claims.giveBack(claim);
    return { kind: 'refused', decision };
  }
  trace(trail, write, lifting, ports);
  const outcome = await sent(put, push.operation);
  const isSettled = await settleAs(claim, outcome, ports);
  if (!isSuccess(outcome)) return { kind: 'sent', outcome };
  if (lifting.fact.state === 'absent') await noteBirth(write, ports);
  return isSettled && (await remember(push, write, ports))
    ? { kind: 'sent', outcome }
    : { kind: 'unacknowledged' };
}

/** Whether a refusal is worth another look, for an unlock is for this push. Where nobody can say, it stands. */
export async function mayBeUnlocked(push: Push, refusal: Stop, { unlocks }: MovePorts): Promise<boolean> {
  const write = tagWriteOf(push);
  return refusal.effect === 'deny' && write !== undefined && (await unlockOf(write, unlocks)) !== undefined;
}

/**
 * Undefined where it is to several tags, for each would have a base of its own, or by `?tag=`, which registries ignore:
 * their success would say nothing of the tag.
 */
function tagWriteOf({ rules, operation, caller, tags, pushed }: Push): TagWrite | undefined {
  const [tag] = tags;
  if (tag === undefined || operation.tags.length > 1 || !('tag' in operation.reference)) return undefined;
  return { rules, operation, caller, tag, digest: pushed.sha256 };
}

function notAlone({ operation: { repository }, tags }: Push): Stop {
  const message = `whether ${repository}:${tags.join(', ')} may be moved is judged for one tag at a time; push it alone, and by its name`;
  return denied([], message, { repository, tags });
}

/**
 * Only of a tag that was made: who may not push must not make an old one young. Where it cannot be noted the tag is old
 * from the beginning.
 */
async function noteBirth({ rules, operation, tag }: TagWrite, { births }: MovePorts): Promise<void> {
  const { repository } = operation;
  if (hasAge(rules, repository, tag)) await births.note(repository, tag).catch(away);
}

/** What was kept of the tag is no longer so: whether that is sure. */
async function remember(
  { pushed }: Push,
  { rules, operation: { repository }, tag }: TagWrite,
  { facts, tombstones }: MovePorts,
): Promise<boolean> {
  if (immutableSince(rules, repository, tag) !== undefined) facts.seen(repository, [tag], pushed.sha256);
  if (!hasTombstone(rules, repository, tag)) return true;
  return (await tombstones.replace(repository, tag, pushed.sha256).catch(away)) !== 'away';
}
