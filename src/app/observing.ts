import type { Logger } from 'pino';
import { ProcessUsage } from '../adapters/process-usage.ts';
import type { Config } from '../config/config.ts';
import type { Measures } from '../core/series.ts';
import { ExchangeCounts } from '../http/exchange-counts.ts';
import { observer, type Audit } from '../http/log.ts';
import type { Route } from '../http/server.ts';
import type { Ending } from './ending.ts';
import type { WiredTracing } from './tracing.ts';
import { counting, measuresOf, type Measuring } from './measures.ts';

interface Surroundings {
  readonly log: Logger;
  readonly audit: Audit | undefined;
  readonly tracing: Pick<WiredTracing, 'observe'> | undefined;
  readonly ending: Ending;
}

/** What hears of exchanges: the log, the audit, and whoever counts. */
export interface Observing extends Pick<Route, 'observe' | 'running'> {
  /** Hears of a connection that was ended because of a limit. */
  readonly onLimit: (limit: string) => void;
  /** Of all that is measured in this process. */
  readonly measures: (parts: readonly Measuring[]) => Measures;
}

export function wireObserving(config: Config, { log, audit, tracing, ending }: Surroundings): Observing {
  const { observe, warned } = observer(log, audit);
  const exchanges = new ExchangeCounts(config.metrics);
  const usage = new ProcessUsage();
  ending.add(() => {
    usage.close();
  });
  const own = [exchanges, usage, counting(() => ({ warned: warned() }))];
  return {
    running: exchanges.running,
    observe: (exchange, seen) => {
      exchanges.take(exchange, seen);
      observe(exchange, seen);
      tracing?.observe(exchange, seen);
    },
    onLimit: (limit) => {
      exchanges.limited(limit);
    },
    measures: (parts) => measuresOf([...own, ...parts]),
  };
}
