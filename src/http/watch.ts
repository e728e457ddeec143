import { decide, tagsToLookUp } from '../core/decision.ts';
import { isWrite, type Operation } from '../core/operation.ts';
import type { Clock, Needs, PushedDigests, TagFacts } from '../core/ports.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { Decision, Facts } from '../core/verdict.ts';
import type { Exchange } from './exchange.ts';
import { lookUpHeaders, lookUpTags } from './look-up.ts';

export interface WatchPorts {
  readonly facts: TagFacts;
  readonly needs: Needs;
  readonly clock: Clock;
}

/** Longer than this nothing waits for rules that refuse nothing. */
const watchMs = 1_000;

interface Watched {
  readonly exchange: Exchange;
  readonly operation: Operation;
  readonly caller: Caller;
  readonly pushed?: PushedDigests;
}

/**
 * Notes what the rules that only warn would have refused of a write that goes on. They never refuse, claim or keep
 * anything back; what they need to know is asked for once, for a short time, and is unknown after that.
 * @param rules those in force
 */
export async function watch(watched: Watched, rules: RuleSet, ports: WatchPorts): Promise<void> {
  const { exchange, operation, caller } = watched;
  // What is uploaded was told of when the upload began.
  if (!rules.watched || !isWrite(operation) || operation.kind === 'upload') return;
  const nowMs = ports.clock.nowMs();
  let decision: Decision = decide(rules.watched, operation, caller, { nowMs, tags: new Map() });
  if (decision.effect === 'undecided') {
    const known = await factsOf(watched, rules.watched, ports).catch((error: unknown) => error as Error);
    if (!(known instanceof Error)) decision = decide(rules.watched, operation, caller, { nowMs, ...known });
  }
  if (decision.effect !== 'allow') exchange.trail.warnings.push(decision);
}

async function factsOf(
  { exchange, operation, caller, pushed }: Watched,
  rules: RuleSet,
  { facts, needs }: WatchPorts,
): Promise<Omit<Facts, 'nowMs'>> {
  const asCaller = lookUpHeaders(exchange);
  switch (operation.kind) {
    case 'putManifest':
    case 'deleteTag': {
      const { repository } = operation;
      const question = { repository, asCaller, ...(pushed && { pushed }) };
      const asked = tagsToLookUp(rules, operation);
      const tags = await lookUpTags(facts, asked, question, undefined, watchMs);
      return { tags, ...(pushed && { pushed: pushed.sha256 }) };
    }
    case 'deleteManifest':
    case 'deleteBlob': {
      const isManifest = operation.kind === 'deleteManifest';
      const { repository, digest: target } = operation;
      const needing = await needs.tagsNeeding({
        ...{ repository, target, isManifest, rules, asCaller, withinMs: watchMs },
        ...{ isVerified: caller.granted !== undefined, claimed: [] },
      });
      return { tags: new Map(), needing };
    }
    default:
      return { tags: new Map() };
  }
}
