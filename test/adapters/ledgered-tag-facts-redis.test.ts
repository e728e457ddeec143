import t, { type Test } from 'tap';
import { steadyClock } from '../../src/adapters/clock.ts';
import { RedisLedger } from '../../src/adapters/redis/ledger.ts';
import type { Digest } from '../../src/core/reference.ts';
import { eventually } from '../fixtures/eventually.ts';
import { imageOf, pushImage } from '../fixtures/image.ts';
import {
  moved,
  gone,
  Observed,
  one,
  present,
  repository,
  shows,
  tag,
  two,
  verified,
} from '../fixtures/ledgered-tag-facts.ts';
import { openStore, startRedis, type Redis } from '../fixtures/redis.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { startUpstream } from '../fixtures/upstream.ts';

async function openReplica(
  t: Test,
  { url }: Redis,
  upstreamUrl: string,
  commandTimeoutMs = 1_000,
): Promise<Observed> {
  const store = await openStore(t, url, { commandTimeoutMs });
  return new Observed(t, upstreamUrl, new RedisLedger(store, steadyClock), steadyClock);
}

/** What a look-up has to say is noted after it; and one that comes too soon after another one leaves it to the next. */
async function lookUntil(what: string, observed: Observed, condition: () => boolean): Promise<void> {
  await eventually(what, async () => {
    await observed.look();
    return condition();
  });
}

async function isNoted(redis: Redis, digest: Digest): Promise<boolean> {
  return (await redis.cli('HGET', `{tagwarden}:ledger:${repository}`, tag)).includes(digest);
}

t.test('a real registry: what is done behind our back is told once, by one of the replicas', async (t) => {
  const [registry, redis] = await Promise.all([startRegistry(t), startRedis(t)]);
  const replicas = await Promise.all([1, 2, 3].map(() => openReplica(t, redis, registry.url)));
  const all = async (): Promise<void> => {
    await Promise.all(replicas.flatMap((replica) => Array.from({ length: 10 }, () => replica.look())));
  };
  const messages = (): readonly unknown[] => replicas.flatMap((replica) => replica.messages);
  const [first, second] = [imageOf('first'), imageOf('second')];
  await pushImage(registry.url, repository, tag, first);
  await all();
  await eventually('it is noted', () => isNoted(redis, first.descriptor.digest as Digest));
  t.same(messages(), []);

  await pushImage(registry.url, repository, tag, second);
  await eventually('it is told', async () => {
    await all();
    return messages().length > 0;
  });
  await all();
  t.same(messages(), [moved]);

  await fetch(`${registry.url}/v2/${repository}/manifests/${second.descriptor.digest}`, { method: 'DELETE' });
  await eventually('it is told', async () => {
    await all();
    return messages().length > 1;
  });
  await all();
  // Each may have been told by another replica.
  t.same(messages().toSorted(), [gone, moved].toSorted());
});

t.test('what one replica has seen denies at another', async (t) => {
  const [upstream, redis] = await Promise.all([startUpstream(t, shows(one.sha256)), startRedis(t)]);
  const [here, there] = await Promise.all([
    openReplica(t, redis, upstream.url),
    openReplica(t, redis, upstream.url),
  ]);
  await here.look();
  await eventually('it is noted', () => isNoted(redis, one.sha256));
  const asked = upstream.requests.length;
  t.same(await there.look({ immutable: verified(0), pushed: two }), present(one.sha256));
  t.equal(upstream.requests.length, asked);

  here.facts.seen(repository, [tag], two.sha256);
  await eventually('it is noted', () => isNoted(redis, two.sha256));
  t.same(await there.look({ immutable: verified(0), pushed: one }), present(two.sha256));
  t.equal(upstream.requests.length, asked);
});

t.test(
  'Redis stopped in the middle: look-ups go on, and what was known counts when it is back',
  async (t) => {
    const [upstream, redis] = await Promise.all([
      startUpstream(t, shows(one.sha256)),
      startRedis(t, { appendonly: true }),
    ]);
    const observed = await openReplica(t, redis, upstream.url);
    await observed.look();
    await eventually('it is noted', () => isNoted(redis, one.sha256));

    await redis.kill();
    upstream.script = shows(two.sha256);
    t.same(await observed.look({ immutable: verified(0), pushed: two }), present(two.sha256, true));
    t.same(await observed.look(), present(two.sha256));
    observed.facts.seen(repository, [tag], two.sha256);
    await eventually('it is counted', () => observed.facts.ledgerFailures >= 3);
    t.same(observed.told, []);

    await redis.start();
    await lookUntil('it is told', observed, () => observed.facts.tamperings > 0);
    t.same(observed.messages, [moved]);
  },
);

t.test('Redis standing still delays nobody whom the ledger may not deny', async (t) => {
  const [upstream, redis] = await Promise.all([startUpstream(t, shows(one.sha256)), startRedis(t)]);
  const observed = await openReplica(t, redis, upstream.url, 60_000);
  redis.suspend();
  const answers: unknown[] = [];
  void observed.look().then((fact) => answers.push(fact));
  await eventually('it is answered', () => answers.length > 0);
  redis.resume();
  t.same(answers, [present(one.sha256)]);
  await eventually('it is noted in the end', () => isNoted(redis, one.sha256));
});
