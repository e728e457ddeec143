import { randomBytes } from 'node:crypto';
import { headerValues, type HeaderList } from '../../core/header-list.ts';
import { isSampled, parentIn, traceContext, type TraceContext } from '../../core/trace-context.ts';

/** Begins the span of an exchange: in the client's trace where it has one, which then says if it is recorded. */
export function beginTrace(headers: HeaderList, sampleRatio: number): TraceContext {
  const spanId = newSpanId();
  const parent = parentIn(headers);
  if (parent) {
    const states = headerValues(headers, 'tracestate');
    const { traceId } = parent;
    const state = states.length > 0 ? states.join(',') : undefined;
    return traceContext({ traceId, spanId, isSampled: isSampled(parent) }, parent, state);
  }
  const traceId = randomBytes(16);
  // By its last seven bytes, as others do who decide by the id: all decide alike.
  const isChosen = traceId.readUIntBE(10, 6) < sampleRatio * 2 ** 48;
  return traceContext({ traceId: traceId.toString('hex'), spanId, isSampled: isChosen });
}

export function newSpanId(): string {
  return randomBytes(8).toString('hex');
}
