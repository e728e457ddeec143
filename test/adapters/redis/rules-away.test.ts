import t from 'tap';
import { eventually } from '../../fixtures/eventually.ts';
import { prepareRedis, startRedis } from '../../fixtures/redis.ts';
import { immutable } from '../../fixtures/rules-file.ts';
import { inForceOnAll, openReplica, recordKey } from '../../fixtures/shared-rules.ts';

const dayMs = 86_400_000;

t.test('while the store is away the last known rules stay in force', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const writer = await openReplica(t, redis.url, { file: immutable('a'), maxAgeMs: dayMs });
  const follower = await openReplica(t, redis.url, { maxAgeMs: dayMs });
  const { version } = follower.rules.current();
  await redis.stop();
  await eventually('it is away', () => !follower.store.state().isUp && !writer.store.state().isUp);

  await t.test('for as long as the operator said', (t) => {
    follower.clock.shift(dayMs - 60_000);
    t.equal(follower.rules.current().version, version);
    t.equal(follower.rules.doubt(), undefined);
    follower.clock.shift(120_000);
    t.match(follower.rules.doubt(), /nobody could say for \d{5} s/);
    t.equal(follower.rules.current().version, version, 'they are not forgotten: reads are judged by them');
    writer.clock.shift(2 * dayMs);
    t.equal(writer.rules.doubt(), undefined, 'a writer has them from its own file');
    t.end();
  });

  await t.test('a change of the file waits, and is published when it is back', async (t) => {
    writer.write(immutable('a', 'b'));
    const { looks } = writer.clock;
    await eventually('it was seen', () => writer.clock.looks >= looks + 4);
    t.same([writer.tags(), follower.tags()], [['a'], ['a']], 'for all go by the same');
    await redis.start();
    await inForceOnAll([writer, follower], 'a', 'b');
    t.equal(follower.rules.doubt(), undefined);
    t.ok(writer.rules.current().version === follower.rules.current().version);
  });

  await t.test('and nothing changes when it comes back as it was', async (t) => {
    const before = [writer.rules.current(), follower.rules.current()];
    follower.clock.shift(dayMs);
    await redis.restart({ withData: true });
    await eventually('it is asked again', () => follower.rules.doubt() === undefined);
    t.same([writer.rules.current(), follower.rules.current()], before);
    t.equal(await redis.cli('hget', recordKey, 'revision'), '2');
  });
});

t.test('a replica that starts while the store is away', async (t) => {
  const redis = await prepareRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  const follower = await openReplica(t, redis.url);
  const versionOfFile = writer.rules.current().version;

  t.same(writer.tags(), ['a'], 'a writer judges by its file');
  t.equal(writer.rules.doubt(), undefined);
  t.same(follower.rules.current().tagRules, []);
  t.match(follower.rules.doubt(), /no rules/, 'a follower cannot judge');

  await redis.start();
  await inForceOnAll([writer, follower], 'a');
  t.equal(follower.rules.doubt(), undefined);
  await eventually(
    'both name it alike',
    () => writer.rules.current().version === follower.rules.current().version,
  );
  t.not(writer.rules.current().version, versionOfFile);
  t.same([writer.times(), follower.times()], [[0], [0]], 'nothing was judged without them');
});
