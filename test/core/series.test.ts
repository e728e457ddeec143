import t from 'tap';
import { familyOf, handedDown, merged } from '../../src/core/metric-families.ts';
import { BoundedCounts, Histogram, readSeries, seriesOf, valueLimit } from '../../src/core/series.ts';

t.test('a series is read as it was put together, whatever its labels are', (t) => {
  t.same(readSeries(seriesOf('requests', 'getManifest', 200)), {
    name: 'requests',
    values: ['getManifest', '200'],
  });
  t.same(readSeries(seriesOf('refusals', 'denied', 'a\nb "c"\\')).values, ['denied', 'a b "c"\\']);
  t.end();
});

t.test('a histogram is cumulative', (t) => {
  const histogram = new Histogram([0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
  t.same(histogram.series('seconds', 'push'), {
    'seconds\npush\n0.1': 2,
    'seconds\npush\n1': 3,
    'seconds\npush\n+Inf': 4,
    'seconds\npush\nsum': 7.65,
  });
  t.end();
});

const total = (series: Readonly<Record<string, number>>): number =>
  Object.values(series).reduce((sum, count) => sum + count, 0);

t.test('of what others choose so many values are told apart, and nothing is lost', (t) => {
  const counts = new BoundedCounts();
  for (let at = 0; at < 3 * valueLimit; at++) counts.add(`team/app${at}`);
  counts.add('team/app0');
  const series = counts.series('repository_refusals', 'denied');
  t.equal(Object.keys(series).length, valueLimit + 1);
  t.equal(total(series), 3 * valueLimit + 1);
  t.match(series, {
    'repository_refusals\ndenied\nteam/app0': 2,
    'repository_refusals\ndenied\nother': 2 * valueLimit,
  });
  t.end();
});

t.test('nor are there more of them after any number of processes', (t) => {
  let all: Readonly<Record<string, number>> = {};
  for (let worker = 0; worker < 10; worker++) {
    const counts = new BoundedCounts();
    for (let at = 0; at < 150; at++) counts.add(`${worker}/${at}`);
    all = handedDown(all, { ...counts.series('refusals', 'denied'), requests: 1 });
  }
  t.equal(total(all), 10 * 151);
  t.equal(Object.keys(all).length, valueLimit + 2);
  t.match(all, {
    requests: 10,
    'refusals\ndenied\n0/0': 1,
    'refusals\ndenied\nother': 10 * 150 - valueLimit,
  });
  t.end();
});

t.test('what is measured now is added up, or the worst of it is told', (t) => {
  t.same(
    merged(
      { connections_open: 1, redis_up: 1, 'event_loop_lag_seconds\n50': 3 },
      { connections_open: 2, redis_up: 0, 'event_loop_lag_seconds\n50': 2, claims_open: 1 },
    ),
    { connections_open: 3, redis_up: 0, 'event_loop_lag_seconds\n50': 3, claims_open: 1 },
  );
  t.end();
});

t.test('what nobody has described is a counter', (t) => {
  t.same(familyOf('bells_rung'), ['bells_rung_total', { type: 'counter', help: 'How often: bells rung.' }]);
  t.equal(familyOf('tamperings')[0], 'tamperings_total');
  t.equal(familyOf('ready')[0], 'ready');
  t.end();
});
