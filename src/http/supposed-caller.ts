import { anonymousSubject } from '../adapters/token/token-callers.ts';
import type { AuthConfig } from '../config/auth.ts';
import type { AccessLevel } from '../core/access-level.ts';
import type { Caller } from '../core/rule.ts';

/** Who is supposed to ask. */
export interface Named {
  /** Absent: somebody who shows no credentials. */
  readonly subject?: string;
  readonly groups: readonly string[];
  /** What the caller is everywhere; absent: as `auth.mode` has it. */
  readonly level?: AccessLevel;
}

/** As the door makes one of whom it identified; who shows no credentials is less than anybody who does. */
export function suppose(
  { mode, defaultAccessLevel }: Pick<AuthConfig, 'mode' | 'defaultAccessLevel'>,
  { subject, groups, level }: Named,
): Caller {
  const isNobody = subject === undefined || subject === anonymousSubject;
  const isLess = isNobody && (mode === 'builtin' || mode === 'upstream');
  const named = subject ?? (mode === 'builtin' ? anonymousSubject : undefined);
  return {
    groups,
    defaultAccessLevel: level ?? (isLess ? 'anonymous' : defaultAccessLevel),
    ...(named !== undefined && { subject: named }),
  };
}
