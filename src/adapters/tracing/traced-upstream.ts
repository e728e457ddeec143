import { mapHeaders } from '../../core/header-list.ts';
import { formatTraceparent, isSampled, parentIn, type TraceParent } from '../../core/trace-context.ts';
import type { AnswerHead, AnswerReceiver, Sending } from '../answer-receiver.ts';
import { steadyClock } from '../clock.ts';
import { Upstream, type UpstreamAnswer, type UpstreamOptions } from '../upstream.ts';
import type { UpstreamRequest } from '../upstream-request.ts';
import type { SpanSink } from './span.ts';
import { newSpanId } from './tracer.ts';

/** An upstream of which each request that is made for a recorded exchange is a span of its own, whose id the upstream is sent. */
export class TracedUpstream extends Upstream {
  readonly #spans: SpanSink;

  constructor(options: UpstreamOptions, spans: SpanSink) {
    super(options);
    this.#spans = spans;
  }

  override send(request: UpstreamRequest, receiver: AnswerReceiver): Sending {
    if (receiver instanceof SpanReceiver) return super.send(request, receiver);
    return this.#streamed(request, receiver, (asked, traced) => super.send(asked, traced));
  }

  override sendBlobRead(request: UpstreamRequest, receiver: AnswerReceiver): Sending {
    return this.#streamed(request, receiver, (asked, traced) => super.sendBlobRead(asked, traced));
  }

  override async ask(request: UpstreamRequest, withinMs: number, bodyLimit: number): Promise<UpstreamAnswer> {
    const span = this.#begin(request);
    if (!span) return super.ask(request, withinMs, bodyLimit);
    try {
      const answer = await super.ask(span.request, withinMs, bodyLimit);
      span.end(answer.status);
      return answer;
    } catch (error) {
      span.end(undefined, error as Error);
      throw error;
    }
  }

  #streamed(
    request: UpstreamRequest,
    receiver: AnswerReceiver,
    send: (request: UpstreamRequest, receiver: AnswerReceiver) => Sending,
  ): Sending {
    const span = this.#begin(request);
    if (!span) return send(request, receiver);
    try {
      const traced = new SpanReceiver(receiver, span);
      const sending = send(span.request, traced);
      return {
        abort: () => {
          traced.aborted();
          sending.abort();
        },
      };
    } catch (error) {
      span.end(undefined, error as Error);
      throw error;
    }
  }

  #begin(request: UpstreamRequest): RequestSpan | undefined {
    const parent = parentIn(request.headers);
    return parent && isSampled(parent)
      ? new RequestSpan(request, parent, this.origin, this.#spans)
      : undefined;
  }
}

/** Answers with which an exchange goes on: a tag that is not there yet, a challenge. */
const expected = new Set([401, 404]);

class RequestSpan {
  /** As it is sent. */
  readonly request: UpstreamRequest;
  readonly #parent: TraceParent;
  readonly #spanId = newSpanId();
  readonly #startMs = steadyClock.nowMs();
  readonly #url: URL;
  readonly #spans: SpanSink;
  #isOver = false;

  constructor(request: UpstreamRequest, parent: TraceParent, origin: string, spans: SpanSink) {
    this.#parent = parent;
    this.#spans = spans;
    // Without its query, which may be a registry's upload state.
    this.#url = new URL(request.target.split('?')[0] ?? '/', origin);
    const traceparent = formatTraceparent({ ...parent, spanId: this.#spanId });
    const headers = mapHeaders(request.headers, (name, value) =>
      name === 'traceparent' ? traceparent : value,
    );
    this.request = { ...request, headers };
  }

  /** @param status of the answer, where there is one */
  end(status: number | undefined, failure?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { method } = this.request;
    const isError = status !== undefined && status >= 400 && !expected.has(status);
    const { hostname, port, protocol } = this.#url;
    this.#spans.take({
      ...{ traceId: this.#parent.traceId, spanId: this.#spanId, parentSpanId: this.#parent.spanId },
      ...{ name: method, kind: 'client', startMs: this.#startMs, endMs: steadyClock.nowMs() },
      attributes: {
        'http.request.method': method,
        'url.full': this.#url.href,
        'server.address': hostname,
        'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
        'http.response.status_code': status,
        'error.type': failure ? failure.name : isError ? String(status) : undefined,
      },
      error: failure?.message ?? (isError ? `the upstream answered ${status}` : undefined),
    });
  }
}

class SpanReceiver implements AnswerReceiver {
  readonly #receiver: AnswerReceiver;
  readonly #span: RequestSpan;
  #status: number | undefined;

  constructor(receiver: AnswerReceiver, span: RequestSpan) {
    this.#receiver = receiver;
    this.#span = span;
  }

  onHead(head: AnswerHead): void {
    this.#status = head.status;
    this.#receiver.onHead(head);
  }

  onBytes(bytes: Buffer, free: () => void): void {
    this.#receiver.onBytes(bytes, free);
  }

  onEnd(): void {
    this.#span.end(this.#status);
    this.#receiver.onEnd();
  }

  onFailure(error: Error): void {
    this.#span.end(this.#status, error);
    this.#receiver.onFailure(error);
  }

  aborted(): void {
    this.#span.end(this.#status, new Error('given up'));
  }
}
