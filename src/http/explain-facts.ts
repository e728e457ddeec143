import { NoToken } from '../adapters/token/token-realm.ts';
import { noManifest } from '../core/claim.ts';
import { decide, tagsToLookUp } from '../core/decision.ts';
import { dependsOnNeed, growingTags, type Explainable } from '../core/explain.ts';
import type { HeaderList } from '../core/header-list.ts';
import {
  CredentialsRefused,
  type Clock,
  type Needs,
  type PushedDigests,
  type TagFacts,
  type Tombstones,
} from '../core/ports.ts';
import type { Digest, Repository, Tag } from '../core/reference.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { Facts, NeedFact, TagFact } from '../core/verdict.ts';
import { unlocksFor } from '../core/unlock.ts';
import { away } from './claim-tags.ts';
import { hasAge, recalled, type LiftingPorts } from './lifting.ts';
import { lookUpTags } from './look-up.ts';

/** What is asked, and what the asker knows of it. */
export interface Supposition {
  readonly operation: Explainable;
  readonly caller: Caller;
  /** Of the manifest that would be pushed; absent: one that is nowhere yet. */
  readonly pushed?: Digest;
  /** What the tag is; absent: it is looked up. */
  readonly is?: Digest | 'absent';
}

/** Where it is looked up what was not supposed. */
export interface Sources {
  readonly facts: TagFacts;
  readonly needs: Needs;
  readonly tombstones: Pick<Tombstones, 'recall'>;
  readonly walkMs: number;
  /** With what the upstream is asked. */
  readonly authorize: (repository: Repository) => Promise<HeaderList>;
}

export interface FactPorts {
  readonly clock: Clock;
  /** Or why nothing can be looked up. */
  readonly sources: Sources | { readonly reason: string };
  /** What lifts rules off a tag for a while; absent: only a running instance knows. */
  readonly lifting?: LiftingPorts;
}

/**
 * All that `explain` needs to know, as the door finds it out: nothing is looked up of what is refused anyway.
 * Never rejects but for a fault of ours.
 */
export async function gatherFacts(
  rules: RuleSet,
  supposed: Supposition,
  { clock, sources, lifting }: FactPorts,
): Promise<Facts> {
  const { operation, caller, pushed } = supposed;
  const nothing: Facts = {
    nowMs: clock.nowMs(),
    tags: new Map(),
    ...(pushed !== undefined && { pushed }),
  };
  if (decide(rules, operation, caller, nothing).effect === 'deny') {
    // What was told is not asked for, and the other rules are explained by it.
    if (supposed.is === undefined) return nothing;
    return { ...nothing, tags: await tagFacts(withWatched(rules), supposed, sources) };
  }
  const all = withWatched(rules);
  const mayGrow = growingTags(all, operation).length > 0;
  const isClear = decide(all, operation, caller, nothing).effect === 'allow';
  if (isClear && !mayGrow) return nothing;
  const tags = await tagFacts(all, supposed, sources);
  const lifts = lifting ? await liftsOf(all, supposed, lifting) : {};
  if (!mayGrow && !dependsOnNeed(operation)) return { ...nothing, ...lifts, nowMs: clock.nowMs(), tags };
  const needing = 'reason' in sources ? unknown(sources.reason) : await needFact(all, supposed, sources);
  return { ...nothing, ...lifts, nowMs: clock.nowMs(), tags, needing };
}

/** As if it were sent now; where the store is away nothing is lifted, as at the door. */
async function liftsOf(
  rules: RuleSet,
  { operation, caller }: Supposition,
  { births, unlocks, clock, putDeadlineMs }: LiftingPorts,
): Promise<Pick<Facts, 'endsMs' | 'unlockedUntilMs' | 'bornMs'>> {
  const { repository } = operation;
  const action = operation.kind === 'putManifest' ? 'push' : 'delete';
  const all = await unlocks.all().catch(away);
  const unlocked = unlocksFor(all === 'away' ? [] : all, { repository, action, caller });
  const asked = operation.kind === 'putManifest' || operation.kind === 'deleteTag' ? operation : undefined;
  const aging = (asked ? tagsToLookUp(rules, asked) : []).filter((tag) => hasAge(rules, repository, tag));
  const born = await Promise.all(
    aging.map(async (tag) => [tag, await births.recall(repository, tag).catch(away)] as const),
  );
  return {
    endsMs: clock.nowMs() + putDeadlineMs,
    unlockedUntilMs: new Map([...unlocked].map(([tag, { untilMs }]) => [tag, untilMs])),
    bornMs: new Map(born.filter((entry): entry is readonly [Tag, number] => typeof entry[1] === 'number')),
  };
}

