import t, { type Test } from 'tap';
import { StoreAway } from '../../../src/core/ports.ts';
import type { SharedStore } from '../../../src/adapters/redis/store.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { startCluster } from '../../fixtures/redis-cluster.ts';
import { startSentinel } from '../../fixtures/redis-sentinel.ts';
import { openStore, startRedis } from '../../fixtures/redis.ts';

const put = { name: 'put', lua: "return redis.call('SET', KEYS[1], ARGV[1])" };
const tell = { name: 'tell', lua: "return redis.call('PUBLISH', KEYS[1], ARGV[1])" };
const commandTimeoutMs = 400;
/** Where the machine may have much else to do. */
const longMs = 5_000;

/** Writes until it works; it is never to hang meanwhile. */
async function untilPut(store: SharedStore, key: string, value: string, withinMs = 30_000): Promise<void> {
  const works = (): Promise<boolean> =>
    store.run(put, [key], [value]).then(
      () => true,
      () => false,
    );
  await eventually(`${value} is written`, works, withinMs);
}

/** Resolves when a message is heard of the many that are sent. */
async function untilHeard(store: SharedStore): Promise<void> {
  const channel = store.key('news');
  let isHeard = false;
  store.subscribe(channel, (message) => (isHeard ||= message !== undefined));
  await eventually('a message is heard', async () => {
    await store.run(tell, [channel], ['x']).catch(() => undefined);
    return isHeard;
  });
}

t.test('sentinels: the master dies, and its replica takes over', async (t) => {
  const { url, killMaster, master } = await startSentinel(t);
  const store = await openStore(t, url, { commandTimeoutMs });
  const key = store.key('k');
  await untilPut(store, key, 'before');
  const former = await master();
  await killMaster();
  await untilPut(store, key, 'after');
  t.equal(await (await master()).cli('get', key), 'after');
  t.not(await master(), former);
  await untilHeard(store);
});

t.test('sentinels: the master stands still, and its replica takes over', async (t) => {
  const { url, master } = await startSentinel(t);
  const store = await openStore(t, url, { commandTimeoutMs });
  const key = store.key('k');
  await untilPut(store, key, 'before');
  const former = await master();
  former.suspend();
  await untilPut(store, key, 'after');
  t.not(await master(), former);
  t.equal(await (await master()).cli('get', key), 'after');
  await untilHeard(store);
});

t.test('sentinels: a failover that an operator asks for', async (t) => {
  const { url, failover, master } = await startSentinel(t);
  const store = await openStore(t, url, { commandTimeoutMs });
  const key = store.key('k');
  await untilHeard(store);
  const former = await master();
  await failover();
  // The former master goes on serving meanwhile, and what it is told then is lost.
  await eventually(
    'what is written goes to the new master',
    async () => {
      await untilPut(store, key, 'after');
      return (await (await master()).cli('get', key)) === 'after';
    },
    3_000,
  );
  t.match(await former.cli('info', 'replication'), /role:master/, 'the former master still takes writes');
  await untilHeard(store);
});

t.test('a Cluster: a master dies, and its replica takes over', async (t) => {
  const { url, ownerOf } = await startCluster(t, { hasReplicas: true });
  const store = await openStore(t, url, { commandTimeoutMs });
  const key = store.key('k');
  await untilPut(store, key, 'before');
  const former = await ownerOf(key);
  await former.kill();
  await untilPut(store, key, 'after');
  await untilHeard(store);
});

t.test('a Cluster: a master stands still, and its replica takes over', async (t) => {
  const { url, ownerOf } = await startCluster(t, { hasReplicas: true });
  const store = await openStore(t, url, { commandTimeoutMs });
  const key = store.key('k');
  await untilPut(store, key, 'before');
  (await ownerOf(key)).suspend();
  await untilPut(store, key, 'after');
  await untilHeard(store);
});

async function rejectsFor(t: Test, work: Promise<unknown>, reason: RegExp): Promise<void> {
  const error: unknown = await work.catch((rejection: unknown) => rejection);
  t.ok(error instanceof StoreAway);
  t.match(error, { cause: { message: reason } });
}

t.test('redis.wait_replicas: none is there', async (t) => {
  const redis = await startRedis(t);
  const store = await openStore(t, redis.url, { commandTimeoutMs: longMs, waitReplicas: 1 });
  const key = store.key('k');
  await rejectsFor(t, store.runDurably(put, [key], ['x']), /^put: it reached 0 replicas of Redis, not 1$/);
  t.equal(await redis.cli('get', key), 'x', 'it was run');
  t.equal(await store.run(put, [key], ['y']), 'OK', 'what need not be durable is');
  t.match(store.state(), { isUp: true });
});

t.test('redis.wait_replicas: one of one', async (t) => {
  const { url, servers, master } = await startSentinel(t);
  const store = await openStore(t, url, { commandTimeoutMs: longMs, waitReplicas: 1 });
  const key = store.key('k');
  t.equal(await store.runDurably(put, [key], ['x']), 'OK');
  const replica = servers.find((server) => server !== servers[0]);
  t.equal(await replica?.cli('get', key), 'x', 'the replica has it');
  t.equal(await master(), servers[0]);
  await servers[0]?.cli('script', 'flush');
  t.equal(await store.runDurably(put, [key], ['y']), 'OK', 'a script that was forgotten');
  replica?.suspend();
  await rejectsFor(t, store.runDurably(put, [key], ['z']), /^put: it reached 0 replicas of Redis, not 1$/);
  replica?.resume();
  await eventually('the replica is back', () =>
    store.runDurably(put, [key], ['z']).then(
      () => true,
      () => false,
    ),
  );
});

t.test('redis.wait_replicas in a Cluster, also when the slot moves', async (t) => {
  const { url, ownerOf, masters, replicas } = await startCluster(t, { hasReplicas: true });
  const store = await openStore(t, url, { commandTimeoutMs: longMs, waitReplicas: 1 });
  const key = store.key('k');
  t.equal(await store.runDurably(put, [key], ['x']), 'OK');
  const former = await ownerOf(key);
  const replica = replicas[masters.indexOf(former)];
  await replica?.cli('cluster', 'failover');
  await eventually('the replica has taken over', async () => (await ownerOf(key)) === replica);
  await eventually('the former master follows it', async () =>
    ((await replica?.cli('info', 'replication')) ?? '').includes('state=online'),
  );
  t.equal(await store.runDurably(put, [key], ['y']), 'OK');
  t.equal(await replica?.cli('get', key), 'y');
});
