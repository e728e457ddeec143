import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { NotManaged } from '../../core/managed-rules.ts';
import { StoreAway } from '../../core/ports.ts';
import { ApiRefusal, ruleNotFound, storeAway, unsupported } from './refusals.ts';

/** The one writer of what is answered where something went wrong: never more than its public words. */
export function failureWriter(log: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { status, body, headers } = refusalOf(error, request);
    if (status >= 500) log.error({ err: error, method: request.method }, 'the management API failed');
    return reply.code(status).headers(headers).send(body);
  };
}

function refusalOf(error: unknown, request: FastifyRequest): ApiRefusal {
  if (error instanceof ApiRefusal) return error;
  if (error instanceof NotManaged) return ruleNotFound();
  if (error instanceof StoreAway) return storeAway();
  return ofClient(error, request) ?? new ApiRefusal(500, { message: '500 Internal Server Error' });
}

/** What fastify itself refuses: its words name its own internals. */
function ofClient(error: unknown, { headers }: FastifyRequest): ApiRefusal | undefined {
  const { statusCode } = error as { statusCode?: unknown };
  if (statusCode === 413) return new ApiRefusal(413, { error: '413 Request Entity Too Large' });
  if (statusCode === 415) return unsupported(headers['content-type']);
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return undefined;
  return new ApiRefusal(statusCode, { error: `${statusCode} Bad Request` });
}
