import t from 'tap';
import { sumOf } from '../../src/app/door.ts';

t.test('of several processes: what is not well is told, and counts are added up', (t) => {
  const one = {
    ...{ needed: { upstream: 'ok' }, noted: { redis: 'ok' }, counts: { warned: 1, tamperings: 2 } },
    sinceMs: { redis: 1 },
    levels: { connections_open: 3, redis_up: 1, 'event_loop_lag_seconds\n50': 0.1 },
  };
  const two = {
    ...{ needed: { upstream: 'away' }, noted: {}, counts: { warned: 10, others: 5 }, sinceMs: {} },
    levels: { connections_open: 4, redis_up: 0, 'event_loop_lag_seconds\n50': 0.3 },
  };
  const three = {
    ...{ needed: { upstream: 'slow' }, noted: { redis: 'away' }, sinceMs: { redis: 3 } },
    ...{ counts: {}, levels: {} },
  };
  const counts = { warned: 11, tamperings: 2, others: 5 };
  t.same(sumOf([one, two, three]), {
    needed: { upstream: 'away' },
    noted: { redis: 'away' },
    sinceMs: { redis: 3 },
    counts,
    levels: { connections_open: 7, redis_up: 0, 'event_loop_lag_seconds\n50': 0.3 },
  });
  t.same(sumOf([three, two, one]).needed, { upstream: 'slow' }, 'the first of them');
  t.same(sumOf([one]), one);
  t.same(sumOf([]), { needed: {}, noted: {}, sinceMs: {}, counts: {}, levels: {} });
  t.end();
});
