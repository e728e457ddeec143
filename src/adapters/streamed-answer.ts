import type { Dispatcher } from 'undici';
import type { AnswerReceiver, Sending } from './answer-receiver.ts';
import { isBodyless, rawHeadersOf } from './raw-answer.ts';
import type { UpstreamFailures } from './upstream-failures.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** So much of an answer may wait to be written before no more is read. */
const readAheadBytes = 128 * 1024;

/** Passes what undici reads on to a receiver, at the speed at which the receiver gets rid of it. */
export class StreamedAnswer implements Dispatcher.DispatchHandler, Sending {
  readonly #receiver: AnswerReceiver;
  readonly #failures: UpstreamFailures;
  readonly #body: UpstreamRequest['body'];
  #controller: Dispatcher.DispatchController | undefined;
  #unwritten = 0;
  #isOver = false;

  /** @param body what is sent */
  constructor(receiver: AnswerReceiver, failures: UpstreamFailures, body: UpstreamRequest['body']) {
    this.#receiver = receiver;
    this.#failures = failures;
    this.#body = body;
  }

  abort(): void {
    this.#isOver = true;
    // Without a controller it still waits for a connection, and is aborted when it gets one.
    this.#controller?.abort(new Error('aborted'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('aborted before it began'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, reason = ''): void {
    if (status < 200 || this.#isOver) return;
    this.#failures.answered(status);
    this.#receiver.onHead({ status, reason, headers: rawHeadersOf(controller) });
    if (isBodyless(status)) this.onResponseEnd();
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#isOver) return;
    this.#unwritten += bytes.length;
    if (this.#unwritten > readAheadBytes) controller.pause();
    this.#receiver.onBytes(bytes, () => {
      this.#unwritten -= bytes.length;
      if (this.#unwritten <= readAheadBytes && controller.paused) controller.resume();
    });
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver.onEnd();
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failures.unanswered(this.#controller !== undefined, this.#body);
    this.#receiver.onFailure(error);
  }
}
