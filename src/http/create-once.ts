import { decide } from '../core/decision.ts';
import type { Decision, Facts, Stop, TagFact } from '../core/verdict.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { PutManifest } from '../core/operation.ts';
import type { ClaimRequest, ClaimStore, Clock, PushedDigests, TagFacts } from '../core/ports.ts';
import { isTag, type Tag } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import { lookUpTags } from './look-up.ts';

/** What became of a PUT. `notSent`: nothing of it left this process. `lost`: no answer, it may yet be committed. */
export type PutOutcome<Answer> =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly tags: readonly string[];
      readonly answer: Answer;
    }
  | { readonly kind: 'notSent' | 'lost'; readonly error: Error };

/** `unacknowledged`: the upstream took it, but the claim was lost meanwhile, so that nobody may be told so. */
export type PushResult<Answer> =
  | { readonly kind: 'refused'; readonly decision: Stop }
  | { readonly kind: 'sent'; readonly outcome: PutOutcome<Answer> }
  | { readonly kind: 'unacknowledged' };

export interface Push {
  readonly rules: RuleSet;
  readonly operation: PutManifest;
  readonly caller: Caller;
  /** Those of the operation's tags that an immutable rule covers: at least one. */
  readonly tags: readonly Tag[];
  readonly pushed: PushedDigests;
  readonly asCaller: HeaderList;
  /** Unique to this request. */
  readonly holder: string;
}

export interface CreateOncePorts {
  readonly claims: ClaimStore;
  readonly facts: TagFacts;
  readonly clock: Clock;
}

/** How long a push waits for another one of the same tag: well below the 30 s after which containerd gives up. */
const waitMs = 5_000;
const waitStepMs = 1_000;
/** Answers that promise that the manifest was not, and will not be, committed. */
const definiteRefusals = new Set([400, 401, 403, 404, 405, 413, 415]);

/**
 * Pushes a manifest to tags that may be created once: claim, ask, arm, put, settle. Every step is there because two
 * pushes could both be acknowledged without it (docs/create-once.md). Calls `put` at most once.
 * @throws CredentialsRefused, and whatever the claim store throws before the PUT was sent
 */
export async function pushOnce<Answer>(
  push: Push,
  put: () => Promise<PutOutcome<Answer>>,
  ports: CreateOncePorts,
): Promise<PushResult<Answer>> {
  const { claims } = ports;
  const claim = claimOf(push, push.tags);
  const notClaimed = await claimTags(push, claim, ports);
  if (notClaimed) return { kind: 'refused', decision: notClaimed };

  let armed = false;
  try {
    const decision = decideWith(push, await lookUpAll(push, ports), ports);
    if (decision.effect !== 'allow') return { kind: 'refused', decision };
    armed = await claims.arm(claim);
    if (!armed)
      return { kind: 'refused', decision: undecided('the look-ups took longer than the claim lasted') };
  } finally {
    if (!armed) await claims.giveBack(claim);
  }
  const outcome = await put().catch((error: unknown): PutOutcome<Answer> => ({
    kind: 'lost',
    error: error as Error,
  }));
  return (await settle(push, outcome, ports)) ? { kind: 'sent', outcome } : { kind: 'unacknowledged' };
}

function claimOf({ operation, pushed, holder }: Push, tags: readonly Tag[]): ClaimRequest {
  return { repository: operation.repository, tags, digest: pushed.sha256, holder };
}

