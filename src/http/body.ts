import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { RegistryError } from '../core/errors.ts';

const drainLimitBytes = 64 * 1024 * 1024;
const drainMs = 5_000;

export function hasBody(req: IncomingMessage): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
}

/**
 * Reads a body of at most `limitBytes` whole; `invite` is called before, unless it says that it is longer.
 * @throws RegistryError SIZE_INVALID beyond; UNAVAILABLE (408) where no byte came for `idleMs`;
 *   Error where the client went away
 */
export function readWhole(
  req: IncomingMessage,
  limitBytes: number,
  idleMs: number,
  invite: () => void,
): Promise<Buffer> {
  const tooLarge = (): RegistryError =>
    new RegistryError('SIZE_INVALID', { message: `a manifest has at most ${limitBytes} bytes` });
  if (Number(req.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge());
  invite();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const end = (error?: Error): void => {
      clearTimeout(idle);
      req.off('data', onData).off('end', onEnd).off('close', onClose).off('error', end);
      req.pause();
      if (error) reject(error);
      else resolve(Buffer.concat(chunks));
    };
    const onData = (chunk: Buffer): void => {
      idle.refresh();
      length += chunk.length;
      if (length > limitBytes) end(tooLarge());
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      end();
    };
    const onClose = (): void => {
      end(new Error('the client went away'));
    };
    const idle = setTimeout(() => {
      end(new RegistryError('UNAVAILABLE', { message: 'the body did not arrive in time', status: 408 }));
    }, idleMs);
    req.on('data', onData).on('end', onEnd).on('close', onClose).on('error', end);
  });
}

/**
 * The body as a stream that undici may destroy: to destroy the request itself would cut off the client, who may
 * still be owed an answer. A client that goes away destroys it, so that a cut body never looks like a whole one.
 */
export function detachedBody(req: IncomingMessage, onChunk: () => void): Readable {
  const body = new Readable({
    read: () => {
      req.resume();
    },
    destroy: (error, done) => {
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      done(error);
    },
  });
  const onData = (chunk: Buffer): void => {
    onChunk();
    if (!body.push(chunk)) req.pause();
  };
  const onEnd = (): void => {
    req.off('close', onClose);
    body.push(null);
  };
  const onClose = (): void => {
    body.destroy(new Error('the client went away'));
  };
  req.on('data', onData).on('end', onEnd).on('close', onClose);
  return body;
}

/**
 * Reads what is left of a body into nothing, for a while. A connection that is closed with unread bytes is reset, and
 * the reset takes the answer with it before the client has read it.
 */
export function drain(req: IncomingMessage): Promise<void> {
  if (req.complete || req.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let length = 0;
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > drainLimitBytes) end();
    };
    const end = (): void => {
      clearTimeout(timer);
      req.off('data', onData).off('end', end).off('close', end);
      resolve();
    };
    const timer = setTimeout(end, drainMs);
    req.on('data', onData).on('end', end).on('close', end).resume();
  });
}
