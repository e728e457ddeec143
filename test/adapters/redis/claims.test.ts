import t, { type Test } from 'tap';
import { steadyClock } from '../../../src/adapters/clock.ts';
import { RedisClaims } from '../../../src/adapters/redis/claims.ts';
import type { ClaimAnswer, ClaimRequest } from '../../../src/core/ports.ts';
import { StoreAway } from '../../../src/core/ports.ts';
import type { Digest, Repository, Tag } from '../../../src/core/reference.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { admits, openRedisClaims, type ReplicaClaims } from '../../fixtures/redis-claims.ts';
import { openStore, startRedis, type Redis } from '../../fixtures/redis.ts';

const lifetimes = { leaseMs: 1_000, ttlMs: 3_000 };

function request(holder: string, tag = 'v1', digit = '1'): ClaimRequest {
  const digest = `sha256:${digit.repeat(64)}` as Digest;
  return { repository: 'a' as Repository, tags: [tag as Tag], digest, needs: [digest], holder };
}

function leftMs(answer: ClaimAnswer): number {
  return answer.outcome === 'quarantined' ? answer.leftMs : 0;
}

async function replicasOf(
  t: Test,
  redis: Redis,
  count: number,
): Promise<[ReplicaClaims, ...ReplicaClaims[]]> {
  const open = (): Promise<ReplicaClaims> => openRedisClaims(t, redis, lifetimes);
  const replicas = await Promise.all(Array.from({ length: count }, open));
  const [first] = replicas;
  if (!first) throw new Error('no replica');
  await admits(first);
  return [first, ...replicas.slice(1)];
}

/** Waits until a replica hears the store again. */
async function answers(claims: ReplicaClaims): Promise<void> {
  await eventually('the store answers', async () => {
    const answer = await claims.claim(request('answers', 'any')).catch(() => undefined);
    return answer !== undefined;
  });
}

t.test('sixty replicas push sixty manifests to one new tag: one of them holds it', async (t) => {
  const redis = await startRedis(t);
  const replicas = await replicasOf(t, redis, 3);
  for (let round = 0; round < 20; round++) {
    const claim = async (_: unknown, index: number): Promise<ClaimAnswer> => {
      const replica = replicas[index % 3] ?? replicas[0];
      const digest = `sha256:${String(index).padStart(64, '0')}` as Digest;
      const asked = { ...request(`${round}-${index}`, `v${round}`), digest, needs: [digest] };
      return replica.claim(asked);
    };
    const answers = await Promise.all(Array.from({ length: 60 }, claim));
    t.equal(answers.filter(({ outcome }) => outcome === 'held').length, 1);
    t.equal(answers.filter(({ outcome }) => outcome === 'taken').length, 59);
  }
});

t.test('who waits hears of what another replica did', async (t) => {
  const [here, there] = await replicasOf(t, await startRedis(t), 2);
  await there?.claim(request('there'));
  const changed = here.changed('a' as Repository, 'v1' as Tag, 60_000);
  await there?.giveBack(request('there'));
  await changed;
  t.same(await here.claim(request('here', 'v1', '2')), { outcome: 'held' });
});

t.test('a store that nobody knew admits claims after a second', async (t) => {
  const redis = await startRedis(t);
  const claims = await openRedisClaims(t, redis, lifetimes);
  const left = leftMs(await claims.claim(request('a')));
  t.ok(left > 0 && left <= 1_000, `${left} ms left`);
  await admits(claims);
  t.same(claims.warnings, []);
});

t.test('a store without its data begins a quarantine for all replicas', async (t) => {
  const redis = await startRedis(t);
  const [one, two] = await replicasOf(t, redis, 2);
  await two?.claim(request('lost'));
  await two?.arm(request('lost'));
  await redis.restart({ withData: false });
  await Promise.all([answers(one), answers(two ?? one)]);
  const left = leftMs(await one.claim(request('a', 'v1', '2')));
  t.ok(left > 1_500 && left <= 3_000, `${left} ms left of the lifetime of a claim`);
  const other = leftMs(await (two ?? one).claim(request('b', 'v1', '2')));
  t.ok(other > 0 && other <= left, 'who comes later does not begin it anew');
  const fresh = await openRedisClaims(t, redis, lifetimes);
  const young = leftMs(await fresh.claim(request('c', 'v1', '2')));
  t.ok(young > 0 && young <= left, 'a replica that has just started keeps it too');
  t.equal(await (two ?? one).arm(request('lost')), 'lost');
  t.notOk(await (two ?? one).confirm(request('lost')));
  t.same(
    (await (two ?? one).mark({ repository: 'a' as Repository, target: request('x').digest, id: 'd' }))
      .outcome,
    'quarantined',
  );
  await admits(one);
  t.match(one.warnings, [/has lost claims/]);
  t.same(fresh.warnings, []);
});