/** Claims all tags or none; waits a while for a push of another manifest that is under way. */
async function claimTags(push: Push, claim: ClaimRequest, ports: CreateOncePorts): Promise<Stop | undefined> {
  const { claims, facts, clock } = ports;
  const { repository } = claim;
  const endMs = clock.nowMs() + waitMs;
  for (let isFirst = true; ; isFirst = false) {
    const answer = await claims.claim(claim);
    if (answer.outcome === 'held') return undefined;
    const place = `${repository}:${answer.tag}`;
    if (answer.outcome === 'crowded') return busy(`too many pushes of this manifest to ${place} at once`);
    if (answer.confirmed)
      return denialBy(push, answer.tag, { ...answer, state: 'present', isPushed: false }, ports);

    const leftMs = Math.min(endMs - clock.nowMs(), waitStepMs);
    if (leftMs <= 0) return busy(`another push to ${place} is under way`);
    // Listened for from now on: it may change while the upstream is asked.
    const changed = claims.changed(repository, answer.tag, leftMs);
    if (!isFirst) {
      // A claim whose confirmation was lost is as good as confirmed once its digest is there.
      const question = { repository, tag: answer.tag, asCaller: push.asCaller, pushed: push.pushed };
      const fact = await facts.lookUp({ ...question, withinMs: leftMs });
      if (fact.state === 'present' && !fact.isPushed) return denialBy(push, answer.tag, fact, ports);
    }
    await changed;
  }
}

function denialBy(push: Push, tag: Tag, fact: TagFact, ports: CreateOncePorts): Stop {
  const decision = decideWith(push, new Map([[tag, fact]]), ports);
  return decision.effect === 'allow' ? undecided('the rules do not cover the tag') : decision;
}

function lookUpAll(push: Push, { facts }: CreateOncePorts): Promise<ReadonlyMap<Tag, TagFact>> {
  const { operation, asCaller, pushed } = push;
  return lookUpTags(facts, push.tags, { repository: operation.repository, asCaller, pushed });
}

function decideWith(push: Push, tags: Facts['tags'], { clock }: CreateOncePorts): Decision {
  const facts = { nowMs: clock.nowMs(), pushed: push.pushed.sha256, tags };
  return decide(push.rules, push.operation, push.caller, facts);
}

function undecided(message: string): Stop {
  return stop('UNAVAILABLE', message);
}

/** 429 rather than 503: clients print its message, and crane, oras and containerd try again. */
function busy(message: string): Stop {
  return stop('TOOMANYREQUESTS', message);
}

function stop(code: 'UNAVAILABLE' | 'TOOMANYREQUESTS', message: string): Stop {
  return {
    effect: 'undecided',
    ruleIds: [],
    refusal: { code, message: `${message}; try again`, retryAfterSeconds: 5 },
  };
}

/** Whether a success may be passed on: only while every claim is still ours, and now confirmed. */
async function settle<Answer>(
  push: Push,
  outcome: PutOutcome<Answer>,
  ports: CreateOncePorts,
): Promise<boolean> {
  const { claims } = ports;
  const claim = claimOf(push, push.tags);
  if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300) {
    return settleCreated(push, outcome.tags, ports);
  }
  const isDefinite =
    outcome.kind === 'answered' ? definiteRefusals.has(outcome.status) : outcome.kind === 'notSent';
  if (isDefinite) await claims.giveBack(claim);
  else await claims.leaveUnknown(claim);
  return true;
}

/** Of several `?tag=` only those count that the upstream names in OCI-Tag (end-7b); it is asked about the others. */
async function settleCreated(push: Push, named: readonly string[], ports: CreateOncePorts): Promise<boolean> {
  const { claims } = ports;
  const isByTag = 'tag' in push.operation.reference;
  const created = push.tags.filter((tag) => isByTag || named.filter(isTag).includes(tag));
  const others = push.tags.filter((tag) => !created.includes(tag));
  const facts =
    others.length > 0 ? await lookUpAll({ ...push, tags: others }, ports) : new Map<Tag, TagFact>();
  for (const [tag, fact] of facts) {
    if (fact.state === 'present' && fact.isPushed) created.push(tag);
    else if (fact.state === 'absent') await claims.giveBack(claimOf(push, [tag]));
    else await claims.leaveUnknown(claimOf(push, [tag]));
  }
  return created.length === 0 || claims.confirm(claimOf(push, created));
}
