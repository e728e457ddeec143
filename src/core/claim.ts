import type { Digest } from './reference.ts';

/**
 * `unknown`: a PUT of this holder may still be committed by the upstream. `confirmed`: it is over, and is remembered
 * so that a confirmation that is sent twice succeeds twice.
 */
type HolderState = 'live' | 'unknown' | 'confirmed';

/** What a delete claims a tag for: nothing has this digest. Confirmed it means that the tag is gone. */
export const noManifest = `sha256:${'0'.repeat(64)}` as Digest;

/** The reservation of one tag for one manifest (docs/create-once.md). */
export interface Claim {
  readonly digest: Digest;
  /** What a delete must leave alone while this claim lasts. */
  readonly needs: readonly Digest[];
  readonly confirmed: boolean;
  /** By the ids of requests, not a count: a give-back that arrives twice must not count twice. */
  readonly holders: ReadonlyMap<string, HolderState>;
  readonly expiresAtMs: number;
  /** What was confirmed before, while this claim may yet take its place. */
  readonly base?: ClaimBase;
}

export type ClaimBase = Pick<Claim, 'digest' | 'needs' | 'expiresAtMs'>;

interface Joiner extends Pick<Claim, 'digest' | 'needs'> {
  readonly holder: string;
  readonly swaps?: true;
}

export interface ClaimLifetimes {
  /** From claiming to arming. */
  readonly leaseMs: number;
  /** From arming, or from confirming: longer than a commit or a stale read at the upstream can take. */
  readonly ttlMs: number;
}

/** So many requests may push one new manifest at once; each may prolong the claim. */
export const holderLimit = 64;

export type Join =
  | { readonly outcome: 'held'; readonly claim: Claim }
  | { readonly outcome: 'taken'; readonly digest: Digest; readonly confirmed: boolean }
  | { readonly outcome: 'crowded' };

/** Nothing is left of a claim once its time is up. */
export function unexpired(claim: Claim | undefined, nowMs: number): Claim | undefined {
  return claim && claim.expiresAtMs > nowMs ? claim : undefined;
}

/** Set if absent, or in the place of one that gives way; joined, and so prolonged, if it is for the same manifest. */
export function join(
  current: Claim | undefined,
  joiner: Joiner,
  nowMs: number,
  { leaseMs }: ClaimLifetimes,
): Join {
  const { digest, needs, holder, swaps } = joiner;
  const fresh: Claim = { digest, needs, confirmed: false, holders: new Map(), expiresAtMs: 0 };
  const known = unexpired(current, nowMs) ?? fresh;
  const claim = withRoom(givesWay(known, joiner) ? swapped(known, fresh) : known);
  if (claim.digest !== digest) {
    return { outcome: 'taken', digest: claim.digest, confirmed: claim.confirmed && !swaps };
  }
  if (claim.holders.size >= holderLimit && !claim.holders.has(holder)) return { outcome: 'crowded' };
  return { outcome: 'held', claim: prolonged(withHolder(claim, holder, 'live'), nowMs + leaseMs) };
}

/** Not while anybody may still write what was confirmed: it would then be written after what takes its place. */
function givesWay({ digest, confirmed, holders }: Claim, joiner: Joiner): boolean {
  if (!joiner.swaps || digest === joiner.digest || !confirmed) return false;
  return [...holders.values()].every((state) => state === 'confirmed');
}

/** Not shortened: the base needs its time, in which look-ups may lag behind it. */
function swapped({ digest, needs, expiresAtMs }: Claim, fresh: Claim): Claim {
  return { ...fresh, expiresAtMs, base: { digest, needs, expiresAtMs } };
}

/** Where the limit is reached, those that are over go. */
function withRoom(claim: Claim): Claim {
  if (claim.holders.size < holderLimit) return claim;
  return { ...claim, holders: new Map([...claim.holders].filter(([, state]) => state !== 'confirmed')) };
}

/** The claim, prolonged to its full life, if it is still this holder's; else nothing may be sent. */
export function arm(
  current: Claim | undefined,
  digest: Digest,
  holder: string,
  nowMs: number,
  { ttlMs }: ClaimLifetimes,
): Claim | undefined {
  const claim = heldBy(current, digest, holder, nowMs);
  return claim && prolonged(claim, nowMs + ttlMs);
}

/** The claim, confirmed, if it is still this holder's; else the push must not be acknowledged. */
export function confirm(
  current: Claim | undefined,
  digest: Digest,
  holder: string,
  nowMs: number,
  { ttlMs }: ClaimLifetimes,
): Claim | undefined {
  const claim = heldBy(current, digest, holder, nowMs);
  if (!claim) return undefined;
  const holders = new Map([...claim.holders, [holder, 'confirmed' as const]]);
  const { needs, expiresAtMs } = prolonged(claim, nowMs + ttlMs);
  return { digest, needs, confirmed: true, holders, expiresAtMs };
}

/** The claim without this holder; it goes with its last holder, unless it is confirmed, and leaves its base. */
export function giveBack(
  current: Claim | undefined,
  digest: Digest,
  holder: string,
  nowMs: number,
): Claim | undefined {
  const claim = unexpired(current, nowMs);
  if (!claim || claim.digest !== digest || claim.holders.get(holder) !== 'live') return claim;
  const rest = withoutHolder(claim, holder);
  if (rest.confirmed || rest.holders.size > 0) return rest;
  return rest.base && unexpired({ ...rest.base, confirmed: true, holders: new Map() }, nowMs);
}

/** The claim with this holder in it until it expires: only the same manifest may be tried again until then. */
export function leaveUnknown(
  current: Claim | undefined,
  digest: Digest,
  holder: string,
  nowMs: number,
): Claim | undefined {
  const claim = heldBy(current, digest, holder, nowMs);
  return claim ? withHolder(claim, holder, 'unknown') : unexpired(current, nowMs);
}

export function isHeldBy(claim: Claim | undefined, digest: Digest, holder: string, nowMs: number): boolean {
  return heldBy(claim, digest, holder, nowMs) !== undefined;
}

function heldBy(
  current: Claim | undefined,
  digest: Digest,
  holder: string,
  nowMs: number,
): Claim | undefined {
  const claim = unexpired(current, nowMs);
  return claim?.digest === digest && claim.holders.has(holder) ? claim : undefined;
}

function prolonged(claim: Claim, expiresAtMs: number): Claim {
  return { ...claim, expiresAtMs: Math.max(claim.expiresAtMs, expiresAtMs) };
}

function withHolder(claim: Claim, holder: string, state: HolderState): Claim {
  // An unknown holder stays unknown: joining again does not take back what was sent.
  const known = claim.holders.get(holder);
  const kept = known === undefined || known === 'live' ? state : known;
  return { ...claim, holders: new Map([...claim.holders, [holder, kept]]) };
}

function withoutHolder(claim: Claim, holder: string): Claim {
  return { ...claim, holders: new Map([...claim.holders].filter(([id]) => id !== holder)) };
}
