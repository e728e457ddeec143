import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { isWrite, type Operation } from '../core/operation.ts';
import { formatReference } from '../core/reference.ts';
import type { Stop } from '../core/verdict.ts';
import { LimitReached } from './limits.ts';
import type { Route, Seen } from './server.ts';
import type { Judged } from './trail.ts';

/** Takes the lines that are kept for good. */
export interface Audit {
  write(line: Readonly<Record<string, unknown>>): void;
}

export interface Observer {
  readonly observe: Route['observe'];
  /** How many writes some rule that only warns would have refused. */
  readonly warned: () => number;
}

/** What a line of the audit is about. */
type Outcome = 'denied' | 'undecided' | 'warned' | 'unlocked';

/**
 * One line for every exchange: refusals and what changed an image at `info`, what failed at `warn`, the rest at `debug`.
 * Writes that were refused, or would have been, go to the audit too.
 */
export function observer(log: Logger, audit: Audit | undefined): Observer {
  let warned = 0;
  const observe: Route['observe'] = (exchange, seen) => {
    if (seen.trail.warnings.length > 0) warned += 1;
    const outcome = outcomeOf(seen);
    const [level, message] = headlineOf(exchange.res, seen);
    // To describe an exchange takes longer than to answer it from memory.
    if (!outcome && !log.isLevelEnabled(level)) return;
    const line = lineOf(exchange, seen);
    if (outcome) audit?.write({ audit: outcome, ...line });
    log[level](line, message);
  };
  return { observe, warned: () => warned };
}

type Headline = readonly [level: 'debug' | 'info' | 'warn', message: string];

function headlineOf({ headersSent, statusCode }: ServerResponse, { trail, error }: Seen): Headline {
  if (error instanceof LimitReached) return ['debug', 'limited'];
  if (error && error.status >= 500) return ['warn', 'failed'];
  if (error) return ['info', 'refused'];
  if (trail.warnings.length > 0) return ['warn', 'warned: rules that only warn would have refused it'];
  if (!headersSent) return ['debug', 'aborted'];
  if (trail.judged && changesImages(trail.judged.operation) && statusCode < 300) return ['info', 'wrote'];
  return ['debug', trail.isFromMemory ? 'answered from memory' : 'forwarded'];
}

function lineOf(
  { req, res }: { req: IncomingMessage; res: ServerResponse },
  { trail, error, client, durationMs }: Seen,
): Readonly<Record<string, unknown>> {
  const { judged, refusedToken, pushed, upstreamStatus, warnings, unlocks } = trail;
  const ruleIds = error?.ruleIds ?? [];
  const before = trail.before ?? error?.detail?.['digest'] ?? warnings[0]?.refusal.detail?.['digest'];
  return {
    requestId: trail.requestId,
    method: req.method,
    ...(judged && { ...described(judged.operation), ...describedBy(judged) }),
    ...(refusedToken && { operation: 'token', ...error?.detail, ...describedBy(refusedToken) }),
    ...(typeof before === 'string' && { digestBefore: before }),
    ...(pushed && { digestAfter: pushed }),
    status: res.headersSent ? res.statusCode : undefined,
    ...(upstreamStatus !== undefined && { upstreamStatus }),
    ...(error && { code: error.code, reason: error.message, cause: causeOf(error) }),
    ...(error instanceof LimitReached && { limit: error.limit }),
    ...(ruleIds.length > 0 && { ruleIds }),
    ...(unlocks.length > 0 && {
      unlocks: unlocks.map(({ id, tag, by, reason }) => ({ id, tag, by, reason })),
    }),
    ...(warnings.length > 0 && { warnings: warnings.map(describedWarning) }),
    client,
    ...(req.headers['user-agent'] !== undefined && { userAgent: req.headers['user-agent'] }),
    durationMs: Math.round(durationMs),
  };
}

/** A write that was judged; what a registry or a network made of it is not for the audit. */
function outcomeOf({ trail, error }: Seen): Outcome | undefined {
  if (trail.refusedToken) return 'denied';
  if (!trail.judged || !isWrite(trail.judged.operation)) return undefined;
  if (trail.unlocks.length > 0) return 'unlocked';
  if (!error || error === trail.failure) return trail.warnings.length > 0 ? 'warned' : undefined;
  if (error.code === 'DENIED') return 'denied';
  return error.code === 'UNAVAILABLE' || error.code === 'TOOMANYREQUESTS' ? 'undecided' : undefined;
}

function changesImages(operation: Operation): boolean {
  return isWrite(operation) && operation.kind !== 'startUpload' && operation.kind !== 'upload';
}

function describedBy({ caller, rules }: Omit<Judged, 'operation'>): Record<string, unknown> {
  return {
    rulesVersion: rules.version,
    ...(caller.subject !== undefined && { caller: caller.subject }),
  };
}

function describedWarning({ effect, ruleIds, refusal }: Stop): Record<string, unknown> {
  return { effect, ruleIds, reason: refusal.message };
}

/** What an operation is about; never its query, which holds the registry's upload state. */
function described(operation: Operation): Record<string, unknown> {
  return {
    operation: operation.kind,
    ...('repository' in operation && { repository: operation.repository }),
    ...('reference' in operation && { reference: formatReference(operation.reference) }),
    ...('tag' in operation && { reference: operation.tag }),
    ...('digest' in operation && { reference: operation.digest }),
    ...('tags' in operation && operation.tags.length > 1 && { tags: operation.tags }),
  };
}

function causeOf(error: Error): string | undefined {
  const { cause } = error;
  return cause instanceof Error
    ? `${cause.message}${cause.stack && isOurs(cause) ? `\n${cause.stack}` : ''}`
    : undefined;
}

/** A fault of this program's, whose place is worth knowing, and not the network's. */
function isOurs(cause: Error): boolean {
  return cause instanceof TypeError || cause instanceof RangeError || cause instanceof ReferenceError;
}
