import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HeaderList } from '../core/header-list.ts';
import type { Target } from '../core/target.ts';
import type { Addressed } from './forwarded.ts';
import type { Quota } from './limits.ts';
import type { Trail } from './trail.ts';

/** One request and its response, on their way through. */
export interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** What the client sent, as far as it may go upstream. */
  readonly headers: HeaderList;
  readonly target: Target;
  readonly addressed: Addressed;
  readonly quota: Quota;
  /** The client waits for `100 Continue` before it sends the body: it gets one only if the body is wanted. */
  readonly awaitsContinue: boolean;
  readonly trail: Trail;
}

/** To be called right before the body is read. */
export function inviteBody({ res, awaitsContinue }: Exchange): void {
  if (awaitsContinue) res.writeContinue();
}
