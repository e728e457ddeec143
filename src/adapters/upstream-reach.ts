import type { Clock } from '../core/ports.ts';
import type { Upstream } from './upstream.ts';

export interface Reach {
  /** `ok`, or why not. */
  readonly state: string;
  /** Epoch milliseconds. */
  readonly sinceMs: number;
  /** Whether it ever was, since this process started. */
  readonly wasReached: boolean;
}

const withinMs = 2_000;
const answerLimitBytes = 64 * 1024;
/** However many probes there are, the upstream is asked no more often. */
const freshMs = 1_000;

/** Whether the upstream answers. What it answers is no matter (401 is usual), but for what says that it cannot serve. */
export class UpstreamReach {
  readonly #upstream: Pick<Upstream, 'ask'>;
  readonly #clock: Clock;
  #reach: Reach | undefined;
  #lookedMs = -Infinity;
  #looking: Promise<Reach> | undefined;

  constructor(upstream: Pick<Upstream, 'ask'>, clock: Clock) {
    this.#upstream = upstream;
    this.#clock = clock;
  }

  /** Never rejects. */
  look(): Promise<Reach> {
    if (this.#reach && this.#clock.nowMs() - this.#lookedMs < freshMs) return Promise.resolve(this.#reach);
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<Reach> {
    const state = await this.#ask();
    const nowMs = this.#clock.nowMs();
    const before = this.#reach;
    const sinceMs = before?.state === state ? before.sinceMs : nowMs;
    this.#reach = { state, sinceMs, wasReached: (before?.wasReached ?? false) || state === 'ok' };
    this.#lookedMs = nowMs;
    return this.#reach;
  }

  async #ask(): Promise<string> {
    const request = { method: 'GET', target: '/v2/', headers: [] };
    try {
      const { status } = await this.#upstream.ask(request, withinMs, answerLimitBytes);
      return status < 500 ? 'ok' : `answers ${status}`;
    } catch (error) {
      return `cannot be asked: ${(error as Error).message}`;
    }
  }
}
