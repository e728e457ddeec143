import type { Dispatcher } from 'undici';
import { isBodyless, rawHeadersOf, type Upstream } from '../adapters/upstream.ts';
import { RegistryError } from '../core/errors.ts';
import { isWrite, printOperation, type Operation } from '../core/operation.ts';
import { answerError } from './answer.ts';
import { detachedBody, drain, hasBody } from './body.ts';
import { inviteBody, type Exchange } from './exchange.ts';
import { requestHeaders, responseHeaders, type Rewriting } from './headers.ts';
import { warningHeaders } from './trail.ts';

/** Sends an operation upstream and streams the answer back; resolves when the exchange is over. */
export function forward(
  exchange: Exchange,
  operation: Operation,
  upstream: Upstream,
  idleMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    new Forwarding(exchange, operation, upstream, idleMs, resolve).send();
  });
}

/** Only these carry a body upstream; what a client sends with any other operation stays here. */
function takesBody(operation: Operation): boolean {
  return operation.kind === 'startUpload' || (operation.kind === 'upload' && /^P/.test(operation.method));
}

const nothing = Buffer.alloc(0);

class Forwarding implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange;
  readonly #operation: Operation;
  readonly #upstream: Upstream;
  readonly #rewriting: Rewriting;
  readonly #idleMs: number;
  readonly #idle: NodeJS.Timeout;
  readonly #over: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  /** Why the request was given up; undefined while it goes on. */
  #givenUp: 'client' | 'idle' | 'redirect' | undefined;
  #isRetried = false;
  #isOver = false;

  constructor(
    exchange: Exchange,
    operation: Operation,
    upstream: Upstream,
    idleMs: number,
    over: () => void,
  ) {
    this.#exchange = exchange;
    this.#operation = operation;
    this.#upstream = upstream;
    const { addressed } = exchange;
    this.#rewriting = { addressed, upstreamOrigin: upstream.origin, isWrite: isWrite(operation) };
    this.#idleMs = idleMs;
    this.#idle = setTimeout(() => {
      this.#giveUp('idle');
    }, idleMs);
    this.#over = over;
    // Both: of three pipelined requests the third response hears nothing of a client that goes away.
    exchange.res.once('close', this.#onClientClose);
    exchange.req.socket.once('close', this.#onClientClose);
  }

  send(): void {
    const { req, addressed } = this.#exchange;
    const headers = requestHeaders(this.#withContentType(this.#exchange.headers), addressed);
    const request = { ...printOperation(this.#operation), headers };
    try {
      if (!takesBody(this.#operation) || !hasBody(req)) {
        this.#upstream.dispatch(request, this);
        return;
      }
      const length = req.headers['content-length'];
      if (length !== undefined) headers.push('Content-Length', length);
      inviteBody(this.#exchange);
      this.#upstream.dispatch({ ...request, body: detachedBody(req, () => this.#idle.refresh()) }, this);
    } catch (error) {
      this.onResponseError(undefined, error as Error);
    }
  }

  /** distribution reads `mount`, `from`, `digest` and `_state` from a form body before the query that was judged. */
  #withContentType(headers: readonly string[]): readonly string[] {
    if (!takesBody(this.#operation)) return headers;
    return headers.map((value, at) =>
      at % 2 === 1 && headers[at - 1]?.toLowerCase() === 'content-type' ? 'application/octet-stream' : value,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#givenUp) controller.abort(new Error('given up before it began'));
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _: unknown,
    reason?: string,
  ): void {
    if (status < 200 || this.#isOver) return;
    this.#idle.refresh();
    this.#exchange.trail.upstreamStatus = status;
    // A redirect of a write leads past us: to the upstream itself, or from http to https.
    if (this.#rewriting.isWrite && status >= 300 && status < 400) {
      this.#giveUp('redirect');
      return;
    }
    const { res, trail } = this.#exchange;
    const headers = responseHeaders(rawHeadersOf(controller), status, this.#rewriting);
    headers.push(...warningHeaders(trail));
    if (this.#hasUnreadBody()) headers.push('Connection', 'close');
    // undici read it as UTF-8, and Node throws on what is not Latin-1.
    res.writeHead(status, /^[\t -~]*$/.test(reason ?? '') ? reason : '', headers);
    if (isBodyless(status)) void this.#finish();
    // Sends the head as the bytes that came; flushHeaders would encode it as UTF-8.
    else res.write(nothing);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#idle.refresh();
    const { res } = this.#exchange;
    if (res.write(chunk)) return;
    controller.pause();
    res.once('drain', () => {
      this.#idle.refresh();
      controller.resume();
    });
  }

  onResponseEnd(): void {
    void this.#finish();
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    const { req, res } = this.#exchange;
    if (this.#isOver) return;
    const isSafe = req.method === 'GET' || req.method === 'HEAD';
    if (isSafe && !res.headersSent && !this.#givenUp && !this.#isRetried) {
      this.#isRetried = true;
      this.#controller = undefined;
      this.send();
      return;
    }
    this.#end();
    if (this.#givenUp !== 'client') {
      void answerError(req, res, this.#failure(error)).finally(this.#over);
    } else {
      this.#over();
    }
  }

  #failure(cause: Error): RegistryError {
    switch (this.#givenUp) {
      case 'idle':
        return new RegistryError('UNAVAILABLE', {
          status: 504,
          message: 'the upstream registry went silent',
          cause,
        });
      case 'redirect':
        return new RegistryError('UNAVAILABLE', {
          status: 502,
          message: 'the upstream redirected a write',
          cause,
        });
      default:
        return new RegistryError('UNAVAILABLE', {
          status: 502,
          message: 'the upstream registry is gone',
          cause,
        });
    }
  }

  readonly #onClientClose = (): void => {
    this.#giveUp('client');
  };

  #giveUp(reason: 'client' | 'idle' | 'redirect'): void {
    if (this.#isOver || this.#givenUp) return;
    this.#givenUp = reason;
    const error = new Error(`given up: ${reason}`);
    // Without a controller it still waits for a connection: answered now, aborted when it gets one.
    if (this.#controller) this.#controller.abort(error);
    else this.onResponseError(undefined, error);
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
