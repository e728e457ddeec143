import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { RegistryError } from '../core/errors.ts';
import { drain, hasBody } from './body.ts';
import type { Exchange } from './exchange.ts';

/**
 * The only writer of errors. Never rejects: where an answer was begun, or cannot be written, the connection ends, for
 * that is all that one exchange may cost.
 */
export async function answerError(
  { req, res, trail }: Pick<Exchange, 'req' | 'res' | 'trail'>,
  error: RegistryError,
): Promise<void> {
  if (res.headersSent) {
    // To HTTP/1.0 a close is the end of the body: only a reset says that it was cut.
    if (req.httpVersion === '1.0') req.socket.resetAndDestroy();
    else res.destroy();
    return;
  }
  const { retryAfterSeconds } = error;
  try {
    res.setHeader('X-Request-Id', trail.requestId);
    if (retryAfterSeconds !== undefined) res.setHeader('Retry-After', retryAfterSeconds);
    for (const challenge of error.challenges) res.appendHeader('WWW-Authenticate', challenge);
    await answerWhole(req, res, error.status, error.body());
  } catch {
    res.destroy();
  }
}

/** Writes an answer of our own whole, before what is left of the request's body is drained. */
export async function answerWhole(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  body: string,
): Promise<void> {
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
  const isUnread = hasBody(req) && !req.complete;
  if (isUnread) res.setHeader('Connection', 'close');
  // Its own reason: one that was set before, for an answer that then failed, may be what it failed of.
  res.writeHead(status, STATUS_CODES[status]);
  if (req.method !== 'HEAD') res.write(body);
  else res.flushHeaders();
  if (isUnread) await drain(req);
  res.end();
}
