import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RegistryError } from '../core/errors.ts';
import { drain, hasBody } from './body.ts';

/** The only writer of errors. What was begun cannot be taken back: then the connection ends. */
export async function answerError(
  req: IncomingMessage,
  res: ServerResponse,
  error: RegistryError,
  extraHeaders: readonly (readonly [name: string, value: string])[] = [],
): Promise<void> {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { retryAfterSeconds } = error;
  if (retryAfterSeconds !== undefined) res.setHeader('Retry-After', retryAfterSeconds);
  for (const [name, value] of extraHeaders) res.appendHeader(name, value);
  await answerWhole(req, res, error.status, error.body());
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
  res.writeHead(status);
  if (req.method !== 'HEAD') res.write(body);
  else res.flushHeaders();
  if (isUnread) await drain(req);
  res.end();
}
