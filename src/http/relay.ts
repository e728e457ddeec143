import { UpstreamFailure, type Upstream, type UpstreamAnswer } from '../adapters/upstream.ts';
import { RegistryError } from '../core/errors.ts';
import { printOperation, type DeleteDigest, type DeleteTag } from '../core/operation.ts';
import type { Changes } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import type { Exchange } from './exchange.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { trailHeaders } from './trail.ts';

/** What became of a write. `notSent`: nothing of it left this process. `lost`: no answer, it may yet be carried out. */
export type Unanswered = { readonly kind: 'notSent' | 'lost'; readonly error: Error };

/**
 * Sends what may change what a repository shows, and tells whether it may have arrived where there is no answer. Before
 * anybody is told of it, nobody answers any more with what was so before.
 * @throws what is no fault of the upstream
 */
export async function sendWrite(
  repository: Repository,
  send: () => Promise<UpstreamAnswer>,
  changes: Changes,
): Promise<UpstreamAnswer | Unanswered> {
  try {
    return await changes.around(repository, send);
  } catch (error) {
    if (!(error instanceof UpstreamFailure)) throw error;
    return { kind: error.sent ? 'lost' : 'notSent', error };
  }
}

/** What a registry says of a write is short. */
export const answerLimitBytes = 1024 * 1024;

/** Sends a delete at most once. */
export function sendDelete(
  exchange: Exchange,
  operation: DeleteDigest | DeleteTag,
  withinMs: number,
  { upstream, changes }: { readonly upstream: Upstream; readonly changes: Changes },
): Promise<UpstreamAnswer | Unanswered> {
  const request = { ...printOperation(operation), headers: requestHeaders(exchange.headers, exchange) };
  const send = (): Promise<UpstreamAnswer> =>
    exchange.trail.timing.asking(() => upstream.ask(request, withinMs, answerLimitBytes));
  return sendWrite(operation.repository, send, changes);
}

/** Passes the answer to a write on. */
export function relay({ res, addressed, trail }: Exchange, answer: UpstreamAnswer, upstream: Upstream): void {
  const { status, headers, body } = answer;
  trail.upstreamStatus = status;
  if (status >= 300 && status < 400) {
    throw new RegistryError('UNAVAILABLE', { status: 502, message: 'the upstream redirected a write' });
  }
  const rewriting = { addressed, upstreamOrigin: upstream.origin, isWrite: true };
  res.writeHead(status, [...responseHeaders(headers, status, rewriting), ...trailHeaders(trail)]);
  res.end(body);
}

/** @param doubt what may have come of it, where it was sent */
export function noAnswer({ kind, error }: Unanswered, doubt: string): RegistryError {
  if (kind === 'notSent') {
    return new RegistryError('UNAVAILABLE', {
      status: 502,
      message: 'the upstream registry is gone',
      cause: error,
    });
  }
  const timedOut = error instanceof UpstreamFailure && error.timedOut;
  return new RegistryError('UNAVAILABLE', {
    status: timedOut ? 504 : 502,
    message: `the upstream registry did not answer, ${doubt}`,
    cause: error,
  });
}

const definite = new Set([400, 401, 403, 404, 405, 413, 415]);

/** Answers that promise that a write was not, and will not be, carried out. */
export function isDefiniteRefusal(status: number): boolean {
  return definite.has(status);
}