t.test('a store that a new replica found empty: one that knew another begins the quarantine', async (t) => {
  const redis = await startRedis(t);
  const [old] = await replicasOf(t, redis, 1);
  redis.suspend();
  await eventually('the old replica lost it', () =>
    old.claim(request('a')).then(
      () => false,
      () => true,
    ),
  );
  redis.resume();
  await redis.cli('flushall');
  // As a replica that has just started writes it.
  await redis.cli('hset', '{tagwarden}:store', 'epoch', '1-young', 'flagged', '0', 'admits_from', '0');
  await answers(old);
  t.ok(leftMs(await old.claim(request('a'))) > 1_500);
  const young = await openRedisClaims(t, redis, lifetimes);
  t.ok(leftMs(await young.claim(request('b'))) > 0);
});

t.test('a store that lost only the last writes begins one too', async (t) => {
  const redis = await startRedis(t);
  const [claims] = await replicasOf(t, redis, 1);
  await claims.claim(request('a', 'v1'));
  await claims.claim(request('a', 'v2'));
  await claims.arm(request('a', 'v1'));
  const [counter = ''] = (await redis.cli('keys', '{tagwarden}:arms:*'))
    .split('\n')
    .filter((key) => key !== '');
  const before = await redis.cli('keys', '{tagwarden}:arms:*');
  await claims.arm(request('a', 'v2'));
  t.ok(before.includes(counter));
  for (const key of before.split('\n'))
    if ((await redis.cli('get', key)) === '2') await redis.cli('set', key, '1');
  t.ok(leftMs(await claims.claim(request('b', 'v3'))) > 1_500);
  t.notOk(await claims.confirm(request('a', 'v1')), 'what is still there is of another epoch');
  t.match(
    await claims.claim(request('c', 'v1', '2')),
    { outcome: 'taken' },
    'but it still keeps others away',
  );
});

t.test('a store that has its data goes on as if nothing had been', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const [claims] = await replicasOf(t, redis, 1);
  await claims.claim(request('a'));
  await claims.arm(request('a'));
  await redis.restart({ withData: true });
  await answers(claims);
  t.ok(await claims.confirm(request('a')));
  await admits(claims);
  t.same(await claims.claim(request('b', 'v2')), { outcome: 'held' });
  t.same(claims.warnings, []);
});

t.test('away: what must be known fails, what only tidies up does not', async (t) => {
  const redis = await startRedis(t);
  const [claims] = await replicasOf(t, redis, 1);
  await claims.claim(request('a'));
  await redis.stop();
  await t.rejects(claims.claim(request('b')), StoreAway);
  await t.rejects(claims.arm(request('a')), StoreAway);
  await t.rejects(
    claims.mark({ repository: 'a' as Repository, target: request('x').digest, id: 'd' }),
    StoreAway,
  );
  await claims.giveBack(request('a'));
  await claims.leaveUnknown(request('a'));
  await claims.unmark({ repository: 'a' as Repository, target: request('x').digest, id: 'd' });
  const startedMs = performance.now();
  await t.rejects(claims.confirm(request('a')), StoreAway);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 2_000 && tookMs < 10_000, `a confirmation is tried for 3 s: ${Math.round(tookMs)} ms`);
});

t.test('a confirmation that the store misses at first is heard in the end', async (t) => {
  const redis = await startRedis(t);
  const [claims] = await replicasOf(t, redis, 1);
  await claims.claim(request('a'));
  await claims.arm(request('a'));
  redis.suspend();
  const confirmed = claims.confirm(request('a'));
  await t.rejects(claims.claim(request('b', 'v2')), StoreAway);
  redis.resume();
  t.ok(await confirmed);
});

