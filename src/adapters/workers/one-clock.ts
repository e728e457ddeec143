import type { Clock } from '../../core/ports.ts';
import { steadyClock } from '../clock.ts';

/** Milliseconds by the clock that all processes of a machine have in common, and that nobody sets. */
function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** When that clock was at zero, in epoch milliseconds by another one. */
export function zeroOf(clock: Clock): number {
  return clock.nowMs() - machineMs();
}

/**
 * The clock of the process that told when its zero was: `steadyClock` of two processes differ where somebody has set the
 * machine's clock between their starts, and what one of them writes down the other compares with its own time.
 */
export function clockSince(zeroMs: number): Clock {
  return { ...steadyClock, nowMs: () => zeroMs + machineMs() };
}
