import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { seriesOf, type Series } from '../core/series.ts';
import type { Route } from '../http/server.ts';
import type { Tracing } from '../http/tracing.ts';
import type { Ending } from './ending.ts';
import { versionOnDisk } from './version.ts';

/** How long the end of the process waits for the collector. */
const closeMs = 1_000;

export interface WiredTracing extends Tracing {
  readonly observe: Route['observe'];
  readonly counts: () => Series;
}

/** Undefined where nothing is recorded: then nothing of it is loaded. */
export async function openTracing(
  { tracing }: Pick<Config, 'tracing'>,
  { log, ending }: { readonly log: Logger; readonly ending: Ending },
): Promise<WiredTracing | undefined> {
  if (!tracing) return undefined;
  const [{ SpanExporter }, { beginTrace }, { spanObserver }] = await Promise.all([
    import('../adapters/tracing/span-exporter.ts'),
    import('../adapters/tracing/tracer.ts'),
    import('../http/tracing.ts'),
  ]);
  const { endpoint, ca, sampleRatio } = tracing;
  const resource = {
    'service.name': 'tagwarden',
    'service.version': versionOnDisk(),
    'host.name': hostname(),
    'process.pid': process.pid,
  };
  const spans = new SpanExporter({ endpoint, ca, resource, log });
  ending.add(() => spans.close(closeMs));
  const wired: Tracing = { spans, begin: (headers) => beginTrace(headers, sampleRatio) };
  return {
    ...wired,
    observe: spanObserver(wired),
    counts: () => ({
      [seriesOf('trace_spans', 'exported')]: spans.counts.exported,
      [seriesOf('trace_spans', 'dropped')]: spans.counts.dropped,
    }),
  };
}
