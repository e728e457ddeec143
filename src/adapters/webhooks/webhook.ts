import type { BaseLogger } from 'pino';
import { parseWebhookKeys } from '../../config/webhook-keys.ts';
import { readWebhookSecret, type WebhookConfig } from '../../config/webhooks.ts';
import type { CloudEvent } from '../../core/cloud-event.ts';
import { post, type Posted } from '../post.ts';
import { Pace } from '../pace.ts';
import { signedHeaders } from './signature.ts';

/** What becomes of events, since the start. */
export interface WebhookCounts {
  readonly sent: number;
  /** Refused by the receiver, or given up. */
  readonly failed: number;
  /** There was no room for them any more. */
  readonly dropped: number;
}

export interface WebhookOptions {
  readonly config: WebhookConfig;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  /** Shorter for tests. */
  readonly limits?: Partial<WebhookLimits>;
}

export interface WebhookLimits {
  /** How many events may wait. */
  readonly waiting: number;
  readonly attemptMs: number;
  /** How long after it happened an event is given up. */
  readonly keptMs: number;
  readonly firstPauseMs: number;
  readonly tellAgainMs: number;
}

const usualLimits: WebhookLimits = {
  waiting: 1_000,
  attemptMs: 10_000,
  keptMs: 3_600_000,
  firstPauseMs: 1_000,
  tellAgainMs: 60_000,
};

interface Waiting {
  readonly id: string;
  readonly type: string;
  readonly body: string;
  readonly untilMs: number;
}

type Outcome = 'sent' | 'refused' | 'again';

/** What may be otherwise in a while; what else a receiver answers is its last word. */
const retried = new Set([408, 425, 429]);

/**
 * Tells one receiver of events, one at a time. Nobody waits for it: what cannot be told at once waits here, so many of
 * them, and is tried again, for an hour.
 */
export class Webhook {
  /** What is logged of it: what comes after the host may be a secret. */
  readonly #name: string;
  readonly #config: WebhookConfig;
  readonly #log: WebhookOptions['log'];
  readonly #limits: WebhookLimits;
  readonly #pace: Pace;
  readonly #waiting: Waiting[] = [];
  #keys: readonly Buffer[];
  #sending: { readonly over: Promise<void>; readonly abort: AbortController } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosing = false;
  #toldMs = -Infinity;
  #droppedUntold = 0;
  #counts = { sent: 0, failed: 0, dropped: 0 };

  constructor({ config, log, limits }: WebhookOptions) {
    this.#config = config;
    this.#log = log;
    this.#limits = { ...usualLimits, ...limits };
    this.#name = new URL(config.url).origin;
    this.#keys = parseWebhookKeys(config.secret.reveal());
    this.#pace = new Pace(this.#limits.firstPauseMs);
  }

  get counts(): WebhookCounts {
    return this.#counts;
  }

  wants(type: WebhookConfig['events'][number]): boolean {
    return this.#config.events.includes(type);
  }

  take({ id, type }: CloudEvent, body: string): void {
    if (this.#isClosing || this.#waiting.length >= this.#limits.waiting) {
      this.#counts.dropped += 1;
      this.#droppedUntold += 1;
      this.#tell('there are too many events for a webhook; the latest are dropped');
      return;
    }
    this.#waiting.push({ id, type, body, untilMs: performance.now() + this.#limits.keptMs });
    this.#goOn();
  }

  /** Reads the secret again. */
  reload(): void {
    const { secretFile } = this.#config;
    try {
      this.#keys = parseWebhookKeys(readWebhookSecret(secretFile).reveal());
    } catch (error) {
      this.#log.error(
        { err: error, webhook: this.#name },
        'the secret of a webhook is not read; the last one is used',
      );
    }
  }

  /** Tries once more to tell what waits, and not longer than this. */
  async close(withinMs: number): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    const deadline = AbortSignal.timeout(withinMs);
    deadline.addEventListener('abort', () => this.#sending?.abort.abort());
    await this.#sending?.over;
    while (!deadline.aborted && this.#waiting.length > 0) {
      const next = this.#waiting.shift();
      if (next) await this.#send(next);
    }
    const untold = this.#waiting.length;
    if (untold > 0)
      this.#log.warn({ webhook: this.#name, events: untold }, 'a webhook was not told of all events');
  }

  #goOn(): void {
    if (this.#sending || this.#timer || this.#isClosing) return;
    const pauseMs = this.#pace.pauseMs();
    if (pauseMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#goOn();
      }, pauseMs).unref();
      return;
    }
    const next = this.#waiting.shift();
    if (next) void this.#send(next);
  }

  /** Never rejects. */
  #send(event: Waiting): Promise<void> {
    const abort = new AbortController();
    const over = this.#attempt(event, abort.signal).then((outcome) => {
      this.#sending = undefined;
      this.#settle(event, outcome);
      this.#goOn();
    });
    this.#sending = { over, abort };
    return over;
  }

  async #attempt({ id, type, body }: Waiting, signal: AbortSignal): Promise<Outcome> {
    const { url, ca } = this.#config;
    const headers = {
      'Content-Type': 'application/cloudevents+json; charset=utf-8',
      'User-Agent': 'tagwarden',
      ...signedHeaders(this.#keys, id, body, Date.now()),
    };
    try {
      const answer = await post({ url, headers, body, ca, withinMs: this.#limits.attemptMs, signal });
      const outcome = outcomeOf(answer);
      if (outcome === 'again') this.#fails({ status: answer.status }, answer.retryAfterMs);
      else this.#pace.succeeded();
      if (outcome === 'refused')
        this.#tell('a webhook refused an event', { event: id, type, status: answer.status });
      return outcome;
    } catch (error) {
      if (!signal.aborted) this.#fails({ reason: (error as Error).message });
      return 'again';
    }
  }

  #settle(event: Waiting, outcome: Outcome): void {
    if (outcome === 'sent') {
      this.#counts.sent += 1;
      if (this.#droppedUntold > 0) this.#tell('a webhook takes events again; some were dropped');
    } else if (outcome === 'refused' || this.#isClosing || performance.now() > event.untilMs)
      this.#counts.failed += 1;
    // Behind the others: a receiver may choke on this one alone.
    else this.#waiting.push(event);
  }

  #fails(why: Readonly<Record<string, unknown>>, retryAfterMs?: number): void {
    this.#pace.failed(retryAfterMs);
    this.#tell('a webhook takes no events now; they wait', { ...why, waiting: this.#waiting.length + 1 });
  }

  /** Once in a while: every event may fail in the same way. */
  #tell(message: string, why: Readonly<Record<string, unknown>> = {}): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < this.#limits.tellAgainMs) return;
    this.#toldMs = nowMs;
    const dropped = this.#droppedUntold;
    this.#droppedUntold = 0;
    this.#log.warn({ webhook: this.#name, ...why, ...(dropped > 0 && { dropped }) }, message);
  }
}

function outcomeOf({ status }: Posted): Outcome {
  if (status >= 200 && status < 300) return 'sent';
  return status >= 500 || retried.has(status) ? 'again' : 'refused';
}
