import { monitorEventLoopDelay, performance, type IntervalHistogram } from 'node:perf_hooks';
import { seriesOf, type Measures } from '../core/series.ts';

const resolutionMs = 50;
/** What was long ago says nothing of how it is. */
const forgottenMs = 60_000;
const percentiles = [50, 99];

/** What this process takes. Nothing runs for it until somebody asks. */
export class ProcessUsage {
  #lag: IntervalHistogram | undefined;
  #sinceMs = 0;

  measures(): Measures {
    const { user, system } = process.cpuUsage();
    return {
      counts: {
        process_cpu_seconds: (user + system) / 1e6,
        event_loop_active_seconds: performance.eventLoopUtilization().active / 1e3,
      },
      levels: {
        process_resident_memory_bytes: process.memoryUsage.rss(),
        ...this.#lags(),
      },
    };
  }

  close(): void {
    this.#lag?.disable();
  }

  #lags(): Record<string, number> {
    const lag = this.#lag ?? monitorEventLoopDelay({ resolution: resolutionMs });
    if (!this.#lag) lag.enable();
    this.#lag = lag;
    const lags = percentiles.map((percentile) => {
      // What is measured is from one tick of its timer to the next. Before there were any it is nothing.
      const lateMs = lag.percentile(percentile) / 1e6 - resolutionMs;
      return [seriesOf('event_loop_lag_seconds', percentile), Math.max(0, lateMs) / 1e3] as const;
    });
    const nowMs = performance.now();
    if (nowMs - this.#sinceMs > forgottenMs) {
      lag.reset();
      this.#sinceMs = nowMs;
    }
    return Object.fromEntries(lags);
  }
}
