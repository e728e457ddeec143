import { join } from 'node:path';
import t, { type Test } from 'tap';
import { RedisTombstones } from '../../src/adapters/redis/tombstones.ts';
import { TombstonesFile } from '../../src/adapters/tombstones-file.ts';
import { StoreAway, type Tombstones } from '../../src/core/ports.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';
import { storeOfPrimary } from '../fixtures/channels.ts';
import { eventually } from '../fixtures/eventually.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { openStore, startRedis } from '../fixtures/redis.ts';

const one = `sha256:${'1'.repeat(64)}` as Digest;
const two = `sha256:${'2'.repeat(64)}` as Digest;
const long = `sha512:${'a'.repeat(128)}` as Digest;
const repository = 'Host.example:5000/a/b' as Repository;
const tag = 'v1' as Tag;

/** How to open what is one and the same after every restart, or from several replicas. */
type Open = () => Promise<Tombstones>;

const adapters: Readonly<Record<string, (t: Test) => Promise<Open>>> = {
  file: (t) => {
    const path = join(t.testdir(), 'state/tombstones');
    return Promise.resolve(() => TombstonesFile.open(path));
  },
  'file of the primary': (t) => {
    const path = join(temporaryDirectory(t), 'tombstones');
    return Promise.resolve(
      async () => (await storeOfPrimary(t, { tombstones: await TombstonesFile.open(path) })).tombstones,
    );
  },
  redis: async (t) => {
    const { url } = await startRedis(t);
    return async () => new RedisTombstones(await openStore(t, url));
  },
};

for (const [name, prepare] of Object.entries(adapters)) {
  t.test(`${name}: the first digest stays, also after a restart`, async (t) => {
    const open = await prepare(t);
    const tombstones = await open();
    t.equal(await tombstones.recall(repository, tag), undefined, 'nothing is known');
    await tombstones.bury(repository, tag, one);
    await tombstones.bury(repository, tag, one);
    await tombstones.bury(repository, tag, two);
    t.equal(await tombstones.recall(repository, tag), one);
    await tombstones.bury(repository, 'v2' as Tag, long);

    t.equal(await tombstones.recall(repository, 'v3' as Tag), undefined, 'another tag');
    t.equal(await tombstones.recall('a/b' as Repository, tag), undefined, 'another repository');
    await tombstones.close();

    const again = await open();
    t.equal(await again.recall(repository, tag), one);
    t.equal(await again.recall(repository, 'v2' as Tag), long);
    await again.bury(repository, tag, two);
    t.equal(await again.recall(repository, tag), one);
    await again.bury(repository, 'v3' as Tag, two);
    t.equal(await again.recall(repository, 'v3' as Tag), two);
    await again.close();
  });

  t.test(
    `${name}: of many at once one is the first, and none says that it is done before that`,
    async (t) => {
      const open = await prepare(t);
      const tombstones = await open();
      const digests = Array.from({ length: 50 }, (_, i) => `sha256:${String(i).padStart(64, '0')}` as Digest);
      const seen = await Promise.all(
        digests.map(async (digest) => {
          await tombstones.bury(repository, tag, digest);
          return tombstones.recall(repository, tag);
        }),
      );
      t.equal(new Set(seen).size, 1);
      t.ok(digests.includes(seen[0] ?? one));
      await tombstones.close();
      t.equal(await (await open()).recall(repository, tag), seen[0]);
    },
  );
}

t.test('redis: one hash for a repository, from which nothing expires', async (t) => {
  const redis = await startRedis(t);
  const tombstones = new RedisTombstones(await openStore(t, redis.url));
  await tombstones.bury('a/b' as Repository, tag, one);
  const key = '{tagwarden}:tombstones:a/b';
  t.equal(await redis.cli('HGETALL', key), `v1\n${one}`);
  t.equal(await redis.cli('TTL', key), '-1');
});

t.test('redis: a value that makes no sense is no free name', async (t) => {
  const redis = await startRedis(t);
  const tombstones = new RedisTombstones(await openStore(t, redis.url));
  for (const value of ['', 'x', 'sha256:11', `sha256:${'A'.repeat(64)}`]) {
    await redis.cli('HSET', '{tagwarden}:tombstones:a/b', tag, value);
    await t.rejects(tombstones.recall('a/b' as Repository, tag), StoreAway, `"${value}"`);
  }
});

t.test('redis: stopped in the middle it is away, and back it knows what it knew', async (t) => {
  const redis = await startRedis(t, { appendonly: true });
  const tombstones = new RedisTombstones(await openStore(t, redis.url));
  await tombstones.bury(repository, tag, one);
  await redis.kill();
  await t.rejects(tombstones.recall(repository, tag), StoreAway);
  await t.rejects(tombstones.bury(repository, 'v2' as Tag, one), StoreAway);
  await redis.start();
  await eventually('it is back', () =>
    tombstones.recall(repository, tag).then(
      (digest) => digest === one,
      () => false,
    ),
  );
});

t.test('redis: buried only when the replicas have it, also where it was there already', async (t) => {
  const master = await startRedis(t, { settings: ['repl-diskless-sync-delay 0'] });
  const replica = await startRedis(t, { settings: [`replicaof 127.0.0.1 ${master.port}`] });
  const open = async (): Promise<Tombstones> =>
    new RedisTombstones(await openStore(t, master.url, { waitReplicas: 1 }));
  const isBuried = (tombstones: Tombstones, digest: Digest): Promise<boolean> =>
    tombstones.bury(repository, tag, digest).then(
      () => true,
      () => false,
    );
  const here = await open();
  await eventually('the replica follows', async () =>
    (await master.cli('info', 'replication')).includes('state=online'),
  );
  replica.suspend();
  await t.rejects(here.bury(repository, tag, one), StoreAway);
  t.equal(await here.recall(repository, tag), one, 'one Redis has it');
  await t.rejects(
    (await open()).bury(repository, tag, two),
    StoreAway,
    'somebody who has written nothing yet',
  );
  replica.resume();
  await eventually('the replica has it', () => isBuried(here, two));
  t.equal(await replica.cli('HGET', `{tagwarden}:tombstones:${repository}`, tag), one);
});
