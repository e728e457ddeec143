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

/** Of several that allow the same the one that lasts longest. */
export function unlockFor(
  unlocks: readonly Unlock[],
  { repository, tag, action, caller }: UnlockQuestion,
): Unlock | undefined {
  return unlocks
    .filter((unlock) => unlock.repository === repository && unlock.tag === tag)
    .filter(({ actions, subject }) => {
      return actions.includes(action) && (subject === undefined || subject === caller.subject);
    })
    .sort((one, other) => other.untilMs - one.untilMs)[0];
}

export interface UnlockQuestion {
  readonly repository: Repository;
  readonly tag: Tag;
  readonly action: UnlockAction;
  readonly caller: Caller;
}
