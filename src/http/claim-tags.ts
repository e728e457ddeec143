import { noManifest } from '../core/claim.ts';
import { decide } from '../core/decision.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { PutManifest } from '../core/operation.ts';
import {
  StoreAway,
  type ClaimRequest,
  type ClaimStore,
  type Clock,
  type PushedDigests,
  type TagFacts,
  type Tombstones,
} from '../core/ports.ts';
import { abbreviateDigest, type Digest, type Tag } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { Decision, Facts, Stop, TagFact } from '../core/verdict.ts';
import { lookUpTags } from './look-up.ts';

export interface Push {
  readonly rules: RuleSet;
  readonly operation: PutManifest;
  readonly caller: Caller;
  /** Those of the operation's tags that an immutable rule covers: at least one. */
  readonly tags: readonly Tag[];
  readonly pushed: PushedDigests;
  /** What no delete may take away from it: every digest that it names, and its own. */
  readonly needs: readonly Digest[];
  readonly asCaller: HeaderList;
  /** Unique to this request. */
  readonly holder: string;
}

export interface CreateOncePorts {
  readonly claims: ClaimStore;
  readonly facts: TagFacts;
  readonly tombstones: Pick<Tombstones, 'recall' | 'bury' | 'replace'>;
  readonly clock: Clock;
}

/** How long a push waits for another one of the same tag: well below the 30 s after which containerd gives up. */
const waitMs = 5_000;
const waitStepMs = 1_000;
const markStepMs = 100;

/** `withheld`: nothing can be claimed now, which `refusal` says, for pushes that cannot do without. */
export type Claiming =
  /** `base`: the digest that was confirmed before, where this claim may take its place. */
  | { readonly kind: 'claimed'; readonly base?: Digest }
  | { readonly kind: 'refused'; readonly decision: Stop }
  | { readonly kind: 'withheld'; readonly refusal: Stop };

/** A delete that was announced after the claim was made, and did not see it in time. */
export const marked = { kind: 'marked' } as const;
export type Marked = typeof marked;

/** Tries again while a delete of something that a push needs is under way, for a while. */
export async function untilUnmarked<Result extends { readonly kind: string }>(
  clock: Clock,
  attempt: () => Promise<Result | Marked>,
): Promise<Exclude<Result, Marked> | { readonly kind: 'refused'; readonly decision: Stop }> {
  for (const endMs = clock.nowMs() + waitMs; ;) {
    const result = await attempt();
    if (result.kind !== 'marked') return result as Exclude<Result, Marked>;
    if (clock.nowMs() >= endMs) return { kind: 'refused', decision: busy(aDeleteIsUnderWay) };
    await clock.sleep(markStepMs);
  }
}

/** Claims all tags or none; waits a while for a push of another manifest, or a delete, that is under way. */
export async function claimTags(push: Push, claim: ClaimRequest, ports: CreateOncePorts): Promise<Claiming> {
  const { claims, clock } = ports;
  const endMs = clock.nowMs() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    const answer = await claims.claim(claim).catch(away);
    if (answer === 'away') return { kind: 'withheld', refusal: storeAway };
    const leftMs = endMs - clock.nowMs();
    switch (answer.outcome) {
      case 'held':
        return { kind: 'claimed', ...(answer.base !== undefined && { base: answer.base }) };
      case 'crowded':
        return refused(busy(`too many pushes of this manifest to ${placeOf(push, answer.tag)} at once`));
      case 'quarantined':
        if (answer.leftMs > leftMs) return { kind: 'withheld', refusal: quarantine(answer.leftMs) };
        await clock.sleep(answer.leftMs);
        break;
      case 'marked':
        if (leftMs <= 0) return refused(busy(deleteUnderWay(answer.target)));
        await clock.sleep(Math.min(leftMs, markStepMs));
        break;
      case 'taken': {
        // Deleted through us, a moment ago: its name is free.
        if (answer.digest === noManifest && answer.confirmed && claim.tags.length === 1)
          return claimTags(push, { ...claim, swaps: true }, ports);
        const denial = answer.confirmed
          ? denialBy(push, answer.tag, { state: 'present', digest: answer.digest, isPushed: false }, ports)
          : await waitForOther(
              push,
              answer.tag,
              Math.min(leftMs, waitStepMs),
              isFirst || claim.swaps === true,
              ports,
            );
        if (denial) return refused(denial);
      }
    }
  }
}

/**
 * Claims, has the push judged, and arms: what is `claimed` may be sent at once. What is not is given back.
 * @param judge why it must not be sent; hears the base of the claim
 */
