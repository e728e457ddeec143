import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { removeTagRule } from '../../../src/core/managed-rules.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { addTags, project, tagsOf } from '../../fixtures/managed-rules.ts';
import { prepareRedis, startRedis } from '../../fixtures/redis.ts';
import { immutable } from '../../fixtures/rules-file.ts';
import { failWrites, holdLooks, inForceOnAll, openReplica, recordKey } from '../../fixtures/shared-rules.ts';

t.test('a store that lost its data gets managed rules back', async (t) => {
  await t.test('from a writer', async (t) => {
    const redis = await startRedis(t);
    const writer = await openReplica(t, redis.url, { file: immutable('own') });
    const follower = await openReplica(t, redis.url);
    await addTags(follower.rules, '^v');
    await inForceOnAll([writer, follower], 'own', '^v');
    await redis.restart({ withData: false });
    await eventually('they are there again', async () =>
      (await redis.cli('hget', recordKey, 'payload')).includes('"nextNumber":2'),
    );
    await inForceOnAll([writer, follower], 'own', '^v');
    t.match(await addTags(follower.rules, '^w'), { managed: { number: 2 } });
  });

  await t.test('from whoever follows, where there is no writer', async (t) => {
    const redis = await startRedis(t);
    const replicas = [await openReplica(t, redis.url), await openReplica(t, redis.url)];
    const [one, other] = replicas;
    if (!one || !other) return;
    await addTags(one.rules, '^v');
    await inForceOnAll(replicas, '^v');
    t.ok((one.times()[0] ?? 0) === 0, 'the first rules of all have nothing to wait for');
    await redis.cli('del', recordKey);
    await eventually('they are there again', async () =>
      (await redis.cli('hget', recordKey, 'payload')).includes('"nextNumber":2'),
    );
    t.match(await addTags(other.rules, '^w'), { managed: { number: 2 } });
    await inForceOnAll(replicas, '^v', '^w');
  });

  await t.test('from whoever follows, where a writer begins anew that knows of none', async (t) => {
    const redis = await startRedis(t);
    const writer = await openReplica(t, redis.url, { file: immutable('own') });
    const follower = await openReplica(t, redis.url);
    await addTags(follower.rules, '^v');
    writer.rules.close();
    await redis.cli('del', recordKey);
    const next = await openReplica(t, redis.url, { file: immutable('new') });
    await inForceOnAll([next, follower], 'new', '^v');
  });
});

t.test('a change at one that knows of nothing else waits for those who do', async (t) => {
  const redis = await startRedis(t);
  const { through, hold, release } = holdLooks();
  const writer = await openReplica(t, redis.url, { file: immutable('own'), through });
  await addTags(writer.rules, '^v');
  hold();
  await redis.cli('del', recordKey);
  const fresh = await openReplica(t, redis.url);
  const added = addTags(fresh.rules, '^w');
  await sleep(300);
  release();
  t.match(await added, { managed: { number: 2 } });
  await inForceOnAll([writer, fresh], 'own', '^v', '^w');
});

t.test('a writer that starts keeps what is managed, and publishes its file once', async (t) => {
  const { url } = await startRedis(t);
  const first = await openReplica(t, url);
  await addTags(first.rules, '^v');
  const writer = await openReplica(t, url, { file: immutable('own') });
  await inForceOnAll([first, writer], 'own', '^v');
  const { version } = writer.rules.current();
  writer.rules.close();
  const again = await openReplica(t, url, { file: immutable('own') });
  t.equal(again.rules.current().version, version);
  await first.rules.change((state) => removeTagRule(state, project, 1)[0]);
  await inForceOnAll([first, again], 'own');
});

t.test('where Redis is away nothing is said, and nothing changes', async (t) => {
  const redis = await prepareRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('own') });
  await t.rejects(writer.rules.state(), { name: 'StoreAway' });
  await t.rejects(addTags(writer.rules, '^v'), { name: 'StoreAway' });
  t.same(writer.tags(), ['own']);
  await redis.start();
  await eventually('it is back', () =>
    addTags(writer.rules, '^v').then(
      () => true,
      () => false,
    ),
  );
  t.equal(tagsOf(writer.rules.current()), 'own ^v');
});

t.test('a write that fails is told, and what cannot be read is not written over', async (t) => {
  const redis = await startRedis(t);
  const { through, fail } = failWrites();
  const { rules } = await openReplica(t, redis.url, { file: immutable('own'), through });
  fail(1);
  await t.rejects(addTags(rules, '^v'), { name: 'StoreAway' });
  rules.close();
  await redis.cli('hset', recordKey, 'payload', '{}', 'checksum', 'x', 'revision', '9');
  const fresh = await openReplica(t, redis.url);
  await t.rejects(fresh.rules.state(), { name: 'StoreAway', message: /cannot be read/ });
  await t.rejects(addTags(fresh.rules, '^v'), { name: 'StoreAway', message: /cannot be read/ });
});

t.test('fix: a writer does not write over managed rules that it cannot read', async (t) => {
  const redis = await startRedis(t);
  const follower = await openReplica(t, redis.url);
  await addTags(follower.rules, '^v');
  const payload = await redis.cli('hget', recordKey, 'payload');
  const later = payload.replace(/"format":\d+/, '"format":99');
  const checksum = createHash('sha256').update(later).digest('hex');
  await redis.cli('hset', recordKey, 'payload', later, 'checksum', checksum, 'revision', '7');
  const writer = await openReplica(t, redis.url, { file: immutable('own') });
  t.same(writer.tags(), ['own'], 'it goes by its file');
  await sleep(1_500);
  t.equal(await redis.cli('hget', recordKey, 'payload'), later);
  t.same(follower.tags(), ['^v'], 'and who knew them goes on');
});