t.test(
  'another server: who was heard shortly before must be heard again, for as long as its claims could live',
  async (t) => {
    const redis = await startRedis(t, { appendonly: true });
    const store = await openStore(t, redis.url);
    const dead = new RedisClaims(store, { graceMs: 1, ...lifetimes }, steadyClock, {
      warn: quiet,
      error: quiet,
    });
    const [claims] = await replicasOf(t, redis, 1);
    await admits(dead);
    await store.close();
    await redis.restart({ withData: true });
    const restartedMs = performance.now();
    await answers(claims);
    t.ok(
      leftMs(await claims.claim(request('a'))) > 0,
      'the one that died with the server could know of a loss',
    );
    await admits(claims);
    const tookMs = performance.now() - restartedMs;
    t.ok(tookMs > 2_000 && tookMs < 10_000, `a lifetime: ${Math.round(tookMs)} ms`);
    t.same(claims.warnings, [], 'but nothing was lost');
  },
);

t.test('nothing is armed either while the roll is called', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const [claims] = await replicasOf(t, redis, 1);
  await claims.claim(request('a'));
  await claims.mark({ repository: 'a' as Repository, target: request('x', 'v1', '7').digest, id: 'd' });
  await redis.restart({ withData: true });
  await answers(claims);
  t.equal(await claims.arm(request('a')), 'lost');
  t.notOk(
    await claims.armMark({ repository: 'a' as Repository, target: request('x', 'v1', '7').digest, id: 'd' }),
  );
});

t.test('a replica that comes late, from a master that was cut off, renews the quarantine', async (t) => {
  const redis = await startRedis(t);
  const [claims] = await replicasOf(t, redis, 1);
  await claims.claim(request('a'));
  await claims.arm(request('a'));
  // As another replica left it here meanwhile; in one step, for this one is heard all the time.
  const others =
    "redis.call('FLUSHALL') redis.call('HSET', KEYS[1], 'epoch', '9-later', 'flagged', '1', 'admits_from', '0', 'server_since', '0')";
  await redis.cli('eval', others, '1', '{tagwarden}:store');
  t.ok(leftMs(await claims.claim(request('b', 'v2'))) > 1_500);
  t.equal(await redis.cli('hget', '{tagwarden}:store', 'epoch'), '9-later', 'in the same epoch');
});

t.test('a replica that has left in order is not waited for', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const [claims, leaving] = await replicasOf(t, redis, 2);
  await leaving?.close();
  await redis.restart({ withData: true });
  const restartedMs = performance.now();
  await admits(claims);
  t.ok(performance.now() - restartedMs < 2_900, 'less than a lifetime');
});

t.test('an epoch from before the one that is known is a loss, though it was flagged', async (t) => {
  const redis = await startRedis(t);
  const [claims] = await replicasOf(t, redis, 1);
  const setEpoch = (epoch: string, flagged: string): Promise<string> =>
    redis.cli('hset', '{tagwarden}:store', 'epoch', epoch, 'flagged', flagged, 'admits_from', '0');
  await setEpoch('7-later', '1');
  t.same(await claims.claim(request('a')), { outcome: 'held' }, 'one that begins later is adopted');
  await setEpoch('6-earlier', '1');
  t.ok(leftMs(await claims.claim(request('b', 'v2'))) > 1_500);
  t.match(await redis.cli('hget', '{tagwarden}:store', 'epoch'), /^8-/);
});

t.test('a process that slept while it armed sends nothing', async (t) => {
  const redis = await startRedis(t);
  const store = await openStore(t, redis.url);
  let aheadMs = 0;
  const clock = { ...steadyClock, nowMs: () => steadyClock.nowMs() + aheadMs };
  const claims = new RedisClaims(store, { graceMs: 1, ...lifetimes }, clock, { warn: quiet, error: quiet });
  t.teardown(() => claims.close());
  await admits(claims);
  await claims.claim(request('a'));
  const arming = claims.arm(request('a'));
  aheadMs = 2_500;
  t.equal(await arming, 'lost');
});

t.test('a Redis that may throw claims away says so', async (t) => {
  const redis = await startRedis(t, { settings: ['maxmemory 100mb', 'maxmemory-policy volatile-lru'] });
  const [claims] = await replicasOf(t, redis, 1);
  await eventually('it is seen', () => claims.doubt() !== undefined);
  t.match(claims.doubt(), /maxmemory-policy is volatile-lru/);
  t.match(claims.warnings, [/Redis may throw claims away; set noeviction/]);
  await redis.cli('config', 'set', 'maxmemory-policy', 'noeviction');
  await eventually('it is seen', () => claims.doubt() === undefined);
});

function quiet(): undefined {
  return undefined;
}
