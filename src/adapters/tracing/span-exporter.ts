import type { BaseLogger } from 'pino';
import { Pace } from '../pace.ts';
import { post } from '../post.ts';
import { printSpans, type Resource } from './otlp.ts';
import type { Span, SpanSink } from './span.ts';

export interface SpanExporterOptions {
  /** As `http://collector:4318/v1/traces`. */
  readonly endpoint: string;
  /** Certificates (PEM) to trust, in place of the system's. */
  readonly ca?: string | undefined;
  readonly resource: Resource;
  readonly log: Pick<BaseLogger, 'warn'>;
  /** Shorter for tests. */
  readonly limits?: Partial<ExportLimits>;
}

export interface ExportLimits {
  /** How many spans may wait; more are dropped. */
  readonly waiting: number;
  readonly batch: number;
  /** How long a span waits for others to go with. */
  readonly gatherMs: number;
  readonly attemptMs: number;
  readonly firstPauseMs: number;
  /** How often a batch is sent, before it is given up. */
  readonly attempts: number;
}

const usualLimits: ExportLimits = {
  ...{ waiting: 4_096, batch: 512, gatherMs: 2_000, attemptMs: 10_000, firstPauseMs: 1_000, attempts: 5 },
};

const tellAgainMs = 60_000;
/** OTLP 1.0, "Failures": these may succeed later. */
const retried = new Set([429, 502, 503, 504]);

/** Sends spans to a collector by OTLP over HTTP, many at a time. */
export class SpanExporter implements SpanSink {
  readonly #options: SpanExporterOptions;
  readonly #limits: ExportLimits;
  readonly #pace: Pace;
  #waiting: Span[] = [];
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #closing = new AbortController();
  #isClosing = false;
  #attempts = 0;
  #toldMs = -Infinity;
  #counts = { exported: 0, dropped: 0 };

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#limits = { ...usualLimits, ...options.limits };
    this.#pace = new Pace(this.#limits.firstPauseMs);
  }

  /** Since the start; `dropped`: there was no room, or the collector did not take them. */
  get counts(): { readonly exported: number; readonly dropped: number } {
    return this.#counts;
  }

  take(span: Span): void {
    if (this.#isClosing || this.#waiting.length >= this.#limits.waiting) {
      this.#drop(1, 'too many spans wait for the collector');
      return;
    }
    this.#waiting.push(span);
    this.#goOn();
  }

  /** Sends what waits, once. */
  async close(withinMs: number): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    const deadline = setTimeout(() => {
      this.#closing.abort();
    }, withinMs);
    await this.#sending;
    while (this.#waiting.length > 0 && !this.#closing.signal.aborted) await this.#send();
    clearTimeout(deadline);
  }

  #goOn(): void {
    if (this.#sending || this.#isClosing || this.#waiting.length === 0) return;
    const isFull = this.#waiting.length >= this.#limits.batch;
    const pauseMs = Math.max(this.#pace.pauseMs(), isFull ? 0 : this.#limits.gatherMs);
    if (this.#timer && pauseMs > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#send();
    }, pauseMs).unref();
  }

  #send(): Promise<void> {
    const batch = this.#waiting.slice(0, this.#limits.batch);
    this.#sending = this.#attempt(batch).then((isOver) => {
      this.#sending = undefined;
      if (isOver) this.#waiting = this.#waiting.slice(batch.length);
      this.#goOn();
    });
    return this.#sending;
  }

  /** @returns whether nothing more is to be done with it; never rejects */
  async #attempt(batch: readonly Span[]): Promise<boolean> {
    const { endpoint: url, ca, resource } = this.#options;
    const headers = { 'Content-Type': 'application/json', 'User-Agent': 'tagwarden' };
    const body = printSpans(batch, resource);
    const { signal } = this.#closing;
    try {
      const answer = await post({ url, headers, body, ca, withinMs: this.#limits.attemptMs, signal });
      if (answer.status >= 200 && answer.status < 300) {
        this.#attempts = 0;
        this.#pace.succeeded();
        this.#counts.exported += batch.length;
        return true;
      }
      return this.#failed(
        batch,
        `it answered ${answer.status}`,
        retried.has(answer.status),
        answer.retryAfterMs,
      );
    } catch (error) {
      return this.#failed(batch, (error as Error).message, true);
    }
  }

  #failed(batch: readonly Span[], reason: string, mayPass: boolean, retryAfterMs?: number): boolean {
    this.#attempts += 1;
    this.#pace.failed(retryAfterMs);
    const isOver = !mayPass || this.#isClosing || this.#attempts >= this.#limits.attempts;
    if (!isOver) return false;
    this.#attempts = 0;
    this.#drop(batch.length, reason);
    return true;
  }

  #drop(spans: number, reason: string): void {
    this.#counts.dropped += spans;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < tellAgainMs) return;
    this.#toldMs = nowMs;
    const { dropped } = this.#counts;
    this.#options.log.warn(
      { collector: new URL(this.#options.endpoint).origin, reason, dropped },
      'spans are dropped',
    );
  }
}
