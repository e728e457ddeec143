import t, { type Test } from 'tap';
import { SpanExporter, type ExportLimits } from '../../../src/adapters/tracing/span-exporter.ts';
import { startCollector, type Collector } from '../../fixtures/collector.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { recordedLog } from '../../fixtures/recorded-log.ts';

const ids = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

function exportTo(t: Test, collector: Collector, limits: Partial<ExportLimits> = {}) {
  const { log, lines } = recordedLog();
  const exporter = new SpanExporter({
    ...{ endpoint: `${collector.url}/v1/traces`, resource: { 'service.name': 'tagwarden' }, log },
    limits: { gatherMs: 10, firstPauseMs: 10, ...limits },
  });
  t.teardown(() => exporter.close(0));
  const take = (...names: readonly string[]): void => {
    for (const name of names)
      exporter.take({
        ...ids,
        name,
        kind: 'server',
        startMs: 1_764_513_067_112.25,
        endMs: 1_764_513_067_113,
        attributes: {},
      });
  };
  return { exporter, lines, take };
}

const names = (collector: Collector): readonly string[] => collector.spans().map(({ name }) => name);

t.test('many at a time, and never more than a batch', async (t) => {
  const collector = await startCollector(t);
  const { exporter, take } = exportTo(t, collector, { batch: 3 });
  take('a', 'b', 'c', 'd');
  await eventually('all are there', () => exporter.counts.exported === 4);
  t.strictSame(names(collector), ['a', 'b', 'c', 'd']);
  t.equal(collector.requests.length, 2);
  t.match(collector.spans()[0], {
    startTimeUnixNano: '1764513067112250000',
    endTimeUnixNano: '1764513067113000000',
  });
});

t.test('what may pass is sent again, what will not is dropped', async (t) => {
  const collector = await startCollector(t);
  const statuses = [503, 429, 200, 400, 200];
  collector.script = (_, res) => void res.writeHead(statuses.shift() ?? 200).end();
  const { exporter, lines, take } = exportTo(t, collector);
  take('a');
  await eventually('it is there', () => exporter.counts.exported === 1);
  take('b');
  await eventually('it is dropped', () => exporter.counts.dropped === 1);
  take('c');
  await eventually('the next', () => exporter.counts.exported === 2);
  t.strictSame(names(collector), ['a', 'a', 'a', 'b', 'c']);
  t.match(lines, [{ level: 40, msg: 'spans are dropped', reason: 'it answered 400', dropped: 1 }]);
});

t.test('a collector that is away: so many wait, and none for ever', async (t) => {
  const collector = await startCollector(t);
  collector.script = (req) => void req.socket.destroy();
  const { exporter, take } = exportTo(t, collector, { waiting: 3, attempts: 2 });
  take('a', 'b', 'c', 'd', 'e');
  t.equal(exporter.counts.dropped, 2);
  await eventually('they are given up', () => exporter.counts.dropped === 5);
  collector.script = (_, res) => void res.end();
  take('f');
  await eventually('it is back', () => exporter.counts.exported === 1);
});
