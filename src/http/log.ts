import type { Logger } from 'pino';
import { isWrite, type Operation } from '../core/operation.ts';
import { formatReference } from '../core/reference.ts';
import type { Route } from './server.ts';

/** One line for every exchange: refusals and what changed an image at `info`, what failed at `warn`, the rest at `debug`. */
export function observer(log: Logger): Route['observe'] {
  return ({ req, res }, { judged, error, client, durationMs }) => {
    const line = {
      method: req.method,
      ...(judged && { ...described(judged.operation), rulesVersion: judged.rules.version }),
      ...(judged?.caller.subject !== undefined && { caller: judged.caller.subject }),
      status: res.headersSent ? res.statusCode : undefined,
      ...(error && { code: error.code, reason: error.message, cause: causeOf(error) }),
      client,
      durationMs: Math.round(durationMs),
    };
    if (error && error.status >= 500) log.warn(line, 'failed');
    else if (error) log.info(line, 'refused');
    else if (!res.headersSent) log.debug(line, 'aborted');
    else if (judged && changesImages(judged.operation) && res.statusCode < 300) log.info(line, 'wrote');
    else log.debug(line, 'forwarded');
  };
}

function changesImages(operation: Operation): boolean {
  return isWrite(operation) && operation.kind !== 'startUpload' && operation.kind !== 'upload';
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