/** Those that only warn are to be explained too. */
function withWatched(rules: RuleSet): RuleSet {
  const { watched } = rules;
  if (!watched) return rules;
  const version = `${rules.version}+${watched.version}`;
  return { ...rules, version, tagRules: [...rules.tagRules, ...watched.tagRules] };
}

async function tagFacts(
  rules: RuleSet,
  { operation, pushed, is }: Supposition,
  sources: FactPorts['sources'],
): Promise<ReadonlyMap<Tag, TagFact>> {
  if (operation.kind !== 'putManifest' && operation.kind !== 'deleteTag') return new Map();
  const once = tagsToLookUp(rules, operation);
  const tags = [...once, ...growingTags(rules, operation)];
  if (tags.length === 0) return new Map();
  if (is !== undefined) return each(tags, supposedFact(is, pushed));
  if ('reason' in sources) return each(tags, unknown(sources.reason));
  const { repository } = operation;
  try {
    const asCaller = await sources.authorize(repository);
    const question = {
      ...{ repository, asCaller },
      ...(operation.kind === 'putManifest' && { pushed: pushedDigests(pushed) }),
    };
    // As of one that may move: to explain must leave nothing behind, in the ledger or among the tombstones.
    const known = await Promise.all([
      lookUpTags(sources.facts, once, question).then((known) =>
        Promise.all(
          [...known].map(
            async ([tag, fact]) =>
              [tag, await recalled({ rules, repository, tag, pushed }, fact, sources.tombstones)] as const,
          ),
        ),
      ),
      lookUpTags(sources.facts, growingTags(rules, operation), question),
    ]);
    return new Map(known.flatMap((facts) => [...facts]));
  } catch (error) {
    return each(tags, refusal(error));
  }
}

function supposedFact(is: Digest | 'absent', pushed: Digest | undefined): TagFact {
  return is === 'absent' ? { state: 'absent' } : { state: 'present', digest: is, isPushed: is === pushed };
}

/** A push is looked up as one also where it is not known of what. */
function pushedDigests(pushed: Digest | undefined): PushedDigests {
  return { sha256: pushed ?? noManifest, includes: (digest) => digest === pushed };
}

async function needFact(
  rules: RuleSet,
  { operation, caller }: Supposition,
  { needs, walkMs, authorize }: Sources,
): Promise<NeedFact> {
  const { repository } = operation;
  const target = targetOf(operation);
  if (target === undefined) return unknown('nothing is to be deleted');
  try {
    const needing = await needs.tagsNeeding({
      ...{ repository, target, rules, claimed: [], withinMs: walkMs },
      isManifest: operation.kind !== 'deleteBlob',
      asCaller: await authorize(repository),
      isVerified: caller.granted !== undefined,
    });
    // They are found one by one, once, and asked about by every rule.
    return needing.state === 'known' ? { ...needing, tags: [...needing.tags] } : needing;
  } catch (error) {
    return refusal(error);
  }
}

function targetOf(operation: Explainable): Digest | undefined {
  if ('digest' in operation) return operation.digest;
  const tags = operation.kind === 'putManifest' ? operation.tags : [operation.tag];
  return tags.map((tag) => parseReferrerTag(tag)?.named).find((named) => named !== undefined);
}

function each(tags: readonly Tag[], fact: TagFact): ReadonlyMap<Tag, TagFact> {
  return new Map(tags.map((tag) => [tag, fact]));
}

function unknown(reason: string): { readonly state: 'unknown'; readonly reason: string } {
  return { state: 'unknown', reason };
}

/** @throws what is no matter of credentials */
function refusal(error: unknown): ReturnType<typeof unknown> {
  if (error instanceof CredentialsRefused || error instanceof NoToken) return unknown(error.message);
  throw error;
}
