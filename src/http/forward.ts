import type { AnswerHead, AnswerReceiver, Sending } from '../adapters/answer-receiver.ts';
import type { Upstream } from '../adapters/upstream.ts';
import { RegistryError } from '../core/errors.ts';
import type { HeaderList } from '../core/header-list.ts';
import { isWrite, printOperation, type Operation } from '../core/operation.ts';
import { answerError } from './answer.ts';
import { detachedBody, drain, hasBody } from './body.ts';
import { inviteBody, type Exchange } from './exchange.ts';
import { requestHeaders, responseHeaders, type Rewriting } from './headers.ts';
import { trailHeaders } from './trail.ts';
import { ongoingUpload, type UploadPorts } from './upload-location.ts';

export interface ForwardPorts {
  readonly upstream: Upstream;
  /** How long a transfer may stand still. */
  readonly idleMs: number;
  readonly uploads: UploadPorts;
  /** Hears when the upstream begins to answer. */
  readonly onAnswer?: () => void;
}

/** Sends an operation upstream and streams the answer back; resolves when the exchange is over. */
export function forward(exchange: Exchange, operation: Operation, ports: ForwardPorts): Promise<void> {
  const rewriting = {
    addressed: exchange.addressed,
    upstreamOrigin: ports.upstream.origin,
    isWrite: isWrite(operation),
    upload: ongoingUpload(operation, ports.uploads),
  };
  return new Promise((resolve) => {
    new Forwarding(exchange, operation, ports, rewriting, resolve).send();
  });
}

/** Only these carry a body upstream; what a client sends with any other operation stays here. */
function takesBody(operation: Operation): boolean {
  return operation.kind === 'startUpload' || (operation.kind === 'upload' && /^P/.test(operation.method));
}

const nothing = Buffer.alloc(0);

class Forwarding implements AnswerReceiver {
  readonly #exchange: Exchange;
  readonly #operation: Operation;
  readonly #upstream: Upstream;
  readonly #rewriting: Rewriting;
  readonly #idleMs: number;
  readonly #onAnswer: (() => void) | undefined;
  readonly #idle: NodeJS.Timeout;
  readonly #over: () => void;
  #sending: Sending | undefined;
  #isRetried = false;
  /** Pieces of the body that the client has yet to take. */
  #unwritten = 0;
  #isWhole = false;
  #isOver = false;

