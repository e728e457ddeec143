import t from 'tap';
import { isSampled, parentIn, traceContext } from '../../src/core/trace-context.ts';

const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];

t.test('traceparent, as W3C Trace Context has it', (t) => {
  const parent = (...values: readonly string[]) =>
    parentIn(values.flatMap((value) => ['Traceparent', value]));
  t.strictSame(parent(`00-${traceId}-${spanId}-01`), { traceId, spanId, flags: 1 });
  t.strictSame(parent(`00-${traceId}-${spanId}-00`), { traceId, spanId, flags: 0 });
  t.strictSame(parent(`cc-${traceId}-${spanId}-01-what-will-be`), { traceId, spanId, flags: 1 });
  const bad = [
    '',
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `cc-${traceId}-${spanId}-01.more`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}-1`,
    ` 00-${traceId}-${spanId}-01`,
  ];
  for (const value of bad) t.equal(parent(value), undefined, value);
  t.equal(parent(`00-${traceId}-${spanId}-01`, `00-${traceId}-${spanId}-01`), undefined, 'two of them');
  t.equal(parent(), undefined);
  t.end();
});

t.test('what is passed on: our span, whether it is recorded, and that the id is random', (t) => {
  const ours = { traceId, spanId: 'b7ad6b7169203331', isSampled: true };
  t.strictSame(traceContext(ours), { ...ours, traceparent: `00-${traceId}-b7ad6b7169203331-01` });
  const parent = { traceId, spanId, flags: 0xff };
  t.ok(isSampled(parent));
  t.strictSame(traceContext(ours, parent, 'a=b'), {
    ...{ ...ours, parentSpanId: spanId, tracestate: 'a=b' },
    traceparent: `00-${traceId}-b7ad6b7169203331-03`,
  });
  t.match(traceContext({ ...ours, isSampled: false }, parent).traceparent, /-02$/);
  t.end();
});
