import t, { type Test } from 'tap';
import { StoreAway } from '../../../src/core/ports.ts';
import type { Reply, SharedStore } from '../../../src/adapters/redis/store.ts';
import { findProgram } from '../../../config/programs.mjs';
import { eventually } from '../../fixtures/eventually.ts';
import { recordedLog } from '../../fixtures/recorded-log.ts';
import { startCluster } from '../../fixtures/redis-cluster.ts';
import { startSentinel } from '../../fixtures/redis-sentinel.ts';
import { openStore, prepareRedis, startRedis, type Redis } from '../../fixtures/redis.ts';

interface Place {
  readonly url: string;
  /** The server that has our keys now. */
  readonly server: () => Promise<Redis>;
}

const appendonly = true;
const noValkey = findProgram('valkey-server') ? false : 'this release of Debian has no valkey-server';

t.test('Redis', async (t) => {
  const redis = await startRedis(t, { appendonly });
  await suite(t, { url: redis.url, server: () => Promise.resolve(redis) });
});

t.test('Valkey', { skip: noValkey }, async (t) => {
  const valkey = await startRedis(t, { appendonly, program: 'valkey-server' });
  await suite(t, { url: valkey.url, server: () => Promise.resolve(valkey) });
});

t.test('Redis behind sentinels', async (t) => {
  const { url, master } = await startSentinel(t, { appendonly });
  await suite(t, { url, server: master });
});

t.test('a Redis Cluster', async (t) => {
  const { url, ownerOf } = await startCluster(t, { appendonly });
  await suite(t, { url, server: () => ownerOf('{tagwarden}:x') });
});

const echo = { name: 'echo', lua: "return { KEYS[1], ARGV[1], 7, { 'in', false } }" };
const increment = { name: 'increment', lua: "return redis.call('INCR', KEYS[1])" };
const tell = { name: 'tell', lua: "return redis.call('PUBLISH', KEYS[1], ARGV[1])" };
const fail = { name: 'fail', lua: "return redis.error_reply('ERR with a reason')" };

const commandTimeoutMs = 400;
/** Where nothing is to fail, though the machine has much to do. */
const longMs = 5_000;
/** Beyond the timeout, on a machine that has much to do. */
const marginMs = 600;

let counters = 0;
const newCounter = (store: SharedStore): string => store.key('counter', String(++counters));

/** Tries until it works, as those do who poll. */
async function untilRun(store: SharedStore, key: string): Promise<Reply> {
  let reply: Reply = null;
  await eventually(
    'the store works again',
    async () => {
      reply = await store.run(increment, [key], []).catch(() => null);
      return reply !== null;
    },
    30_000,
  );
  return reply;
}

/** That a run fails in time, and as it must. */
async function failsFast(t: Test, store: SharedStore, key: string): Promise<void> {
  const startedMs = performance.now();
  await t.rejects(store.run(increment, [key], []), StoreAway);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs < commandTimeoutMs + marginMs, `it failed after ${Math.round(tookMs)} ms`);
}

async function suite(t: Test, place: Place): Promise<void> {
  await t.test('scripts', (t) => scripts(t, place));
  await t.test('messages', (t) => messages(t, place));
  await t.test('killed, and back', (t) => killed(t, place));
  await t.test('standing still, and back', (t) => suspended(t, place));
  await t.test('closing', (t) => closing(t, place));
}

async function scripts(t: Test, { url, server }: Place): Promise<void> {
  const { log, lines } = recordedLog();
  const store = await openStore(t, url, { commandTimeoutMs: longMs }, log);
  t.match(store.state(), { isUp: true });
  t.equal(store.key('a', 'b/c:d'), '{tagwarden}:a:b/c:d');
  t.strictSame(await store.run(echo, [store.key('x')], ['y']), ['{tagwarden}:x', 'y', 7, ['in', null]]);

  const counter = newCounter(store);
  t.equal(await store.run(increment, [counter], []), 1);
  await (await server()).cli('script', 'flush');
  t.equal(await store.run(increment, [counter], []), 2, 'a script that was forgotten is sent anew');
  t.equal(await store.runDurably(increment, [counter], []), 3);

  for (let time = 0; time < 3; time += 1) {
    const error: unknown = await store.run(fail, [counter], []).catch((reason: unknown) => reason);
    t.match(error, { name: 'StoreAway', message: /^redis cannot be used$/ });
    t.match(error, { cause: { message: /^fail: ERR with a reason/ } });
  }
  t.match(store.state(), { isUp: true }, 'it has answered');
  t.match(lines, [
    { level: 30, msg: 'redis is there' },
    { level: 50, msg: 'redis refuses a command', reason: /^ERR with a reason/ },
  ]);
  t.equal(lines.length, 2, 'told once');
}

