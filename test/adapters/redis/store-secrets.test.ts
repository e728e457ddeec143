import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import { Secret } from '../../../src/config/secret.ts';
import type { RedisConfig } from '../../../src/config/redis.ts';
import { recordedLog, type RecordedLog } from '../../fixtures/recorded-log.ts';
import { startCluster } from '../../fixtures/redis-cluster.ts';
import { startSentinel } from '../../fixtures/redis-sentinel.ts';
import { openStore, startRedis } from '../../fixtures/redis.ts';
import { serverCertificate } from '../../fixtures/server-certificate.ts';

const increment = { name: 'increment', lua: "return redis.call('INCR', KEYS[1])" };
const password = 'pa55word';
const sentinelPassword = 's3ntinel';
const right = { password: new Secret(password), sentinelPassword: new Secret(sentinelPassword) };
const wrong = { password: new Secret('wr0ng'), sentinelPassword: new Secret('wr0ng') };

/** Runs a script once; what comes of it. */
async function attempt(
  t: Test,
  url: string,
  config: Partial<RedisConfig>,
): Promise<{ outcome: unknown } & RecordedLog> {
  const recorded = recordedLog();
  const store = await openStore(t, url, { commandTimeoutMs: 5_000, ...config }, recorded.log);
  const outcome: unknown = await store.run(increment, [store.key('k')], []).catch((error: unknown) => error);
  return { outcome, ...recorded };
}

/** That it does not get in, and that neither the log nor the error has a password. */
async function isKeptOut(t: Test, url: string, config: Partial<RedisConfig>, reason: RegExp): Promise<void> {
  const { outcome, lines } = await attempt(t, url, config);
  t.match(outcome, { name: 'StoreAway' });
  t.match(lines, [{ msg: 'redis is away', reason }]);
  const printed = inspect(outcome, { depth: 9, showHidden: true }) + JSON.stringify(lines);
  t.notMatch(printed, /pa55word|s3ntinel|wr0ng/);
}

t.test('a password', async (t) => {
  const { url } = await startRedis(t, { password });
  t.match(await attempt(t, url, right), { outcome: 1 });
  await isKeptOut(t, url, wrong, /WRONGPASS/);
  await isKeptOut(t, url, {}, /NOAUTH/);
});

t.test('a user of an access list', async (t) => {
  const settings = [`user tagwarden on >${password} ~{tagwarden}:* &{tagwarden}:* +@all -@dangerous +info`];
  const { url } = await startRedis(t, { settings });
  t.match(await attempt(t, url, { username: 'tagwarden', ...right }), { outcome: 1 });
  await isKeptOut(t, url, { username: 'nobody', ...right }, /WRONGPASS/);
});

t.test('passwords of sentinels and of what they watch', async (t) => {
  const { url } = await startSentinel(t, { password, sentinelPassword });
  t.match(await attempt(t, url, right), { outcome: 1 });
  await isKeptOut(t, url, { ...right, sentinelPassword: wrong.sentinelPassword }, /WRONGPASS/);
  await isKeptOut(t, url, { ...right, password: wrong.password }, /WRONGPASS/);
});

t.test('a password of a Cluster', async (t) => {
  const { url } = await startCluster(t, { password });
  t.match(await attempt(t, url, right), { outcome: 1 });
  await isKeptOut(t, url, wrong, /WRONGPASS/);
});

t.test('TLS', async (t) => {
  const tls = await serverCertificate(t);
  const trusting = { tls: { ca: tls.pem } };
  const places = {
    'one server': await startRedis(t, { tls }),
    sentinels: await startSentinel(t, { tls }),
    'a Cluster': await startCluster(t, { tls }),
  };
  for (const [name, { url }] of Object.entries(places)) {
    t.match(url, /^rediss/);
    t.match(await attempt(t, url, trusting), { outcome: 1 }, name);
    await isKeptOut(t, url, {}, /self-signed certificate/);
  }
  const elsewhere = places['one server'].url.replace('127.0.0.1', 'localhost');
  await isKeptOut(t, elsewhere, trusting, /Hostname\/IP does not match certificate's altnames/);
});
