import t, { type Test } from 'tap';
import { steadyClock } from '../../src/adapters/clock.ts';
import { InMemoryLedger } from '../../src/adapters/ledger-memory.ts';
import { RedisLedger } from '../../src/adapters/redis/ledger.ts';
import { StoreAway, type Clock, type Ledger } from '../../src/core/ports.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';
import { storeOfPrimary } from '../fixtures/channels.ts';
import { eventually } from '../fixtures/eventually.ts';
import { openStore, startRedis } from '../fixtures/redis.ts';

const one = `sha256:${'1'.repeat(64)}` as Digest;
const two = `sha256:${'2'.repeat(64)}` as Digest;
const long = `sha512:${'a'.repeat(128)}` as Digest;
const place = { repository: 'a/b' as Repository, tag: 'v1' as Tag };
const { repository, tag } = place;
/** Redis counts whole milliseconds. */
const roundingMs = 5;

const adapters: Readonly<Record<string, (t: Test) => Promise<Ledger>>> = {
  memory: () => Promise.resolve(new InMemoryLedger()),
  'memory of the primary': async (t) => (await storeOfPrimary(t, {})).ledger,
  redis: async (t) => new RedisLedger(await openStore(t, (await startRedis(t)).url), steadyClock),
};

for (const [name, open] of Object.entries(adapters)) {
  t.test(`${name}: what was noted is recalled, where and when it was seen`, async (t) => {
    const ledger = await open(t);
    t.equal(await ledger.recall(repository, tag), undefined, 'nothing is known');
    const seenMs = steadyClock.nowMs() - 60_000;
    t.equal(await ledger.note({ ...place, digest: one, seenMs }), true);
    const entry = await ledger.recall(repository, tag);
    const passedMs = steadyClock.nowMs() - seenMs - 60_000;
    t.equal(entry?.digest, one);
    for (const ms of [entry?.firstSeenMs ?? NaN, entry?.lastSeenMs ?? NaN])
      t.ok(ms >= seenMs - roundingMs && ms <= seenMs + passedMs + roundingMs, `seen at ${ms - seenMs} ms`);

    t.equal(await ledger.recall(repository, 'v2' as Tag), undefined, 'another tag');
    t.equal(await ledger.recall('a/b/c' as Repository, tag), undefined, 'another repository');
    t.equal(await ledger.recall('a' as Repository, 'b:v1' as Tag), undefined, 'no names run together');
    await ledger.close();
  });

  t.test(
    `${name}: when a digest was first seen is kept, and when it was last seen never goes back`,
    async (t) => {
      const ledger = await open(t);
      const nowMs = steadyClock.nowMs();
      const note = async (digest: Digest, agoMs: number, was?: Digest): Promise<readonly number[]> => {
        const noted = await ledger.note({ ...place, digest, seenMs: nowMs - agoMs, ...(was && { was }) });
        t.equal(noted, true);
        const { firstSeenMs = NaN, lastSeenMs = NaN } = (await ledger.recall(repository, tag)) ?? {};
        return [firstSeenMs, lastSeenMs].map((ms) => Math.round((nowMs - ms) / 1_000));
      };
      t.same(await note(one, 50_000), [50, 50]);
      t.same(await note(one, 30_000, one), [50, 30]);
      t.same(await note(one, 40_000, one), [50, 30], 'a slow look-up');
      t.same(await note(two, 20_000, one), [20, 20], 'another digest begins anew');
      t.same(await note(long, 10_000, two), [10, 10]);
      t.same(await note(long, 0, long), [10, 0]);
    },
  );

  t.test(`${name}: who recalled something else changes nothing`, async (t) => {
    const ledger = await open(t);
    const seenMs = steadyClock.nowMs();
    t.equal(await ledger.note({ ...place, digest: two, seenMs, was: one }), false, 'nothing is known');
    t.equal(await ledger.forget(repository, tag, one), false, 'there is nothing to forget');
    t.equal(await ledger.recall(repository, tag), undefined);
    t.equal(await ledger.note({ ...place, digest: one, seenMs }), true);
    t.equal(await ledger.note({ ...place, digest: two, seenMs }), false, 'something is known meanwhile');
    t.equal(await ledger.note({ ...place, digest: two, seenMs, was: long }), false);
    t.equal(await ledger.forget(repository, tag, two), false);
    t.match(await ledger.recall(repository, tag), { digest: one });
    t.equal(await ledger.forget(repository, tag, one), true);
    t.equal(await ledger.recall(repository, tag), undefined);
  });

  t.test(`${name}: of many at once, one alone is told that it made the change`, async (t) => {
    const ledger = await open(t);
    const digests = Array.from({ length: 50 }, (_, i) => `sha256:${String(i).padStart(64, '0')}` as Digest);
    const race = async (change: (digest: Digest) => Promise<boolean>): Promise<Digest | undefined> => {
      const made = await Promise.all(digests.map(change));
      t.equal(made.filter(Boolean).length, 1);
      return digests[made.indexOf(true)];
    };
    const seenMs = steadyClock.nowMs();
    const first = await race((digest) => ledger.note({ ...place, digest, seenMs }));
    t.equal((await ledger.recall(repository, tag))?.digest, first);
    await ledger.note({ ...place, digest: one, seenMs, ...(first && { was: first }) });
    const second = await race((digest) => ledger.note({ ...place, digest, seenMs, was: one }));
    t.equal((await ledger.recall(repository, tag))?.digest, second);
    await ledger.note({ ...place, digest: one, seenMs, ...(second && { was: second }) });
    await race(() => ledger.forget(repository, tag, one));
    t.equal(await ledger.recall(repository, tag), undefined);
  });
}

