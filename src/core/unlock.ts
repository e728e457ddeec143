import type { Repository, Tag } from './reference.ts';
import type { Caller } from './rule.ts';

export const unlockActions = ['push', 'delete'] as const;
export type UnlockAction = (typeof unlockActions)[number];

/** What is asked for: an exception to the immutable rules of one tag, for a while. */
export interface UnlockRequest {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly actions: readonly UnlockAction[];
  /** Whom alone it is for; absent: whoever could push or delete the tag if it were not immutable. */
  readonly subject?: string;
  readonly reason: string;
  /** By the token of the management API that asked. */
  readonly by: string;
}

export interface Unlock extends UnlockRequest {
  readonly id: string;
  /** Epoch milliseconds, by this process's clock, and rather earlier than later. */
  readonly untilMs: number;
}

/** Unlocks, shared by all replicas: they end by themselves. Every method throws StoreAway. */
export interface Unlocks {
  /** Those that have not ended. */
  all(): Promise<readonly Unlock[]>;
  add(request: UnlockRequest, lifetimeMs: number): Promise<Unlock>;
  /** Ends one early: whether there was one. */
  end(id: string): Promise<boolean>;
}

/** At most a day: an exception that lasts is a rule. */
export const longestUnlockMs = 24 * 3_600_000;

export interface UnlockQuestion {
  readonly repository: Repository;
  readonly action: UnlockAction;
  readonly caller: Caller;
}

/** Those that are for what a caller does in a repository: of several for one tag the one that lasts longest. */
export function unlocksFor(
  unlocks: readonly Unlock[],
  { repository, action, caller }: UnlockQuestion,
): ReadonlyMap<Tag, Unlock> {
  const longest = new Map<Tag, Unlock>();
  for (const unlock of unlocks) {
    const { tag, actions, subject, untilMs } = unlock;
    const isFor = actions.includes(action) && (subject === undefined || subject === caller.subject);
    if (unlock.repository !== repository || !isFor) continue;
    if (untilMs > (longest.get(tag)?.untilMs ?? -Infinity)) longest.set(tag, unlock);
  }
  return longest;
}
