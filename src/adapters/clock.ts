import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../core/ports.ts';

/**
 * Runs on steadily from the time of day at which the process started: a claim must not end early because somebody set
 * the machine's clock.
 */
export const steadyClock: Clock = {
  nowMs: () => performance.timeOrigin + performance.now(),
  sleep: (ms) => sleep(ms, undefined, { ref: false }),
};

/** The time of day, which tokens are measured by. */
export const wallClock: Clock = { ...steadyClock, nowMs: () => Date.now() };
