import { steadyClock } from '../adapters/clock.ts';
import type { SpanSink } from '../adapters/tracing/span.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { verdictOf } from './exchange-counts.ts';
import type { Route, Seen } from './server.ts';

/** Where exchanges are recorded. */
export interface Tracing {
  /** Where an exchange is in which trace. */
  readonly begin: (headers: HeaderList) => TraceContext;
  readonly spans: SpanSink;
}

/** Makes a span of each exchange that is recorded, when it is over. */
export function spanObserver({ spans }: Tracing): Route['observe'] {
  return ({ req, res }, seen) => {
    const { trail, error, client, durationMs } = seen;
    const { trace, judged } = trail;
    if (!trace?.isSampled) return;
    const status = res.headersSent ? res.statusCode : undefined;
    const endMs = steadyClock.nowMs();
    const { operation } = judged ?? {};
    const method = req.method ?? '';
    const { traceId, spanId, parentSpanId, tracestate } = trace;
    spans.take({
      ...{ traceId, spanId, parentSpanId, tracestate, kind: 'server', endMs, startMs: endMs - durationMs },
      name: trail.asks ?? method,
      attributes: {
        'http.request.method': method,
        // Without its query: there are tokens in some.
        'url.path': (req.url ?? '').split('?')[0],
        'http.response.status_code': status,
        'client.address': client,
        'user_agent.original': req.headers['user-agent'],
        'network.protocol.version': req.httpVersion,
        'error.type': status !== undefined && status >= 500 ? (error?.code ?? String(status)) : undefined,
        'tagwarden.request_id': trail.requestId,
        'tagwarden.repository': operation && 'repository' in operation ? operation.repository : undefined,
        'tagwarden.verdict': verdictOf(res, seen),
        'tagwarden.rule_ids': ruleIdsOf(seen),
        'tagwarden.from_memory': trail.isFromMemory,
      },
      error: status === undefined || status >= 500 ? (error?.message ?? 'not answered whole') : undefined,
    });
  };
}

function ruleIdsOf({ trail: { warnings }, error }: Seen): readonly string[] | undefined {
  const ids = [...(error?.ruleIds ?? []), ...warnings.flatMap(({ ruleIds }) => ruleIds)];
  return ids.length > 0 ? [...new Set(ids)] : undefined;
}
