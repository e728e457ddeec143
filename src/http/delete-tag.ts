import { randomUUID } from 'node:crypto';
import type { Upstream, UpstreamAnswer } from '../adapters/upstream.ts';
import { noManifest } from '../core/claim.ts';
import { decide } from '../core/decision.ts';
import { RegistryError } from '../core/errors.ts';
import type { DeleteTag } from '../core/operation.ts';
import type { Changes, ClaimRequest } from '../core/ports.ts';
import type { Digest } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { away } from './claim-tags.ts';
import { isSuccess, settleAs, type PutOutcome } from './create-once.ts';
import type { Exchange } from './exchange.ts';
import { lookUpBase } from './grow.ts';
import { decideLifted, findLifting, forgetTag, trace } from './lifting.ts';
import { lookUpHeaders, lookUpTags } from './look-up.ts';
import type { MovePorts } from './move.ts';
import { refusalError } from './refusal.ts';
import { noAnswer, relay, sendDelete } from './relay.ts';

export interface DeleteTagPorts extends MovePorts {
  readonly upstream: Upstream;
  readonly changes: Changes;
}

/** How long a delete waits for a push of its tag. */
const waitMs = 5_000;
const waitStepMs = 1_000;

/**
 * Answers a delete of a tag that an immutable rule covers: refused where it is there, and not found where it is not;
 * sent on only where an unlock, or the tag's age, lifts the rules.
 * @param rulesNow the rules in force, by which the delete is not denied already
 * @throws RegistryError, CredentialsRefused
 */
export async function deleteImmutable(
  exchange: Exchange,
  operation: DeleteTag,
  caller: Caller,
  rulesNow: () => RuleSet,
  ports: DeleteTagPorts,
): Promise<void> {
  const { repository, tag } = operation;
  const rules = rulesNow();
  const question = { repository, asCaller: lookUpHeaders(exchange) };
  const tags = await lookUpTags(ports.facts, [tag], question, { rules, caller });
  const decision = decide(rules, operation, caller, { nowMs: ports.clock.nowMs(), tags });
  if (decision.effect === 'allow') throw new Error(`no rule keeps ${repository}:${tag}`);
  const fact = tags.get(tag);
  if (fact?.state !== 'present') throw refusalError(decision);
  const write = { rules, operation, caller, tag };
  const lifted = decideLifted(write, await findLifting(write, fact, ports), ports);
  if (lifted.effect !== 'allow') throw refusalError(lifted);
  return deleteInTurn(exchange, operation, caller, rulesNow, ports);
}

/**
 * Deletes a tag of which several must know that it is gone: pushes of it wait meanwhile, and those after it know,
 * whatever the upstream shows for a while.
 * @throws RegistryError, CredentialsRefused
 */
export async function deleteInTurn(
  exchange: Exchange,
  operation: DeleteTag,
  caller: Caller,
  rulesNow: () => RuleSet,
  ports: DeleteTagPorts,
): Promise<void> {
  const { repository, tag } = operation;
  const claim = { repository, tags: [tag], digest: noManifest, needs: [], holder: randomUUID() };
  const base = await claimAlone({ ...claim, swaps: true }, ports);
  let isSent = false;
  try {
    const asking = { operation, asCaller: lookUpHeaders(exchange) };
    const write = { rules: rulesNow(), operation, caller, tag };
    const lifting = await findLifting(write, await lookUpBase(asking, tag, base, ports), ports);
    if ((await ports.claims.arm(claim).catch(away)) !== 'armed') throw unavailable('the claim was lost');
    // The rules may have changed meanwhile, and the clock has gone on.
    const written = { ...write, rules: rulesNow() };
    const decision = decideLifted(written, lifting, ports);
    if (decision.effect !== 'allow') throw refusalError(decision);
    trace(exchange.trail, written, lifting, ports);
    isSent = true;
    relay(exchange, await send(exchange, operation, written.rules, claim, ports), ports.upstream);
  } finally {
    if (!isSent) await ports.claims.giveBack(claim);
  }
}

/** @returns what was confirmed before @throws RegistryError where a push does not come to its end */
async function claimAlone(
  claim: ClaimRequest,
  { claims, clock }: DeleteTagPorts,
): Promise<Digest | undefined> {
  for (const endMs = clock.nowMs() + waitMs; ;) {
    const answer = await claims.claim(claim).catch(away);
    if (answer === 'away') throw unavailable('the store that the replicas share is away');
    if (answer.outcome === 'held') return answer.base;
    const leftMs = Math.min(endMs - clock.nowMs(), waitStepMs);
    if (leftMs <= 0 || answer.outcome !== 'taken') throw unavailable('a push of the tag may be under way');
    await claims.changed(claim.repository, answer.tag, leftMs);
  }
}

function unavailable(reason: string): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: `${reason}; try again`, retryAfterSeconds: 5 });
}

/** @throws RegistryError where there is no answer */
async function send(
  exchange: Exchange,
  operation: DeleteTag,
  rules: RuleSet,
  claim: ClaimRequest,
  ports: DeleteTagPorts,
): Promise<UpstreamAnswer> {
  const answer = await sendDelete(exchange, operation, ports.putDeadlineMs, ports);
  const outcome: PutOutcome<UpstreamAnswer> =
    'kind' in answer ? answer : { kind: 'answered', status: answer.status, tags: [], answer };
  await settleAs(claim, outcome, ports);
  if ('kind' in answer) throw noAnswer(answer, 'and may yet delete it');
  if (isSuccess(outcome)) await forgetTag(rules, operation.repository, operation.tag, ports);
  return answer;
}
