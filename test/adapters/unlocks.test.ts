import t, { type Test } from 'tap';
import { steadyClock } from '../../src/adapters/clock.ts';
import { RedisUnlocks } from '../../src/adapters/redis/unlocks.ts';
import { InMemoryUnlocks } from '../../src/adapters/unlocks-memory.ts';
import { StoreAway } from '../../src/core/ports.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import { unlocksFor, type Unlock, type UnlockRequest, type Unlocks } from '../../src/core/unlock.ts';
import { storeOfPrimary } from '../fixtures/channels.ts';
import { eventually } from '../fixtures/eventually.ts';
import { openStore, startRedis } from '../fixtures/redis.ts';

const request: UnlockRequest = {
  repository: 'a/b' as Repository,
  tag: 'v1' as Tag,
  actions: ['push', 'delete'],
  subject: 'ci-ü',
  reason: 'said "so"',
  by: 'alice',
};

const adapters: Readonly<Record<string, (t: Test) => Promise<Unlocks>>> = {
  memory: () => Promise.resolve(new InMemoryUnlocks(steadyClock)),
  'memory of the primary': async (t) => (await storeOfPrimary(t, {})).unlocks,
  redis: async (t) => {
    const { url } = await startRedis(t);
    return new RedisUnlocks(await openStore(t, url), steadyClock);
  },
};

for (const [name, open] of Object.entries(adapters)) {
  t.test(`${name}: an unlock is there until it ends`, async (t) => {
    const unlocks = await open(t);
    t.same(await unlocks.all(), []);
    const beforeMs = steadyClock.nowMs();
    const long = await unlocks.add(request, 60_000);
    const short = await unlocks.add({ ...request, tag: 'v2' as Tag }, 500);
    t.match(long, request);
    t.not(long.id, short.id);
    t.ok(long.untilMs >= beforeMs + 60_000 && long.untilMs <= steadyClock.nowMs() + 60_000);
    const [first, second] = (await unlocks.all()).toSorted((one, other) => other.untilMs - one.untilMs);
    t.match(first, { ...request, id: long.id });
    t.match(second, { tag: 'v2', id: short.id });
    await eventually('the short one has ended', async () => (await unlocks.all()).length === 1);
    t.ok(steadyClock.nowMs() >= short.untilMs - 50, 'and not before its time');
    t.equal(await unlocks.end(short.id), false, 'it is no more');
    t.equal(await unlocks.end(long.id), true);
    t.same(await unlocks.all(), []);
  });
}

t.test('redis: every replica knows at once, and one that cannot ask says so', async (t) => {
  const redis = await startRedis(t);
  const [here, there] = [await openStore(t, redis.url), await openStore(t, redis.url)].map(
    (store) => new RedisUnlocks(store, steadyClock),
  ) as [RedisUnlocks, RedisUnlocks];
  const { id } = await here.add(request, 60_000);
  t.match(await there.all(), [{ id }]);
  await redis.cli('HSET', '{tagwarden}:unlocks', 'x', '{"until":99999999999999,"request":"no json"}');
  await t.rejects(there.all(), StoreAway, 'what makes no sense may be an end');
  await redis.cli('HSET', '{tagwarden}:unlocks', 'x', 'no json at all');
  t.match(await there.all(), [{ id }]);
  await redis.stop();
  await t.rejects(there.all(), StoreAway);
  await t.rejects(here.add(request, 60_000), StoreAway);
});

t.test('which unlock is for a write', (t) => {
  const make = (id: string, untilMs: number, parts: Partial<Unlock> = {}): Unlock => ({
    ...{ repository: request.repository, tag: request.tag, actions: ['push'], reason: 'r', by: 'b' },
    ...{ id, untilMs },
    ...parts,
  });
  const unlocks = [
    make('short', 1),
    make('long', 3),
    make('of bob', 4, { subject: 'bob' }),
    make('delete', 5, { actions: ['delete'] }),
    make('other tag', 6, { tag: 'v2' as Tag }),
    make('other repository', 7, { repository: 'a/B' as Repository }),
  ];
  const find = (subject?: string, action: 'push' | 'delete' = 'push'): string | undefined =>
    unlocksFor(unlocks, {
      ...{ repository: request.repository, action },
      caller: { groups: [], defaultAccessLevel: 'owner', ...(subject !== undefined && { subject }) },
    }).get(request.tag)?.id;
  t.equal(find(), 'long', 'the one that lasts longest, and nobody is not bob');
  t.equal(find('bob'), 'of bob');
  t.equal(find('carol'), 'long');
  t.equal(find('bob', 'delete'), 'delete');
  t.end();
});
