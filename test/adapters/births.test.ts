import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { BirthsFile } from '../../src/adapters/births-file.ts';
import { steadyClock } from '../../src/adapters/clock.ts';
import { RedisBirths } from '../../src/adapters/redis/births.ts';
import type { Births } from '../../src/core/births.ts';
import { StoreAway } from '../../src/core/ports.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import { storeOfPrimary } from '../fixtures/channels.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { openStore, startRedis } from '../fixtures/redis.ts';

const repository = 'Host.example:5000/a/b' as Repository;
const tag = 'v1' as Tag;
/** What lies between two questions about one time, on a busy machine. */
const marginMs = 2_000;

/** How to open what is one and the same after every restart, or from several replicas. */
type Open = () => Promise<Births>;

const adapters: Readonly<Record<string, (t: Test) => Promise<Open>>> = {
  file: (t) => {
    const path = join(t.testdir(), 'state/births');
    return Promise.resolve(() => BirthsFile.open(path, steadyClock));
  },
  'file of the primary': (t) => {
    const path = join(temporaryDirectory(t), 'births');
    return Promise.resolve(
      async () => (await storeOfPrimary(t, { births: await BirthsFile.open(path, steadyClock) })).births,
    );
  },
  redis: async (t) => {
    const { url } = await startRedis(t);
    return async () => new RedisBirths(await openStore(t, url), steadyClock);
  },
};

for (const [name, prepare] of Object.entries(adapters)) {
  t.test(`${name}: the first time stays, also after a restart`, async (t) => {
    const open = await prepare(t);
    const births = await open();
    t.equal(await births.recall(repository, tag), undefined, 'nobody knows');
    const beforeMs = steadyClock.nowMs();
    await births.note(repository, tag);
    const bornMs = (await births.recall(repository, tag)) ?? 0;
    t.ok(Math.abs(bornMs - beforeMs) < marginMs, `${bornMs} is now, ${beforeMs}`);
    await sleep(marginMs);
    await births.note(repository, tag);
    const again = await births.recall(repository, tag);
    t.ok(Math.abs((again ?? 0) - bornMs) < marginMs, 'it is not born again');
    t.equal(await births.recall(repository, 'v2' as Tag), undefined, 'another tag');
    t.equal(await births.recall('a/b' as Repository, tag), undefined, 'another repository');
    await births.close();
    const reopened = await open();
    t.ok(Math.abs(((await reopened.recall(repository, tag)) ?? 0) - bornMs) < marginMs);
    await reopened.close();
  });
}

t.test('file: a line that makes no sense is an error, one that was cut short is none', async (t) => {
  const line = JSON.stringify({ repository, tag, bornMs: 5 });
  const path = join(t.testdir({ cut: `${line}\n${line.slice(0, 20)}`, broken: `{}\n${line}\n` }), 'cut');
  const births = await BirthsFile.open(path, steadyClock);
  t.equal(await births.recall(repository, tag), 5);
  await births.note(repository, 'v2' as Tag);
  await births.close();
  const again = await BirthsFile.open(path, steadyClock);
  t.ok(await again.recall(repository, 'v2' as Tag), 'what was written after it');
  await again.close();
  writeFileSync(path, `{}\n${line}\n`);
  await t.rejects(BirthsFile.open(path, steadyClock), /cut:1 is no birth; mend the line/);
});

t.test('redis: away it says so, and nothing in it expires', async (t) => {
  const redis = await startRedis(t);
  const births = new RedisBirths(await openStore(t, redis.url), steadyClock);
  await births.note('a/b' as Repository, tag);
  t.equal(await redis.cli('TTL', '{tagwarden}:births:a/b'), '-1');
  await redis.stop();
  await t.rejects(births.recall('a/b' as Repository, tag), StoreAway);
  await t.rejects(births.note('a/b' as Repository, tag), StoreAway);
});
