import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, refusalOf, type Answer } from '../fixtures/ask.ts';
import { imageOf, pushParts, storedManifest, type Image } from '../fixtures/image.ts';
import { askApi, tokensText } from '../fixtures/management-api.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';

const repository = 'team/app';
const rules = `tag_rules:
  - id: robots-add
    tag_name_pattern: ^n
    minimum_access_level_for_create: developer
    minimum_access_level_for_push: maintainer
  - { id: releases, tag_name_pattern: ^v, immutable: true }
  - { id: settles, tag_name_pattern: ^rc, immutable: true, immutable_after: 1h }
`;
const images = Array.from({ length: 8 }, (_, index) => imageOf(`image ${index}`));

interface Pair {
  readonly replicas: readonly [Tagwarden, Tagwarden];
  /** The registry itself. */
  readonly direct: string;
  readonly push: (replica: 0 | 1, tag: string, image: Image | undefined) => Promise<Answer>;
}

async function startPair(t: Test): Promise<Pair> {
  const registry = await startRegistry(t);
  const redis = await startRedis(t);
  const tokenFile = join(temporaryDirectory(t), 'tokens.yaml');
  writeFileSync(tokenFile, tokensText({ alice: ['unlock'] }));
  const config = `redis: { url: '${redis.url}' }
rules: { publish: true }
admin: { token_file: '${tokenFile}' }
`;
  const replica = () => startTagwarden(t, { upstream: registry.url, rules, config });
  const replicas = [await replica(), await replica()] as const;
  for (const image of images) await pushParts(registry.url, repository, image);
  return {
    replicas,
    direct: registry.url,
    push: (at, tag, image) =>
      ask(`${replicas[at].url}/v2/${repository}/manifests/${tag}`, {
        method: 'PUT',
        headers: ['Content-Type', image?.descriptor.mediaType ?? ''],
        body: image?.bytes ?? Buffer.alloc(0),
      }),
  };
}

t.test('robots that make one tag at the same moment through two replicas: one does', async (t) => {
  const { push, direct } = await startPair(t);
  for (let round = 0; round < 20; round++) {
    const tag = `n${round}`;
    const answers = await Promise.all(
      images.map((image, index) => push(index % 2 === 0 ? 0 : 1, tag, image)),
    );
    const winners = images.filter((_, index) => answers[index]?.status === 201);
    t.equal(winners.length, 1, tag);
    const refusals = answers
      .map(refusalOf)
      .filter((refusal) => /^(?:403 DENIED: tag protected|429)/.test(refusal));
    t.equal(refusals.length, images.length - 1, refusals.join('\n'));
    const stored = await storedManifest(direct, repository, tag);
    t.equal(stored.digest, winners[0]?.descriptor.digest, 'and it stays');
  }
});

t.test('an unlock made at one replica is good at the other, and so is its end', async (t) => {
  const { replicas, push } = await startPair(t);
  const admin = (at: 0 | 1): string => `http://${replicas[at].app.adminAddress}`;
  t.equal((await push(0, 'v1', images[0])).status, 201);
  t.match(refusalOf(await push(1, 'v1', images[1])), /^403 DENIED: tag is immutable/);
  const json = { repository, tag: 'v1', actions: ['push'], reason: 'broken', expires_in: 600 };
  const made = await askApi(admin(0), { method: 'POST', path: '/api/v4/unlocks', as: 'alice', json });
  t.equal(made.status, 201);
  t.equal((await push(1, 'v1', images[1])).status, 201);
  t.equal((await push(0, 'v1', images[2])).status, 201);
  const { id } = made.json as { id: string };
  const path = `/api/v4/unlocks/${id}`;
  t.equal((await askApi(admin(1), { method: 'DELETE', path, as: 'alice' })).status, 204);
  for (const at of [0, 1] as const)
    t.match(refusalOf(await push(at, 'v1', images[3])), /^403 DENIED: tag is immutable/);
  t.equal((await push(1, 'v1', images[2])).status, 201, 'what it is now');
});

t.test('immutable_after: what is young at one replica is young at the other', async (t) => {
  const { push, direct } = await startPair(t);
  t.equal((await push(0, 'rc1', images[0])).status, 201);
  t.equal((await push(1, 'rc1', images[1])).status, 201, 'replaced');
  const late = await Promise.all(images.map((image, index) => push(index % 2 === 0 ? 0 : 1, 'rc1', image)));
  const last = await storedManifest(direct, repository, 'rc1');
  const accepted = images.filter((_, index) => late[index]?.status === 201);
  t.ok(
    accepted.some(({ descriptor }) => descriptor.digest === last.digest),
    'one of those that were told so',
  );
});