  constructor(
    exchange: Exchange,
    operation: Operation,
    { upstream, idleMs, onAnswer }: ForwardPorts,
    rewriting: Rewriting,
    over: () => void,
  ) {
    this.#exchange = exchange;
    this.#operation = operation;
    this.#upstream = upstream;
    this.#rewriting = rewriting;
    this.#idleMs = idleMs;
    this.#onAnswer = onAnswer;
    this.#idle = setTimeout(() => {
      upstream.failures.count('silent');
      this.#giveUp(
        new RegistryError('UNAVAILABLE', { status: 504, message: 'the upstream registry went silent' }),
      );
    }, idleMs);
    this.#over = over;
    // Both: of three pipelined requests the third response hears nothing of a client that goes away.
    exchange.res.once('close', this.#onClientClose);
    exchange.req.socket.once('close', this.#onClientClose);
  }

  send(): void {
    const { req, trail } = this.#exchange;
    const headers = requestHeaders(this.#withContentType(this.#exchange.headers), this.#exchange);
    const request = { ...printOperation(this.#operation), headers };
    try {
      if (!takesBody(this.#operation) || !hasBody(req)) {
        trail.timing.enter('upstream');
        this.#sending = this.#isBlobRead()
          ? this.#upstream.sendBlobRead(request, this)
          : this.#upstream.send(request, this);
        return;
      }
      const length = req.headers['content-length'];
      if (length !== undefined) headers.push('Content-Length', length);
      trail.timing.enter('client');
      req.once('end', () => {
        trail.timing.enter('upstream');
      });
      inviteBody(this.#exchange);
      const body = detachedBody(req, () => this.#idle.refresh());
      this.#sending = this.#upstream.send({ ...request, body }, this);
    } catch (error) {
      this.onFailure(error as Error);
    }
  }

  /** What failed once is asked for in the usual way. */
  #isBlobRead(): boolean {
    const { kind } = this.#operation;
    return kind === 'getBlob' && this.#operation.method === 'GET' && !this.#isRetried;
  }

  /** distribution reads `mount`, `from`, `digest` and `_state` from a form body before the query that was judged. */
  #withContentType(headers: readonly string[]): readonly string[] {
    if (!takesBody(this.#operation)) return headers;
    return headers.map((value, at) =>
      at % 2 === 1 && headers[at - 1]?.toLowerCase() === 'content-type' ? 'application/octet-stream' : value,
    );
  }

  onHead({ status, reason, headers: received }: AnswerHead): void {
    if (this.#isOver) return;
    this.#idle.refresh();
    this.#exchange.trail.timing.enter('own');
    this.#exchange.trail.upstreamStatus = status;
    this.#onAnswer?.();
    // A redirect of a write leads past us: to the upstream itself, or from http to https.
    if (this.#rewriting.isWrite && status >= 300 && status < 400) {
      this.#giveUp(
        new RegistryError('UNAVAILABLE', { status: 502, message: 'the upstream redirected a write' }),
      );
      return;
    }
    const { res, trail } = this.#exchange;
    const headers = this.#headersOf(received, status);
    if (!headers) return;
    headers.push(...trailHeaders(trail));
    if (this.#hasUnreadBody()) headers.push('Connection', 'close');
    // undici read it as UTF-8, and Node throws on what is not Latin-1.
    res.writeHead(status, /^[\t -~]*$/.test(reason) ? reason : '', headers);
    // Sends the head as the bytes that came; flushHeaders would encode it as UTF-8.
    res.write(nothing);
    trail.timing.enter('answering');
  }

  /** Undefined where the client must not get them: then it was given up. */
  #headersOf(received: HeaderList, status: number): string[] | undefined {
    try {
      return responseHeaders(received, status, this.#rewriting);
    } catch (cause) {
      const error = cause instanceof RegistryError ? cause : undefined;
      this.#giveUp(error ?? new RegistryError('UNAVAILABLE', { status: 502, cause }));
      return undefined;
    }
  }

  onBytes(bytes: Buffer, free: () => void): void {
    this.#idle.refresh();
    this.#unwritten += 1;
    this.#exchange.res.write(bytes, () => {
      this.#unwritten -= 1;
      free();
      if (this.#isOver) return;
      this.#idle.refresh();
      if (this.#isWhole && this.#unwritten === 0) void this.#finish();
    });
  }

  onEnd(): void {
    this.#isWhole = true;
    // A client that is slow may still be waited for: as long as it takes what is left.
    if (this.#unwritten === 0) void this.#finish();
  }

  onFailure(cause: Error): void {
    if (this.#isOver) return;
    const { req, res } = this.#exchange;
    const isSafe = req.method === 'GET' || req.method === 'HEAD';
    if (isSafe && !res.headersSent && !this.#isRetried) {
      this.#isRetried = true;
      this.send();
      return;
    }
    const message = 'the upstream registry is gone';
    this.#answer(new RegistryError('UNAVAILABLE', { status: 502, message, cause }));
  }

  readonly #onClientClose = (): void => {
    this.#giveUp(undefined);
  };

  /** @param error what the client is told; undefined: there is nobody to be told */
  #giveUp(error: RegistryError | undefined): void {
    if (this.#isOver) return;
    this.#sending?.abort();
    this.#answer(error);
  }

  #answer(error: RegistryError | undefined): void {
    const { trail } = this.#exchange;
    this.#end();
    trail.timing.enter('answering');
    if (!error) {
      this.#over();
      return;
    }
    trail.failure = error;
    void answerError(this.#exchange, error).finally(this.#over);
  }

  #hasUnreadBody(): boolean {
    return hasBody(this.#exchange.req) && !this.#exchange.req.complete;
  }

  async #finish(): Promise<void> {
    if (this.#isOver) return;
    this.#end();
    const { req, res } = this.#exchange;
    if (this.#hasUnreadBody()) await drain(req);
    res.end();
    this.#over();
    if (res.closed || res.writableFinished) return;
    // The upstream is done, and nobody else waits for a client that does not read the last bytes.
    const unread = setTimeout(() => res.destroy(), this.#idleMs);
    res.once('close', () => {
      clearTimeout(unread);
    });
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#idle);
    this.#exchange.res.off('close', this.#onClientClose);
    this.#exchange.req.socket.off('close', this.#onClientClose);
  }
}
