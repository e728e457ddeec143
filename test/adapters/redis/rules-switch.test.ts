import t from 'tap';
import { eventually } from '../../fixtures/eventually.ts';
import { prepareRedis, startRedis } from '../../fixtures/redis.ts';
import { immutable } from '../../fixtures/rules-file.ts';
import { immutableTags, protectedTags, ruleSet } from '../../fixtures/rules.ts';
import {
  inForceOnAll,
  openReplica,
  promisedMs,
  settledAfterMs,
  recordKey,
  warnLevel,
} from '../../fixtures/shared-rules.ts';
import { StoreAway } from '../../../src/core/ports.ts';

const waitMs = 1_000 + settledAfterMs;

t.test('the switch is in force on every replica within a second', async (t) => {
  const redis = await startRedis(t);
  const all = [
    await openReplica(t, redis.url),
    await openReplica(t, redis.url),
    await openReplica(t, redis.url),
  ];
  const [one, other] = all;
  if (!one || !other) throw new Error('there are three');
  await one.rules.publish(
    ruleSet({ tagRules: [immutableTags('i', '^v'), protectedTags('p', 'main', { push: 'owner' })] }),
  );
  await inForceOnAll(all, '^v', 'main');
  t.ok(all.every((replica) => replica.times()[0] === 0));
  const { version } = one.rules.current();

  await other.rules.switchImmutability(false);
  t.ok((await inForceOnAll(all, 'main')) < promisedMs, 'off');
  for (const { rules } of all) {
    const { tagRules, version: inForce } = rules.current();
    t.notOk(
      tagRules.some(({ kind }) => kind === 'immutable'),
      'no pattern of an immutable rule is left',
    );
    t.match(inForce, /^\d+-[0-9a-f]{12}-mutable$/);
  }
  t.ok(one.lines.some(({ level, msg }) => level === warnLevel && msg.includes('do not count')));

  await t.test('and stays through a change of the rules', async (t) => {
    await one.rules.publish(ruleSet({ tagRules: [immutableTags('i', '^v'), immutableTags('j', '^w')] }));
    await inForceOnAll(all);
    const started = await openReplica(t, redis.url);
    t.same(started.tags(), []);
  });

  const beforeMs = one.clock.nowMs();
  await one.rules.switchImmutability(true);
  t.ok((await inForceOnAll(all, '^v', '^w')) < promisedMs, 'on');
  const afterMs = one.clock.nowMs();
  t.not(one.rules.current().version, version);
  for (const fromMs of all.flatMap((replica) => replica.times())) {
    t.ok(
      fromMs >= beforeMs + waitMs - 1 && fromMs <= afterMs + waitMs + 200,
      'after what was pushed without',
    );
  }
  const started = await openReplica(t, redis.url, { shiftMs: 3_600_000 });
  const [fromMs = 0] = started.times();
  t.ok(Math.abs(fromMs - 3_600_000 - (one.times()[0] ?? 0)) < 200, 'also for a replica that starts later');

  await t.test('but not when it was on already', async (t) => {
    const revision = await redis.cli('hget', recordKey, 'revision');
    await one.rules.switchImmutability(true);
    t.equal(await redis.cli('hget', recordKey, 'revision'), revision);
    t.equal(one.times()[0], all[0]?.times()[0]);
  });
});

t.test('a store that has no position takes the configured one', async (t) => {
  for (const [how, file] of [
    ['of who publishes', immutable('a')],
    ['of who comes', undefined],
  ] as const) {
    await t.test(how, async (t) => {
      const redis = await startRedis(t);
      const first = await openReplica(t, redis.url, {
        immutabilityEnabled: false,
        ...(file !== undefined && { file }),
      });
      await eventually('it is set', async () => (await redis.cli('hget', recordKey, 'enabled')) === '0');
      const second = await openReplica(t, redis.url, { file: immutable('a') });
      await inForceOnAll([first, second]);
      t.match(second.rules.current().version, /-mutable$/, 'and the store counts from then on');
      t.match(
        second.lines.filter(({ level }) => level === warnLevel).map(({ msg }) => msg),
        [/another one in redis, and that counts; change it with: tagwarden immutability/, /do not count/],
      );
      await second.rules.switchImmutability(true);
      await inForceOnAll([first, second], 'a');
    });
  }
});

t.test('the first position that a store ever has is nothing to wait for', async (t) => {
  const { url } = await startRedis(t);
  const follower = await openReplica(t, url);
  const writer = await openReplica(t, url, { file: immutable('a') });
  await inForceOnAll([writer, follower], 'a');
  t.same([...writer.times(), ...follower.times()], [0, 0]);
});

t.test('a position is kept when the store loses its data', async (t) => {
  const redis = await startRedis(t);
  const follower = await openReplica(t, redis.url);
  await follower.rules.publish(ruleSet({ tagRules: [immutableTags('i', '^v')] }));
  await follower.rules.switchImmutability(false);
  await redis.cli('del', recordKey);
  await eventually('it is set again', async () => (await redis.cli('hget', recordKey, 'enabled')) === '0');
  t.same(follower.tags(), []);
});

t.test('what is set by hand counts too', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  await redis.cli('hset', recordKey, 'enabled', '0');
  t.ok((await inForceOnAll([writer])) < promisedMs);
  await redis.cli('hset', recordKey, 'enabled', '1');
  t.ok((await inForceOnAll([writer], 'a')) < promisedMs);
  const [fromMs = 0] = writer.times();
  t.ok(
    fromMs > writer.clock.nowMs() + settledAfterMs - promisedMs,
    'after the writes of this replica at least',
  );
});

t.test('while the store is away', async (t) => {
  const redis = await prepareRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  await t.rejects(writer.rules.switchImmutability(false), StoreAway);
  t.same(writer.tags(), [], 'one that never reached it goes by what it is told');
  await t.rejects(writer.rules.switchImmutability(true), StoreAway);
  t.same(writer.tags(), ['a']);
  t.ok((writer.times()[0] ?? 0) > writer.clock.nowMs() + settledAfterMs - 5_000);
  await redis.start();
  await eventually('it is reached', () => writer.rules.current().version.startsWith('1-'));
  t.ok((writer.times()[0] ?? 0) > writer.clock.nowMs() + settledAfterMs - 10_000, 'it is as new as it was');
  await redis.stop();
  await t.rejects(writer.rules.switchImmutability(false), StoreAway);
  t.same(writer.tags(), ['a'], 'one that knows what all go by stays with it');
});
