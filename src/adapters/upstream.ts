import type { Readable } from 'node:stream';
import { Pool, type Dispatcher } from 'undici';
import type { HeaderList } from '../core/header-list.ts';

export interface UpstreamRequest {
  readonly method: string;
  /** Origin-form, as printed from an operation. */
  readonly target: string;
  readonly headers: HeaderList;
  readonly body?: Buffer | Readable;
}

/** An answer that was read whole. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** There is no answer. `sent` tells whether the upstream may have received the request, even in part. */
export class UpstreamFailure extends Error {
  readonly sent: boolean;
  readonly timedOut: boolean;

  constructor(cause: Error, { sent, timedOut = false }: { sent: boolean; timedOut?: boolean }) {
    super(cause.message, { cause });
    this.sent = sent;
    this.timedOut = timedOut;
  }
}

export interface UpstreamOptions {
  /** Scheme, host and port. */
  readonly origin: string;
  /** PEM of the certificate authorities to trust, in place of the system's. */
  readonly ca?: string;
  /** At the same time, at most; absent: as many as are asked for. */
  readonly connections?: number;
}

const connectTimeoutMs = 10_000;

/** The registry behind us: a pool of HTTP/1.1 connections on which nothing is ever re-sent. */
export class Upstream {
  readonly origin: string;
  readonly #pool: Pool;

  constructor({ origin, ca, connections }: UpstreamOptions) {
    this.origin = origin;
    // No timeouts of undici's: its defaults of 300 s cut uploads that are only slow. Callers bring their own.
    this.#pool = new Pool(origin, {
      pipelining: 1,
      ...(connections !== undefined && { connections }),
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      maxHeaderSize: 64 * 1024,
      connect: { timeout: connectTimeoutMs, ...(ca !== undefined && { ca }) },
    });
  }

  /** Sends a request whose answer goes to `handler` as it arrives. */
  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    const { method, target, headers, body } = request;
    this.#pool.dispatch({ method, path: target, headers: [...headers], body: body ?? null }, handler);
  }

  /**
   * Sends a request and reads its answer whole.
   * @throws UpstreamFailure where no whole answer of at most `bodyLimit` bytes came within `withinMs`
   */
  ask(request: UpstreamRequest, withinMs: number, bodyLimit: number): Promise<UpstreamAnswer> {
    return new Promise((resolve, reject) => {
      const question = new Question(withinMs, bodyLimit, resolve, reject);
      try {
        this.dispatch(request, question);
      } catch (error) {
        question.onResponseError(undefined, error as Error);
      }
    });
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

class Question implements Dispatcher.DispatchHandler {
  readonly #timer: NodeJS.Timeout;
  readonly #bodyLimit: number;
  readonly #resolve: (answer: UpstreamAnswer) => void;
  readonly #reject: (failure: UpstreamFailure) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #expired = false;
  #status = 0;
  #headers: HeaderList = [];
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(
    withinMs: number,
    bodyLimit: number,
    resolve: (answer: UpstreamAnswer) => void,
    reject: (failure: UpstreamFailure) => void,
  ) {
    this.#bodyLimit = bodyLimit;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = setTimeout(() => {
      this.#expired = true;
      const timeout = new Error(`no answer within ${withinMs} ms`);
      // Without a controller the request still waits for a connection and is aborted when it gets one.
      if (this.#controller) this.#controller.abort(timeout);
      else this.onResponseError(undefined, timeout);
    }, withinMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#expired) controller.abort(new Error('too late'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = rawHeadersOf(controller);
    if (isBodyless(status)) this.onResponseEnd();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#length += chunk.length;
    if (this.#length > this.#bodyLimit)
      controller.abort(new Error(`an answer of over ${this.#bodyLimit} bytes`));
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    clearTimeout(this.#timer);
    this.#resolve({ status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks) });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    clearTimeout(this.#timer);
    this.#reject(
      new UpstreamFailure(error, { sent: this.#controller !== undefined, timedOut: this.#expired }),
    );
  }
}

/** undici takes a Content-Length on these for a promise of a body that does not come. */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}

/** undici's parsed headers fold repeated fields; these are as they came. */
export function rawHeadersOf(controller: Dispatcher.DispatchController): HeaderList {
  const raw = controller.rawHeaders;
  if (!Array.isArray(raw)) return [];
  return raw.map((field) => (typeof field === 'string' ? field : field.toString('latin1')));
}
