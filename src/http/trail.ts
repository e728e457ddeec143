import type { RegistryError } from '../core/errors.ts';
import type { Operation } from '../core/operation.ts';
import type { Digest } from '../core/reference.ts';
import type { Caller, RuleSet } from '../core/rule.ts';
import type { TraceContext } from '../core/trace-context.ts';
import type { Unlock } from '../core/unlock.ts';
import type { Stop } from '../core/verdict.ts';
import { Timing } from './timing.ts';

/** By what a request was judged. */
export interface Judged {
  readonly operation: Operation;
  readonly caller: Caller;
  readonly rules: RuleSet;
}

export type Asked = Operation['kind'] | 'token' | 'passthrough';

/** What becomes known of one exchange while it is served, for the log, the audit and the client. */
export interface Trail {
  /** Kept from the client, or made: by it an exchange is found in the log. */
  readonly requestId: string;
  readonly timing: Timing;
  /** Where Running has it. */
  place: number;
  /** What is asked, as soon as that is known; undefined: nothing that is served. */
  asks?: Asked;
  /** Absent: nothing is recorded, and the client's own is passed on. */
  trace?: TraceContext;
  /** Twice set, where a body was waited for in between; undefined: it was no request that is judged. */
  judged?: Judged;
  /** By what a token was refused that would have been good for a push. */
  refusedToken?: Omit<Judged, 'operation'>;
  /** What the tag, or the manifest, was before; as far as it had to be known. */
  before?: Digest;
  /** What is pushed. */
  pushed?: Digest;
  /** What the upstream answered to the operation itself. */
  upstreamStatus?: number;
  /** What the upstream answered to another request was answered to this one too. */
  isFromMemory?: true;
  /** What was answered in place of what the upstream did not send. */
  failure?: RegistryError;
  /** The exceptions by which it was let through. */
  unlocks: readonly Unlock[];
  /** What rules that only warn would have refused. */
  readonly warnings: Stop[];
}

const requestIdGrammar = /^[\x21-\x7e]{1,128}$/;

/** @param given the client's `X-Request-Id`, which stays where it can be logged and sent as it is */
export function newTrail(given: string | undefined, make: () => string): Trail {
  return {
    requestId: given !== undefined && requestIdGrammar.test(given) ? given : make(),
    timing: new Timing(),
    place: 0,
    unlocks: [],
    warnings: [],
  };
}

/** What every answer says of its exchange. */
export function trailHeaders(trail: Trail): string[] {
  return ['X-Request-Id', trail.requestId, ...warningHeaders(trail)];
}

/** RFC 9111, section 5.5: told to the client beside what its request came to. */
function warningHeaders({ warnings }: Trail): string[] {
  return warnings.flatMap(({ effect, refusal }) => {
    const verdict = effect === 'deny' ? 'would be denied' : 'could not be judged';
    return ['Warning', `299 tagwarden "${verdict}: ${quotable(refusal.message)}"`];
  });
}

/** Clients and proxies take a head of some kilobytes. */
const messageLimit = 400;

/** A header is ASCII: the ellipsis of a digest would throw. */
function quotable(message: string): string {
  const whole = message.length > messageLimit ? `${message.slice(0, messageLimit)}…` : message;
  return whole
    .replaceAll('…', '...')
    .replace(/["\\]/g, '\\$&')
    .replace(/[^\x20-\x7e]/g, '?');
}
