import type { BaseLogger } from 'pino';
import { wallClock } from '../clock.ts';
import type { StoreState } from './store.ts';

/** Between two log lines on what Redis refuses while it is up. */
const refusalsEveryMs = 60_000;

/** Whether Redis answers; logs when that changes, and not each attempt. */
export class StoreHealth {
  readonly #log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  #state: Pick<StoreState, 'isUp' | 'sinceMs'> = { isUp: false, sinceMs: wallClock.nowMs() };
  #away = 0;
  #refused = 0;
  #wasHeardOf = false;
  #refusedMs = -Infinity;

  constructor(log: Pick<BaseLogger, 'info' | 'warn' | 'error'>) {
    this.#log = log;
  }

  get state(): StoreState {
    return { ...this.#state, away: this.#away, refused: this.#refused };
  }

  isUp(): void {
    if (this.#state.isUp) return;
    const awayMs = Math.round(wallClock.nowMs() - this.#state.sinceMs);
    if (this.#wasHeardOf) this.#log.info({ awayMs }, 'redis is back');
    else this.#log.info('redis is there');
    this.#turn(true);
  }

  isAway(reason: string): void {
    this.#away += 1;
    if (this.#wasHeardOf && !this.#state.isUp) return;
    this.#log.warn({ reason }, 'redis is away');
    this.#turn(false);
  }

  /** Redis is up, but does not do what it is asked, as when its memory is full. */
  refused(reason: string): void {
    this.#refused += 1;
    const nowMs = wallClock.nowMs();
    if (nowMs - this.#refusedMs < refusalsEveryMs) return;
    this.#refusedMs = nowMs;
    this.#log.error({ reason }, 'redis refuses a command');
  }

  #turn(isUp: boolean): void {
    this.#wasHeardOf = true;
    this.#state = { isUp, sinceMs: wallClock.nowMs() };
  }
}