export async function claimAndArm(
  push: Push,
  claim: ClaimRequest,
  ports: CreateOncePorts,
  judge: (base: Digest | undefined) => Promise<Stop | undefined>,
): Promise<Claiming | Marked> {
  const claiming = await claimTags(push, claim, ports);
  if (claiming.kind !== 'claimed') return claiming;
  let isArmed = false;
  try {
    const decision = await judge(claiming.base);
    if (decision) return { kind: 'refused', decision };
    const arming = await ports.claims.arm(claim).catch(away);
    if (arming === 'marked') return marked;
    if (arming !== 'armed') return { kind: 'refused', decision: notArmed[arming] };
    isArmed = true;
    return claiming;
  } finally {
    if (!isArmed) await ports.claims.giveBack(claim);
  }
}

/** Waits for the claim of another push to change; a refusal where the tag turns out to be gone to it, or time is up. */
async function waitForOther(
  push: Push,
  tag: Tag,
  leftMs: number,
  isUnasked: boolean,
  ports: CreateOncePorts,
): Promise<Stop | undefined> {
  const { claims, facts } = ports;
  const { repository } = push.operation;
  if (leftMs <= 0) return busy(`another push to ${placeOf(push, tag)} is under way`);
  // Listened for from now on: it may change while the upstream is asked.
  const changed = claims.changed(repository, tag, leftMs);
  if (!isUnasked) {
    // A claim whose confirmation was lost is as good as confirmed once its digest is there.
    const question = { repository, tag, asCaller: push.asCaller, pushed: push.pushed };
    const fact = await facts.lookUp({ ...question, withinMs: leftMs });
    if (fact.state === 'present' && !fact.isPushed) return denialBy(push, tag, fact, ports);
  }
  await changed;
  return undefined;
}

function refused(decision: Stop): Claiming {
  return { kind: 'refused', decision };
}

function placeOf({ operation }: Push, tag: Tag): string {
  return `${operation.repository}:${tag}`;
}

export function claimOf({ operation, pushed, needs, holder }: Push, tags: readonly Tag[]): ClaimRequest {
  return { repository: operation.repository, tags, digest: pushed.sha256, needs, holder };
}

/** The store is away: @throws anything else */
export function away(error: unknown): 'away' {
  if (error instanceof StoreAway) return 'away';
  throw error;
}

export function denialBy(push: Push, tag: Tag, fact: TagFact, ports: CreateOncePorts): Stop {
  const decision = decideWith(push, new Map([[tag, fact]]), ports);
  return decision.effect === 'allow' ? stop('UNAVAILABLE', 'the rules do not cover the tag') : decision;
}

export function lookUpAll(push: Push, { facts }: CreateOncePorts): Promise<ReadonlyMap<Tag, TagFact>> {
  const { operation, asCaller, pushed } = push;
  return lookUpTags(facts, push.tags, { repository: operation.repository, asCaller, pushed }, push);
}

export function decideWith(push: Push, tags: Facts['tags'], { clock }: CreateOncePorts): Decision {
  const facts = { nowMs: clock.nowMs(), pushed: push.pushed.sha256, tags };
  return decide(push.rules, push.operation, push.caller, facts);
}

function quarantine(leftMs: number): Stop {
  return stop(
    'UNAVAILABLE',
    'the store that the replicas share may have lost data; a first push of an immutable tag waits for what may be on its way',
    Math.ceil(leftMs / 1000),
  );
}

function deleteUnderWay(target: Digest): string {
  return `a delete of ${abbreviateDigest(target)}, which this manifest needs, is under way`;
}

/** 429 rather than 503: clients print its message, and crane, oras and containerd try again. */
export function busy(message: string): Stop {
  return stop('TOOMANYREQUESTS', message);
}

export function stop(code: 'UNAVAILABLE' | 'TOOMANYREQUESTS', message: string, retryAfterSeconds = 5): Stop {
  return {
    effect: 'undecided',
    ruleIds: [],
    refusal: { code, message: `${message}; try again`, retryAfterSeconds },
  };
}

const aDeleteIsUnderWay = 'a delete of something that this manifest needs is under way';

const storeAway = stop(
  'UNAVAILABLE',
  'the store that the replicas share is away, and a first push of an immutable tag needs it',
);

/** Why a claim that was held may not be used. */
export const notArmed = {
  lost: stop('UNAVAILABLE', 'the look-ups took longer than the claim lasted'),
  away: storeAway,
} as const;