async function messages(t: Test, { url }: Place): Promise<void> {
  const listener = await openStore(t, url, { commandTimeoutMs: longMs });
  const other = await openStore(t, url, { commandTimeoutMs: longMs });
  const [heard, more]: [unknown[], unknown[]] = [[], []];
  const channel = listener.key('news');
  listener.subscribe(channel, (message) => heard.push(message));
  listener.subscribe(listener.key('more'), (message) => more.push(message));
  await eventually('both are subscribed', () => heard.length > 0 && more.length > 0);
  await other.run(tell, [channel], ['one']);
  await other.run(tell, [channel], ['two']);
  await eventually('it was heard', () => heard.includes('two'));
  t.same(
    heard.filter((message) => message !== undefined),
    ['one', 'two'],
  );
  t.notOk(more.some((message) => message !== undefined));
}

async function killed(t: Test, { url, server }: Place): Promise<void> {
  const { log, said } = recordedLog();
  const store = await openStore(t, url, { commandTimeoutMs }, log);
  const counter = newCounter(store);
  let gaps = 0;
  store.subscribe(store.key('news'), (message) => (gaps += message === undefined ? 1 : 0));
  t.equal(await untilRun(store, counter), 1);
  await eventually('it is subscribed', () => gaps > 0);
  const gapsBefore = gaps;

  const victim = await server();
  await victim.kill();
  await Promise.all([1, 2, 3].map(() => failsFast(t, store, counter)));
  t.match(store.state(), { isUp: false });
  await victim.start();
  t.equal(await untilRun(store, counter), 2, 'with the data');
  t.match(store.state(), { isUp: true });
  // In a Cluster it may be another node that is listened to, and it is down as a whole before it is up.
  if (!url.includes('cluster')) {
    await eventually('messages may have been missed', () => gaps > gapsBefore);
    t.strictSame(
      said(),
      ['redis is there', 'redis is away', 'redis is back'],
      'changes, and not each attempt',
    );
  }
}

async function suspended(t: Test, { url, server }: Place): Promise<void> {
  const { log, lines } = recordedLog();
  const store = await openStore(t, url, { commandTimeoutMs }, log);
  const [counter, sent] = [newCounter(store), newCounter(store)];
  let gaps = 0;
  store.subscribe(store.key('news'), (message) => (gaps += message === undefined ? 1 : 0));
  await untilRun(store, counter);
  await eventually('it is subscribed', () => gaps > 0);
  const gapsBefore = gaps;
  const victim = await server();
  victim.suspend();
  t.teardown(() => {
    victim.resume();
  });
  // One that is sent, and nothing is heard of; then many that find no connection or one that stands still.
  await failsFast(t, store, sent);
  for (let time = 0; time < 5; time += 1) await failsFast(t, store, counter);
  t.match(store.state(), { isUp: false });
  t.match(lines, [{}, { msg: 'redis is away', reason: 'Command timed out' }]);
  // Longer than from one ping to the next one's timeout.
  await victim.pause(1_000 + commandTimeoutMs + marginMs);
  const reply = await untilRun(store, counter);
  t.ok(Number(reply) <= 7, `the counter is ${String(reply)} after seven runs`);
  t.ok(Number(await store.run(increment, [sent], [])) <= 2, 'what nothing was heard of was not sent again');
  if (!url.includes('cluster'))
    await eventually(
      'messages may have been missed, on a connection that stood still',
      () => gaps > gapsBefore,
    );
}

async function closing(t: Test, { url, server }: Place): Promise<void> {
  const { log, said } = recordedLog();
  const [store, other] = [
    await openStore(t, url, { commandTimeoutMs }, log),
    await openStore(t, url, { commandTimeoutMs }),
  ];
  const counter = newCounter(store);
  await untilRun(store, counter);
  const saidBefore = said();
  await store.close();
  await t.rejects(store.run(increment, [counter], []), StoreAway);
  t.same(said(), saidBefore, 'to close it is no failure');

  const victim = await server();
  victim.suspend();
  const running = failsFast(t, other, counter);
  const startedMs = performance.now();
  await other.close();
  t.ok(performance.now() - startedMs < marginMs, 'prompt, though Redis stands still');
  await running;
  victim.resume();
}

t.test('away at the start', async (t) => {
  const redis = await prepareRedis(t);
  const { log, said, lines } = recordedLog();
  const store = await openStore(t, redis.url, { commandTimeoutMs }, log);
  t.match(store.state(), { isUp: false });
  let gaps = 0;
  store.subscribe(store.key('news'), (message) => (gaps += message === undefined ? 1 : 0));
  await failsFast(t, store, store.key('counter'));
  await redis.start();
  t.equal(await untilRun(store, store.key('counter')), 1);
  await eventually('it is subscribed', () => gaps > 0);
  t.match(store.state(), { isUp: true });
  t.same(said(), ['redis is away', 'redis is back']);
  t.match(lines[0], { reason: /ECONNREFUSED/ });
});

t.test('nothing answers at the start', async (t) => {
  const redis = await startRedis(t);
  redis.suspend();
  const startedMs = performance.now();
  const store = await openStore(t, redis.url, { commandTimeoutMs });
  t.ok(performance.now() - startedMs < commandTimeoutMs + marginMs);
  t.match(store.state(), { isUp: false });
  redis.resume();
  t.equal(await untilRun(store, store.key('counter')), 1);
});
