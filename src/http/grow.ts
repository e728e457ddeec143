import { noManifest } from '../core/claim.ts';
import { keepingOf, judgeAddition, type Growth, type Keeping } from '../core/judge-growth.ts';
import { readNeeds } from '../core/manifest.ts';
import type { PutManifest } from '../core/operation.ts';
import type { ClaimRequest, Needs, PushedDigests } from '../core/ports.ts';
import { parseReferrerTag, type ReferrerTag } from '../core/referrer-tag.ts';
import { abbreviateDigest, type Digest, type Tag } from '../core/reference.ts';
import { denied, type Stop, type TagFact } from '../core/verdict.ts';
import {
  busy,
  claimAndArm,
  claimOf,
  stop,
  untilUnmarked,
  type CreateOncePorts,
  type Push,
} from './claim-tags.ts';
import { sent, settleAs, type Put, type PushResult } from './create-once.ts';
import { lookUpMs } from './look-up.ts';

export interface GrowPorts extends CreateOncePorts {
  readonly needs: Needs;
  readonly walkMs: number;
}

/** How long the upstream may show less than was confirmed. */
const lagMs = 5_000;
const lagStepMs = 200;

/** A tag that holds what refers to a manifest, and what keeps it. */
export interface Growing extends ReferrerTag {
  readonly tag: Tag;
  readonly keeping: Keeping;
}

/**
 * Pushes to a tag that holds what refers to a manifest: signatures, attestations. While an immutable tag needs the
 * manifest nothing may be dropped from it, also by two who add something at the same time: compare and swap, with the
 * digest that was confirmed last as its base (docs/deletes.md).
 * @throws CredentialsRefused
 */
export async function pushGrowing<Answer>(
  push: Push,
  growing: Growing,
  text: string,
  put: Put<Answer>,
  ports: GrowPorts,
): Promise<PushResult<Answer>> {
  const claim: ClaimRequest = { ...claimOf(push, [growing.tag]), swaps: true };
  const readiness = await untilUnmarked(ports.clock, () =>
    claimAndArm(push, claim, ports, (base) => judge(push, growing, text, base, ports)),
  );
  if (readiness.kind === 'withheld') return { kind: 'refused', decision: readiness.refusal };
  if (readiness.kind === 'refused') return readiness;
  const outcome = await sent(put, push.operation);
  return (await settleAs(claim, outcome, ports)) ? { kind: 'sent', outcome } : { kind: 'unacknowledged' };
}

/**
 * The tag of a push that may only be added to; a refusal where it is not the only one, for its base would be another
 * one's too.
 * @throws CredentialsRefused
 */
export async function growingTag(push: Push, ports: GrowPorts): Promise<Growing | Stop | undefined> {
  const { operation, rules, caller, asCaller } = push;
  const { repository, tags } = operation;
  for (const tag of tags) {
    const referrerTag = parseReferrerTag(tag);
    // One that may not even grow is created once, like others.
    if (!referrerTag || push.tags.includes(tag)) continue;
    const needing = await ports.needs.tagsNeeding({
      ...{ repository, rules, asCaller, isVerified: caller.granted !== undefined },
      ...{ target: referrerTag.named, isManifest: true, claimed: [], withinMs: ports.walkMs },
    });
    if (needing.state === 'unknown') {
      return stop('UNAVAILABLE', `cannot tell who needs the manifest that ${tag} names (${needing.reason})`);
    }
    const keeping = keepingOf(rules, repository, tag, needing);
    if (!keeping) continue;
    if (tags.length === 1) return { ...referrerTag, tag, keeping };
    const message = `${repository}:${tag} holds what refers to an immutable image (rule ${keeping.ruleIds.join(', ')}); push it alone`;
    return denied(keeping.ruleIds, message, { repository, tag });
  }
  return undefined;
}

async function judge(
  push: Push,
  growing: Growing,
  text: string,
  base: Digest | undefined,
  ports: GrowPorts,
): Promise<Stop | undefined> {
  const { repository } = push.operation;
  const fact = await lookUpBase(push, growing.tag, base, ports);
  if (fact.state === 'unknown') {
    return stop('UNAVAILABLE', `cannot tell what ${repository}:${growing.tag} holds (${fact.reason})`);
  }
  if (fact.state === 'present' && fact.isPushed) return undefined;
  const before = await readBefore(push, fact, ports);
  if (typeof before === 'object') return before;
  const growth = { ...growing, repository, before, after: text, pushed: push.pushed.sha256 };
  return judgeAddition(growth) ?? judgeAdded(push, growth, ports);
}

/** What an index of referrers gets must refer to what its tag names: else others could hide something under it. */
async function judgeAdded(push: Push, growth: Growth, { needs }: GrowPorts): Promise<Stop | undefined> {
  if (growth.kind !== 'index') return undefined;
  const { repository, tag, named, keeping } = growth;
  const there = new Set(readNeeds(growth.before ?? '').children);
  for (const digest of readNeeds(growth.after).children.filter((child) => !there.has(child))) {
    const read = await needs.textOf({ repository, digest, asCaller: push.asCaller, withinMs: lookUpMs });
    if (read.state === 'unknown')
      return stop('UNAVAILABLE', `cannot tell what ${abbreviateDigest(digest)} refers to (${read.reason})`);
    if (read.state === 'known' && readNeeds(read.text).subjects.includes(named)) continue;
    const message = `${repository}:${tag} holds what refers to ${abbreviateDigest(named)} alone, and ${abbreviateDigest(digest)} does not (rule ${keeping.ruleIds.join(', ')})`;
    return denied(keeping.ruleIds, message, { repository, tag, digest });
  }
  return undefined;
}

/** What the tag holds, once the upstream shows what was confirmed last. */
export async function lookUpBase(
  push: Pick<Push, 'asCaller'> & {
    readonly operation: Pick<PutManifest, 'repository'>;
    pushed?: PushedDigests;
  },
  tag: Tag,
  base: Digest | undefined,
  { facts, clock }: Pick<GrowPorts, 'facts' | 'clock'>,
): Promise<TagFact> {
  const { operation, asCaller, pushed } = push;
  for (const endMs = clock.nowMs() + lagMs; ;) {
    const { repository } = operation;
    const question = { repository, tag, asCaller, ...(pushed && { pushed }), withinMs: lookUpMs };
    const fact = await facts.lookUp(question);
    if (fact.state === 'unknown' || base === undefined) return fact;
    if (fact.state === 'present' && fact.digest === base) return fact;
    if (fact.state === 'absent' && base === noManifest) return fact;
    if (clock.nowMs() >= endMs) return { state: 'unknown', reason: 'the upstream shows something older' };
    await clock.sleep(lagStepMs);
  }
}

async function readBefore(
  push: Push,
  fact: TagFact,
  { needs }: GrowPorts,
): Promise<string | undefined | Stop> {
  if (fact.state !== 'present') return undefined;
  const { operation, asCaller } = push;
  const { repository } = operation;
  const read = await needs.textOf({ repository, digest: fact.digest, asCaller, withinMs: lookUpMs });
  if (read.state === 'known') return read.text;
  return busy(`what ${repository} holds under this tag cannot be read`);
}
