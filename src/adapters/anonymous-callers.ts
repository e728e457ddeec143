import type { AccessLevel } from '../core/access-level.ts';
import type { Callers } from '../core/ports.ts';

/** `auth.mode: anonymous`: nobody is identified, and everyone has the default level. */
export function anonymousCallers(defaultAccessLevel: AccessLevel): Callers {
  const anyone = { groups: [], defaultAccessLevel };
  return { identify: () => Promise.resolve(anyone) };
}
