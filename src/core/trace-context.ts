import { headerValues, type HeaderList } from './header-list.ts';

/** The place of one exchange in a trace (W3C Trace Context), and what is said of it to whoever is asked next. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them: of the exchange itself. */
  readonly spanId: string;
  /** Of the client that began the trace, or goes on with it. */
  readonly parentSpanId?: string;
  /** Whether anybody is told of it. */
  readonly isSampled: boolean;
  readonly traceparent: string;
  /** What others say in it, as it came. */
  readonly tracestate?: string;
}

/** What `traceparent` says. */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
}

const grammar = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const sampled = 1;
/** Level 2: that the trace id is random. It is true for as long as the id is the same. */
const random = 2;

/** @returns undefined where there is none, or what is no such thing: a new trace begins there */
export function parentIn(headers: HeaderList): TraceParent | undefined {
  const values = headerValues(headers, 'traceparent');
  const [, version, traceId = '', spanId = '', flags = '', more] = grammar.exec(values[0] ?? '') ?? [];
  if (values.length !== 1 || version === undefined || version === 'ff') return undefined;
  // A later version may say more; this one does not.
  if (version === '00' && more !== undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, flags: parseInt(flags, 16) };
}

export function isSampled({ flags }: Pick<TraceParent, 'flags'>): boolean {
  return (flags & sampled) !== 0;
}

/** @param parent absent: a trace begins */
export function traceContext(
  { traceId, spanId, isSampled }: Pick<TraceContext, 'traceId' | 'spanId' | 'isSampled'>,
  parent?: TraceParent,
  tracestate?: string,
): TraceContext {
  const flags = (isSampled ? sampled : 0) | ((parent?.flags ?? 0) & random);
  return {
    ...{ traceId, spanId, isSampled, traceparent: formatTraceparent({ traceId, spanId, flags }) },
    ...(parent && { parentSpanId: parent.spanId }),
    ...(tracestate !== undefined && { tracestate }),
  };
}

export function formatTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-0${flags & (sampled | random)}`;
}
