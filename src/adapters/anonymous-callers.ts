import type { AccessLevel } from '../core/access-level.ts';
import type { Callers } from '../core/ports.ts';

/** `auth.mode: anonymous`: everyone has the default level, and who shows a certificate has its name, for members. */
export function anonymousCallers(defaultAccessLevel: AccessLevel): Callers {
  const anyone = { groups: [], defaultAccessLevel };
  return {
    identify: (_, subject) => Promise.resolve(subject === undefined ? anyone : { ...anyone, subject }),
  };
}
