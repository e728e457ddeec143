import type { AttributeValue, Span } from './span.ts';

/** Who the spans are from, as `{ 'service.name': 'tagwarden' }`. */
export type Resource = Readonly<Record<string, AttributeValue>>;

// enum SpanKind, and enum StatusCode, of opentelemetry/proto/trace/v1/trace.proto.
const kinds = { server: 2, client: 3 };
const failed = 2;

/** An ExportTraceServiceRequest in OTLP's JSON: ids in hexadecimal digits, 64-bit numbers as text. */
export function printSpans(spans: readonly Span[], resource: Resource): string {
  const scope = { name: 'tagwarden', version: resource['service.version'] };
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope, spans: spans.map(printSpan) }],
      },
    ],
  });
}

function printSpan(span: Span): object {
  const { traceId, spanId, parentSpanId, tracestate, name, kind, startMs, endMs, attributes, error } = span;
  return {
    ...{ traceId, spanId, parentSpanId, traceState: tracestate, name, kind: kinds[kind] },
    ...{ startTimeUnixNano: nanoseconds(startMs), endTimeUnixNano: nanoseconds(endMs) },
    attributes: attributesOf(attributes),
    ...(error !== undefined && { status: { code: failed, message: error } }),
  };
}

/** A double holds microseconds since 1970, and not nanoseconds. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1000)}000`;
}

function attributesOf(values: Readonly<Record<string, AttributeValue | undefined>>): readonly object[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: printValue(value) }],
  );
}

function printValue(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value !== 'number') return { arrayValue: { values: value.map(printValue) } };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
