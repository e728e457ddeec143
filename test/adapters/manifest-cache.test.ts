import t, { type Test } from 'tap';
import { steadyClock } from '../../src/adapters/clock.ts';
import { ManifestCache, type ManifestStore } from '../../src/adapters/manifest-cache.ts';
import { PatientReader } from '../../src/adapters/patient-reader.ts';
import { RedisManifests } from '../../src/adapters/redis/manifests.ts';
import { RepositoryReads } from '../../src/adapters/repository-reads.ts';
import { Upstream } from '../../src/adapters/upstream.ts';
import { StoreAway } from '../../src/core/ports.ts';
import type { Digest, Repository } from '../../src/core/reference.ts';
import { eventually } from '../fixtures/eventually.ts';
import { digestOf } from '../fixtures/image.ts';
import { openStore, startRedis } from '../fixtures/redis.ts';
import { startUpstream, type ScriptedUpstream } from '../fixtures/upstream.ts';

const layer = `sha256:${'1'.repeat(64)}` as Digest;
const bytes = Buffer.from(JSON.stringify({ layers: [{ digest: layer }] }));
const digest = digestOf(bytes) as Digest;
const reading = { repository: 'a/b' as Repository, asCaller: [], withinMs: 2_000 };

async function startManifests(
  t: Test,
): Promise<ScriptedUpstream & { open: (store?: ManifestStore) => ManifestCache }> {
  const upstream = await startUpstream(t, (_, res) => void res.end(bytes));
  const client = new Upstream({ origin: upstream.url });
  t.teardown(() => client.close());
  const reads = new RepositoryReads(new PatientReader(client, steadyClock));
  return { ...upstream, open: (store) => new ManifestCache(reads, store) };
}

t.test('a manifest is read once', async (t) => {
  const { open, requests } = await startManifests(t);
  const cache = open();
  const fact = { state: 'present', sha256: digest, needs: { children: [], blobs: [layer], subjects: [] } };
  t.same(await cache.read(reading, digest), fact);
  t.same(await cache.read(reading, digest), fact);
  t.equal(requests.length, 1);
});

t.test('replicas share what they have read', async (t) => {
  const { open, requests } = await startManifests(t);
  const redis = await startRedis(t);
  const store = await openStore(t, redis.url);
  const fact = await open(new RedisManifests(store)).read(reading, digest);
  const other = new RedisManifests(store);
  await eventually('it is kept', async () => (await other.recall(digest)) !== undefined);
  t.same(await open(other).read(reading, digest), fact);
  t.equal(requests.length, 1);
});

t.test('without the store, or with what makes no sense in it, the upstream is asked', async (t) => {
  const { open, requests } = await startManifests(t);
  const gone = () => Promise.reject(new StoreAway('gone'));
  t.match(await open({ recall: gone, keep: gone }).read(reading, digest), { state: 'present' });
  const redis = await startRedis(t);
  const store = await openStore(t, redis.url);
  const write = { name: 'write', lua: `redis.call('SET', KEYS[1], ARGV[1]) return 1` };
  const junk = [
    '{',
    '{}',
    'null',
    JSON.stringify({ sha256: digest, needs: { children: ['x'], blobs: [], subjects: [] } }),
  ];
  for (const text of junk) {
    await store.run(write, [store.key('manifest', digest)], [text]);
    const manifests = new RedisManifests(store);
    const asItIs = { recall: () => manifests.recall(digest), keep: () => Promise.resolve() };
    t.match(await open(asItIs).read(reading, digest), { state: 'present', sha256: digest }, text);
  }
  t.equal(requests.length, 1 + junk.length);
});
