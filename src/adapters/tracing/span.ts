export type AttributeValue = string | number | boolean | readonly string[];

/** What took how long (OpenTelemetry). */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  readonly tracestate?: string | undefined;
  readonly name: string;
  readonly kind: 'server' | 'client';
  /** Epoch milliseconds, with fractions. */
  readonly startMs: number;
  readonly endMs: number;
  /** Those that are undefined are left out. */
  readonly attributes: Readonly<Record<string, AttributeValue | undefined>>;
  /** Absent: it went as it should. */
  readonly error?: string | undefined;
}

/** Takes spans that have ended; never throws, and nobody waits for it. */
export interface SpanSink {
  take(span: Span): void;
}
