import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { eventually } from '../../fixtures/eventually.ts';
import { startRedis, type Redis } from '../../fixtures/redis.ts';
import { errorLevel, immutable } from '../../fixtures/rules-file.ts';
import { immutableTags, ruleSet } from '../../fixtures/rules.ts';
import {
  countPayloads,
  failWrites,
  inForceOnAll,
  openReplica,
  promisedMs,
  settledAfterMs,
  recordKey,
  type Replica,
} from '../../fixtures/shared-rules.ts';

t.test('a store that comes back without its data gets the rules again', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  const follower = await openReplica(t, redis.url);
  await writer.rules.publish(ruleSet({ tagRules: [immutableTags('b', 'b')] }));
  await inForceOnAll([writer, follower], 'b');
  const [fromMs = 0] = writer.times();
  const seen = recordTags([writer, follower]);
  await redis.restart({ withData: false });
  await eventually(
    'they are there again',
    async () => (await redis.cli('hget', recordKey, 'payload')) !== '',
  );
  await eventually('both have them', () =>
    [writer, follower].every(({ rules }) => rules.current().version.startsWith('3-')),
  );
  t.same([...seen()], ['b'], 'at every moment meanwhile the last known were in force');
  t.ok(
    [writer, follower].every((replica) => Math.abs((replica.times()[0] ?? 0) - fromMs) < 200),
    'what is new stays as new as it was',
  );
  const late = await openReplica(t, redis.url);
  t.ok(Math.abs((late.times()[0] ?? 0) - fromMs) < 200, 'also for one that starts later');
});

t.test('what could not be published is tried again at once', async (t) => {
  const redis = await startRedis(t);
  const { through, fail } = failWrites();
  const writer = await openReplica(t, redis.url, { file: immutable('a'), through });
  fail(2);
  await redis.cli('del', recordKey);
  await eventually('it is there again', () => writer.rules.current().version.startsWith('2-'), 4_000);
  fail(2);
  writer.write(immutable('a', 'b'));
  await inForceOnAll([writer], 'a', 'b');
  fail(1);
  await t.rejects(writer.rules.publish(ruleSet({})), { name: 'StoreAway' }, 'whoever asked for it is told');
});

t.test('without a writer a store that lost its data changes nothing', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a'), maxAgeMs: 60_000 });
  const { through, counts } = countPayloads();
  const follower = await openReplica(t, redis.url, { maxAgeMs: 60_000, through });
  await inForceOnAll([follower], 'a');
  writer.rules.close();
  await redis.cli('del', recordKey);
  await eventually('it was noticed', () => follower.lines.some(({ msg }) => msg.includes('any more')));
  const { looks } = counts;
  await eventually('it has looked again', () => counts.looks >= looks + 4);
  t.same(follower.tags(), ['a']);
  t.equal(follower.lines.filter(({ msg }) => msg.includes('any more')).length, 1, 'it is told once');
  t.equal(follower.rules.doubt(), undefined);
  follower.clock.shift(61_000);
  const later = counts.looks;
  await eventually('it has looked again', () => counts.looks >= later + 4);
  t.match(follower.rules.doubt(), /nobody could say/, 'though not for ever');
});

t.test('a store that begins anew is followed at once, whatever its revision', async (t) => {
  const redis = await startRedis(t);
  const follower = await openReplica(t, redis.url);
  for (const tag of ['a', 'b', 'c', 'd'])
    await follower.rules.publish(ruleSet({ tagRules: [immutableTags(tag, tag)] }));
  await redis.cli('del', recordKey);
  const writer = await openReplica(t, redis.url, { file: immutable('e') });
  t.ok(Number(await redis.cli('hget', recordKey, 'revision')) < 4);
  t.ok((await inForceOnAll([writer, follower], 'e')) < promisedMs);
});

t.test('what is not what was published is refused', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  const { through, counts } = countPayloads();
  const follower = await openReplica(t, redis.url, { through });
  const { version } = follower.rules.current();
  writer.rules.close();
  const refusals = (): number => follower.lines.filter(({ level }) => level === errorLevel).length;
  const isRefused = async (t: Test, count: number, reason: RegExp): Promise<void> => {
    await eventually('it is refused', () => follower.rules.failedReloads === count);
    const { looks } = counts;
    await eventually('it has looked again', () => counts.looks >= looks + 4);
    t.equal(refusals(), count, 'told once');
    t.match(follower.lines.at(-1), { level: errorLevel, reason });
    t.equal(follower.rules.current().version, version, 'the last good ones stay in force');
  };

  const checksum = await redis.cli('hget', recordKey, 'checksum');
  await t.test('with a wrong checksum', async (t) => {
    await redis.cli('hset', recordKey, 'checksum', 'f'.repeat(64));
    await isRefused(t, 1, /checksum/);
  });

  await t.test('without its time', async (t) => {
    await redis.cli('hdel', recordKey, 'new_from');
    await redis.cli('hset', recordKey, 'checksum', checksum, 'revision', '8');
    await isRefused(t, 2, /time/);
  });

  await t.test('and a replica that has no others says so', async (t) => {
    const started = await openReplica(t, redis.url);
    t.match(started.rules.doubt(), /no rules/);
    t.equal(started.rules.failedReloads, 1);
  });

  await t.test('until it is mended', async (t) => {
    await redis.cli('hset', recordKey, 'new_from', '0');
    follower.clock.shift(6_000);
    await eventually('it is taken', () => follower.rules.current().version.startsWith('8-'));
    t.same(follower.tags(), ['a']);
  });

  await t.test('or a writer comes, who publishes what he has', async (t) => {
    await redis.cli('hset', recordKey, 'payload', '{}', 'revision', '9');
    await eventually('it is refused', () => follower.rules.failedReloads === 3);
    const other = await openReplica(t, redis.url, { file: immutable('a', 'b') });
    await inForceOnAll([other, follower], 'a', 'b');
    await redis.cli('hset', recordKey, 'payload', '{}', 'revision', '11');
    await eventually(
      'it is published again',
      async () => (await redis.cli('hget', recordKey, 'revision')) === '12',
    );
    await eventually('by all', () =>
      [other, follower].every(({ rules }) => rules.current().version.startsWith('12-')),
    );
    t.same(follower.tags(), ['a', 'b']);
  });
});

