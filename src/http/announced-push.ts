import { announcementOf } from '../core/announcement.ts';
import type { ClaimRequest } from '../core/ports.ts';
import {
  away,
  claimOf,
  claimTags,
  marked,
  notArmed,
  untilUnmarked,
  type Claiming,
  type CreateOncePorts,
  type Marked,
  type Push,
} from './claim-tags.ts';
import { isSuccess, sent, type Put, type PushResult, type PutOutcome } from './create-once.ts';
import { isDefiniteRefusal } from './relay.ts';

/**
 * Pushes a manifest to no immutable tag, but where tags are kept from being deleted: a delete by digest hears of it
 * meanwhile, and who deletes what it needs is waited for. Where the store is away it goes on unannounced, for deletes
 * by digest do not.
 */
export async function pushAnnounced<Answer>(
  push: Push,
  put: Put<Answer>,
  ports: CreateOncePorts,
): Promise<PushResult<Answer>> {
  const { claims } = ports;
  const claim = claimOf(push, [announcementOf(push.holder)]);
  const announcement = await untilUnmarked(ports.clock, () => announce(push, claim, ports));
  if (announcement.kind === 'refused') return announcement;
  const outcome = await sent(put, push.operation);
  if (announcement.kind === 'claimed')
    await (isOver(outcome) ? claims.giveBack(claim) : claims.leaveUnknown(claim));
  return { kind: 'sent', outcome };
}

async function announce(push: Push, claim: ClaimRequest, ports: CreateOncePorts): Promise<Claiming | Marked> {
  const { claims } = ports;
  const claiming = await claimTags(push, claim, ports);
  if (claiming.kind !== 'claimed') return claiming;
  const arming = await claims.arm(claim).catch(away);
  if (arming === 'armed') return claiming;
  await claims.giveBack(claim);
  // What lost the announcement keeps deletes away too: the store is gone, or in quarantine.
  return arming === 'marked' ? marked : { kind: 'withheld', refusal: notArmed[arming] };
}

/** Whether nothing more will come of it: what it made can be seen from now on. */
function isOver(outcome: PutOutcome<unknown>): boolean {
  if (outcome.kind !== 'answered') return outcome.kind === 'notSent';
  return isSuccess(outcome) || isDefiniteRefusal(outcome.status);
}
