import { createRequire } from 'node:module';
import type { Dispatcher, Pool as UndiciPool } from 'undici';
import type { HeaderList } from '../core/header-list.ts';
import type { AnswerReceiver, Sending } from './answer-receiver.ts';
import { BlobConnections } from './blob-connections.ts';
import { isBodyless, rawHeadersOf } from './raw-answer.ts';
import { StreamedAnswer } from './streamed-answer.ts';
import { UpstreamFailures } from './upstream-failures.ts';
import type { UpstreamRequest } from './upstream-request.ts';
import { bareHost } from './tls/server-name.ts';
import type { UpstreamTls } from './tls/upstream-tls.ts';

// All of undici takes twice as long to load: its fetch, its caches, its WebSockets.
const Pool = createRequire(import.meta.url)('undici/lib/dispatcher/pool.js') as typeof UndiciPool;

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
  /** Of an https origin. */
  readonly tls?: Pick<UpstreamTls, 'serverName' | 'connector'> | undefined;
  /** At the same time, at most; absent: as many as are asked for. */
  readonly connections?: number;
}

const connectTimeoutMs = 10_000;

/** The registry behind us: a pool of HTTP/1.1 connections on which nothing is ever re-sent. */
export class Upstream {
  readonly origin: string;
  readonly failures = new UpstreamFailures();
  readonly #pool: UndiciPool;
  /** Undefined: the upstream is not asked over plain HTTP. */
  readonly #blobs: BlobConnections | undefined;
  /** undici would take the client's `Host`, and make all connections anew when it changes. */
  readonly #serverName: { readonly servername?: string };

  /** @throws Error for an https origin without `tls` */
  constructor({ origin, tls, connections }: UpstreamOptions) {
    if (origin.startsWith('https:') && !tls) throw new Error(`nothing says whom to trust as ${origin}`);
    this.origin = origin;
    const { protocol, hostname, port } = new URL(origin);
    if (protocol === 'http:')
      this.#blobs = new BlobConnections(
        { host: bareHost(hostname), port: Number(port || 80) },
        this.failures,
      );
    this.#serverName = tls ? { servername: tls.serverName } : {};
    // No timeouts of undici's: its defaults of 300 s cut uploads that are only slow. Callers bring their own.
    this.#pool = new Pool(origin, {
      pipelining: 1,
      ...(connections !== undefined && { connections }),
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      maxHeaderSize: 64 * 1024,
      connect: tls?.connector(connectTimeoutMs) ?? { timeout: connectTimeoutMs },
    });
  }

  /**
   * Sends a request whose answer goes to a receiver as it arrives.
   * @throws Error for a request that cannot be sent
   */
  send(request: UpstreamRequest, receiver: AnswerReceiver): Sending {
    const answer = new StreamedAnswer(receiver, this.failures, request.body);
    this.#dispatch(request, answer);
    return answer;
  }

  /**
   * The same for a blob that is read. Where it fails before the answer began, `send` may do: what it does not
   * understand is no fault of the upstream's.
   * @throws Error as `send`
   */
  sendBlobRead(request: UpstreamRequest, receiver: AnswerReceiver): Sending {
    return this.#blobs?.isWilling ? this.#blobs.get(request, receiver) : this.send(request, receiver);
  }

  /**
   * Sends a request and reads its answer whole.
   * @throws UpstreamFailure where no whole answer of at most `bodyLimit` bytes came within `withinMs`
   */
  ask(request: UpstreamRequest, withinMs: number, bodyLimit: number): Promise<UpstreamAnswer> {
    return new Promise((resolve, reject) => {
      const question = new Question(withinMs, bodyLimit, this.failures, resolve, reject);
      try {
        this.#dispatch(request, question);
      } catch (error) {
        question.onResponseError(undefined, error as Error);
      }
    });
  }

  async close(): Promise<void> {
    this.#blobs?.close();
    await this.#pool.destroy();
  }

  #dispatch({ method, target, headers, body }: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    const message = { origin: this.origin, method, path: target, headers: [...headers], body: body ?? null };
    this.#pool.dispatch({ ...message, ...this.#serverName }, handler);
  }
}

class Question implements Dispatcher.DispatchHandler {
  readonly #timer: NodeJS.Timeout;
  readonly #bodyLimit: number;
  readonly #failures: UpstreamFailures;
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
    failures: UpstreamFailures,
    resolve: (answer: UpstreamAnswer) => void,
    reject: (failure: UpstreamFailure) => void,
  ) {
    this.#bodyLimit = bodyLimit;
    this.#failures = failures;
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
    this.#failures.answered(status);
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
    const sent = this.#controller !== undefined;
    if (this.#expired) this.#failures.count('silent');
    // What is too long for us is no fault of the upstream's.
    else if (this.#length <= this.#bodyLimit) this.#failures.unanswered(sent, undefined);
    this.#reject(new UpstreamFailure(error, { sent, timedOut: this.#expired }));
  }
}