t.test('what a later version wrote is refused whole, and left alone', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  const text = await redis.cli('hget', recordKey, 'payload');
  await publishByHand(redis, text.replace('"kind":"immutable"', '"kind":"immutable","except_on":"sunday"'));
  await eventually('it is refused', () => writer.rules.failedReloads === 1);
  t.match(writer.lines.at(-1), {
    level: errorLevel,
    reason: /tagRules\[0\] has "except_on", which is unknown/,
  });
  writer.clock.shift(60_000);
  await publishByHand(redis, text.replace(/"format":\d+/, '"format":99'));
  await eventually('it is refused', () => writer.rules.failedReloads === 2);
  t.equal(await redis.cli('hget', recordKey, 'revision'), '3', 'a writer does not insist');
  t.same(writer.tags(), ['a']);
  writer.write(immutable('a', 'b'));
  await inForceOnAll([writer], 'a', 'b');
  t.ok(
    writer.times().every((fromMs) => fromMs > writer.clock.nowMs() + settledAfterMs - 5_000),
    'over rules that nobody could read everything is new',
  );
});

t.test('a store that falls back takes nobody back', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  const followers = [await openReplica(t, redis.url), await openReplica(t, redis.url)];
  const all = [writer, ...followers];
  await redis.cli('copy', recordKey, 'before');

  await t.test('where a writer is, who publishes again what is in force', async (t) => {
    writer.write(immutable('a', 'b'));
    await inForceOnAll(all, 'a', 'b');
    const seen = recordTags(all);
    await redis.cli('copy', 'before', recordKey, 'replace');
    await eventually('it is published again', () =>
      all.every(({ rules }) => rules.current().version.startsWith('3-')),
    );
    t.same([...seen()], ['a b'], 'and nobody was judged by what was before');
  });

  await t.test('the switch neither', async (t) => {
    await writer.rules.switchImmutability(false);
    await inForceOnAll(all);
    const seen = recordTags(all);
    await redis.cli('copy', 'before', recordKey, 'replace');
    writer.clock.shift(6_000);
    await eventually('it is published again', () =>
      all.every(({ rules }) => rules.current().version.startsWith('5-')),
    );
    t.same([...seen()], ['']);
    await writer.rules.switchImmutability(true);
    await inForceOnAll(all, 'a', 'b');
  });

  await t.test('unless the store stays so, and there is no writer', async (t) => {
    writer.rules.close();
    const { through, counts } = countPayloads();
    const watched = await openReplica(t, redis.url, { through });
    const following = [...followers, watched];
    await watched.rules.publish(ruleSet({ tagRules: [immutableTags('c', 'c')] }));
    await inForceOnAll(following, 'c');
    await redis.cli('copy', 'before', recordKey, 'replace');
    const { looks } = counts;
    await eventually('it has looked often', () => counts.looks >= looks + 4);
    t.same(new Set(following.flatMap((replica) => replica.tags())), new Set(['c']), 'not at once');
    for (const { clock } of following) clock.shift(5_000);
    await inForceOnAll(following, 'a');
    t.ok(
      following.every(
        (replica) => (replica.times()[0] ?? 0) > replica.clock.nowMs() + settledAfterMs - 5_000,
      ),
      'what was not covered meanwhile is new',
    );
    t.ok(watched.lines.some(({ msg }) => msg.includes('going back')));
  });
});

/** Puts a payload into the record as a publication would. */
async function publishByHand(redis: Redis, payload: string): Promise<void> {
  const checksum = createHash('sha256').update(payload).digest('hex');
  const revision = Number(await redis.cli('hget', recordKey, 'revision')) + 1;
  await redis.cli('hset', recordKey, 'payload', payload, 'checksum', checksum, 'revision', String(revision));
}

/** Watches what is in force from now on. @returns the tag patterns of every moment until then */
function recordTags(replicas: readonly Replica[]): () => ReadonlySet<string> {
  const seen = new Set<string>();
  const look = (): void => {
    for (const replica of replicas) seen.add(replica.tags().join(' '));
  };
  const timer = setInterval(look, 1);
  return () => {
    look();
    clearInterval(timer);
    return seen;
  };
}