t.test('memory: bounded; what was not asked about for longest is forgotten', async (t) => {
  const ledger = new InMemoryLedger(2);
  const note = (tag: string): Promise<boolean> =>
    ledger.note({ repository, tag: tag as Tag, digest: one, seenMs: 0 });
  const known = async (tag: string): Promise<boolean> =>
    (await ledger.recall(repository, tag as Tag)) !== undefined;
  await note('v1');
  await note('v2');
  await ledger.recall(repository, tag);
  await note('v3');
  t.same([await known('v1'), await known('v2'), await known('v3')], [true, false, true]);
});

t.test('redis: replicas share it, and none goes by the clock of another', async (t) => {
  const { url } = await startRedis(t);
  const hourMs = 3_600_000;
  const fast: Clock = { ...steadyClock, nowMs: () => steadyClock.nowMs() + hourMs };
  const here = new RedisLedger(await openStore(t, url), steadyClock);
  const there = new RedisLedger(await openStore(t, url), fast);
  await here.note({ ...place, digest: one, seenMs: steadyClock.nowMs() });
  const entry = await there.recall(repository, tag);
  t.equal(entry?.digest, one);
  t.ok(Math.abs(fast.nowMs() - (entry?.lastSeenMs ?? NaN)) < hourMs / 2, 'by its own clock it was just now');
  t.equal(await there.note({ ...place, digest: two, seenMs: fast.nowMs(), was: one }), true);
  t.match(await here.recall(repository, tag), { digest: two });
});

t.test('redis: a value that makes no sense is as none, and is replaced', async (t) => {
  const redis = await startRedis(t);
  const ledger = new RedisLedger(await openStore(t, redis.url), steadyClock);
  const key = '{tagwarden}:ledger:a/b';
  const nowMs = Date.now();
  const good = { digest: one, first: nowMs - 2_000, last: nowMs - 1_000 };
  await redis.cli('HSET', key, tag, JSON.stringify(good));
  t.match(await ledger.recall(repository, tag), { digest: one }, 'one hash for a repository, JSON for a tag');

  const broken = [
    ...['', '{', 'null', '[]', '1', '"sha256"', '['.repeat(2_000), '{}'],
    ...[
      'x',
      'sha256:11',
      `sha256:${'A'.repeat(64)}`,
      `sha512:${'1'.repeat(64)}`,
      `x:${'1'.repeat(64)}`,
      7,
      {},
    ].map((digest) => JSON.stringify({ ...good, digest })),
    ...[
      { first: 'x' },
      { last: null },
      { first: -1 },
      { first: nowMs },
      { last: nowMs + 100_000 },
      { last: [] },
    ].map((times) => JSON.stringify({ ...good, ...times })),
    JSON.stringify({ digest: one }),
    `{"digest":"${one}","first":nan,"last":nan}`,
    `{"digest":"${one}","first":1e999,"last":1e999}`,
  ];
  for (const value of broken) {
    const what = value.slice(0, 120);
    await redis.cli('HSET', key, tag, value);
    t.equal(await ledger.recall(repository, tag), undefined, what);
    t.equal(await ledger.forget(repository, tag, one), false, what);
    t.equal(await ledger.note({ ...place, digest: two, seenMs: nowMs }), true, what);
    t.match(await ledger.recall(repository, tag), { digest: two }, what);
  }
});

t.test('redis: stopped in the middle it is away, and back it knows what it knew', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const ledger = new RedisLedger(await openStore(t, redis.url), steadyClock);
  await ledger.note({ ...place, digest: one, seenMs: steadyClock.nowMs() });
  await redis.kill();
  await t.rejects(ledger.recall(repository, tag), StoreAway);
  await t.rejects(ledger.note({ ...place, digest: one, seenMs: 0 }), StoreAway);
  await t.rejects(ledger.forget(repository, tag, one), StoreAway);
  await redis.start();
  await eventually('it is back', () =>
    ledger.recall(repository, tag).then(
      (entry) => entry?.digest === one,
      () => false,
    ),
  );
  t.equal(await ledger.note({ ...place, digest: two, seenMs: steadyClock.nowMs(), was: one }), true);
});
