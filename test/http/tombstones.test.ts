import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { imageOf, pushParts, storedManifest, type Image } from '../fixtures/image.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { startRegistry, type Registry } from '../fixtures/registry.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';

const repository = 'flightjs/flight';
const keeping = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true, tombstone: true }
  - { id: others, tag_name_pattern: ^w, immutable: true }
`;
/** A confirmed claim keeps other manifests away for as long. */
const shortClaims = ['--claims-ttl-seconds', '2', '--claims-put-deadline-seconds', '1'];
const [one, two] = [imageOf('one'), imageOf('two')];
const buried =
  /^403 DENIED: tag is immutable; flightjs\/flight:v1\.0 was sha256:[0-9a-f]{12}… and is gone; only/;

async function startStored(t: Test): Promise<Registry> {
  const registry = await startRegistry(t);
  for (const image of [one, two]) await pushParts(registry.url, repository, image);
  return registry;
}

/** `201`, or the refusal. */
async function push({ url }: Tagwarden, tag: string, { bytes, descriptor }: Image): Promise<string> {
  const answer = await ask(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: ['Content-Type', descriptor.mediaType],
    body: bytes,
  });
  return answer.status === 201 ? '201' : refusalOf(answer);
}

/** Behind our back, with every tag that points to it. */
async function vanish({ url }: Registry, { descriptor }: Image): Promise<void> {
  const { status } = await ask(`${url}/v2/${repository}/manifests/${descriptor.digest}`, {
    method: 'DELETE',
  });
  if (status !== 202) throw new Error(`the registry answered ${status}`);
}

/** Claims from before may still stand for a while. */
async function eventuallyAnswers(
  tagwarden: Tagwarden,
  tag: string,
  image: Image,
  answer: RegExp,
): Promise<void> {
  let last = '';
  await eventually(
    String(answer),
    async () => answer.test((last = await push(tagwarden, tag, image))),
    20_000,
  ).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}, but ${last}`);
  });
}

t.test('a tag that vanishes leaves its name to the manifest that it was', async (t) => {
  const registry = await startStored(t);
  const tagwarden = await startTagwarden(t, { upstream: registry.url, rules: keeping, flags: shortClaims });
  t.equal(await push(tagwarden, 'v1.0', one), '201');
  t.equal(await push(tagwarden, 'w1.0', one), '201');
  await vanish(registry, one);
  await eventuallyAnswers(tagwarden, 'v1.0', two, buried);
  await eventuallyAnswers(tagwarden, 'w1.0', two, /^201$/);
  t.equal(await push(tagwarden, 'v1.0', one), '201');
  t.equal((await storedManifest(registry.url, repository, 'v1.0')).digest, one.descriptor.digest);
  t.match(await push(tagwarden, 'v1.0', two), /^403 DENIED: .* is sha256:.* cannot become/);
});

t.test('a tag that was there before the rule is kept from when it was first looked at', async (t) => {
  const registry = await startStored(t);
  const tagwarden = await startTagwarden(t, { upstream: registry.url, rules: keeping, flags: shortClaims });
  const direct = { url: registry.url } as Tagwarden;
  t.equal(await push(direct, 'v1.0', one), '201');
  t.match(await push(tagwarden, 'v1.0', two), /cannot become/);
  await vanish(registry, one);
  t.match(await push(tagwarden, 'v1.0', two), buried);
});

t.test('a restart remembers it', async (t) => {
  const registry = await startStored(t);
  const file = join(temporaryDirectory(t), 'state/tombstones');
  const start = (): Promise<Tagwarden> =>
    startTagwarden(t, {
      upstream: registry.url,
      rules: keeping,
      flags: ['--immutability-tombstone-file', file],
    });
  // Each has a journal of its own: no claim outlives it.
  const first = await start();
  t.equal(await push(first, 'v1.0', one), '201');
  t.equal(await push(first, 'w1.0', one), '201');
  await t.rejects(start(), {
    message: `${file} is in use by another Tagwarden; give each its own immutability.tombstone_file`,
  });
  await first.app.close();
  await vanish(registry, one);
  const second = await start();
  t.match(await push(second, 'v1.0', two), buried);
  t.equal(await push(second, 'w1.0', two), '201');
  t.equal(await push(second, 'v1.0', one), '201');
});

t.test('replicas share it through Redis', async (t) => {
  const [registry, redis] = await Promise.all([startStored(t), startRedis(t)]);
  const start = (): Promise<Tagwarden> =>
    startTagwarden(t, {
      upstream: registry.url,
      rules: keeping,
      flags: ['--redis', redis.url, '--rules-publish', 'true', ...shortClaims],
    });
  const [here, there] = await Promise.all([start(), start()]);
  await eventuallyAnswers(here, 'v1.0', one, /^201$/);
  t.equal(await redis.cli('HGET', `{tagwarden}:tombstones:${repository}`, 'v1.0'), one.descriptor.digest);
  await vanish(registry, one);
  await eventuallyAnswers(there, 'v1.0', two, buried);
  t.equal(await push(there, 'v1.0', one), '201');
  await vanish(registry, one);
  await redis.kill();
  t.match(await push(there, 'v1.0', two), /^503 UNAVAILABLE/);
});
