import t, { type Test } from 'tap';
import { imageOf, pushImage, pushParts } from '../../fixtures/image.ts';
import {
  askApi,
  startTagwardenOfApi,
  tokenNamed,
  type Question,
  type TagwardenOfApi,
} from '../../fixtures/management-api.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { startRedis, type Redis } from '../../fixtures/redis.ts';
import { startRegistry } from '../../fixtures/registry.ts';
import { rulesElsewhere, startTagwarden } from '../../fixtures/tagwarden.ts';
import { startUpstream } from '../../fixtures/upstream.ts';

const tagRules = 'flightjs/registry/protection/tag/rules';
const repositoryRules = 'flightjs/registry/protection/repository/rules';
const forOwners = { minimum_access_level_for_push: 'owner', minimum_access_level_for_delete: 'owner' };

interface Scene {
  readonly redis?: Redis;
  readonly replicas: readonly TagwardenOfApi[];
  readonly change: (question: Question) => Promise<unknown>;
  /** What each replica says to a push of a new image. */
  readonly pushes: (reference: string) => Promise<string[]>;
}

async function open(t: Test, count: number): Promise<Scene> {
  const registry = await startRegistry(t);
  const redis = count > 1 ? await startRedis(t) : undefined;
  const flags = redis ? ['--redis', redis.url, '--rules-publish', 'true'] : [];
  const options = { upstream: registry.url, rules: rulesElsewhere, flags };
  const replicas = await Promise.all(Array.from({ length: count }, () => startTagwardenOfApi(t, options)));
  let asked = 0;
  let images = 0;
  return {
    ...(redis && { redis }),
    replicas,
    change: async (question) => {
      // Each change is asked of another replica.
      const replica = replicas[asked++ % replicas.length];
      const answer = await askApi(replica?.adminUrl ?? '', { as: 'root', ...question });
      return answer.json ?? answer.status;
    },
    pushes: (reference) =>
      Promise.all(
        replicas.map(async ({ url }) => {
          const [repository = '', tag = ''] = reference.split(':');
          const image = imageOf(`${reference} ${++images}`);
          await pushParts(registry.url, repository, image);
          const answer = await pushImage(url, repository, tag, image).catch((error: unknown) => error);
          return answer instanceof Response ? `${answer.status} ${await answer.text()}` : String(answer);
        }),
      ),
  };
}

for (const count of [1, 2]) {
  t.test(
    `rules made through the API bite at ${count === 1 ? 'one Tagwarden' : 'every replica'}`,
    async (t) => {
      const { change, pushes, replicas } = await open(t, count);
      const eventuallyAll = (reference: string, told: RegExp) =>
        eventually(
          `${reference}: ${told.source}`,
          async () => (await pushes(reference)).every((answer) => told.test(answer)),
          15_000,
        );
      t.match(
        await pushes('flightjs/flight:latest'),
        Array.from({ length: count }, () => /^201/),
      );
      const json = { tag_name_pattern: '^latest$', ...forOwners };
      t.match(await change({ method: 'POST', path: tagRules, json }), { id: 1, project_id: 1 });
      await eventuallyAll('flightjs/flight:latest', /^403.*managed-1/);
      t.match(
        await pushes('other/flight:latest'),
        Array.from({ length: count }, () => /^201/),
        'another project',
      );
      const admitted = { minimum_access_level_for_push: '', minimum_access_level_for_delete: '' };
      t.match(await change({ method: 'PATCH', path: `${tagRules}/1`, json: admitted }), { immutable: true });
      await eventuallyAll('flightjs/flight:latest', /^403.*immutable/);
      t.equal(await change({ method: 'DELETE', path: `${tagRules}/1` }), 204);
      await eventuallyAll('flightjs/flight:latest', /^201/);
      const frozen = { repository_path_pattern: 'flightjs/*', minimum_access_level_for_push: 'no_access' };
      t.match(await change({ method: 'POST', path: repositoryRules, json: frozen }), { id: 2 });
      await eventuallyAll('flightjs/flight:new', /403/);
      for (const { adminUrl } of replicas) {
        const { json } = await askApi(adminUrl, { path: repositoryRules, as: 'reader' });
        t.match(json, [{ id: 2, project_id: 1, repository_path_pattern: 'flightjs/*' }]);
      }
      t.notMatch(JSON.stringify(replicas.map(({ logs }) => logs)), tokenNamed('root'));
    },
  );
}

t.test('Redis is away', async (t) => {
  const { redis, replicas, change } = await open(t, 2);
  await change({ method: 'POST', path: tagRules, json: { tag_name_pattern: '^v' } });
  await redis?.kill();
  const [{ adminUrl } = { adminUrl: '' }] = replicas;
  const rows: readonly Question[] = [
    { path: tagRules },
    { path: tagRules.replace('flightjs', '1') },
    { method: 'POST', path: tagRules, json: { tag_name_pattern: 'x' } },
    { method: 'PATCH', path: `${tagRules}/1`, json: {} },
    { method: 'DELETE', path: `${tagRules}/1` },
  ];
  for (const question of rows) {
    const { status, json, headers } = await askApi(adminUrl, { as: 'root', ...question });
    const says = `${question.method ?? 'GET'} ${question.path}`;
    t.match([status, headers['retry-after']], [503, /^\d+$/], says);
    t.match(json, { message: /^503 Service Unavailable/ }, says);
  }
  t.equal((await askApi(adminUrl, { path: '/livez' })).status, 200);
});

t.test('there is a management API where there are tokens', async (t) => {
  const upstream = await startUpstream(t);
  const options = { upstream: upstream.url, rules: rulesElsewhere };
  const without = await startTagwarden(t, options);
  const closed = await askApi(`http://${without.app.adminAddress}`, { path: '/api/openapi.json' });
  t.equal(closed.status, 404);
  const local = await startTagwardenOfApi(t, options);
  t.equal((await askApi(local.adminUrl, { path: '/api/openapi.json' })).status, 200);
  t.equal((await askApi(local.adminUrl, { path: '/readyz' })).status, 200);
  t.notMatch(local.logs, [{ msg: /in clear/ }]);
  const open = await startTagwardenOfApi(t, { ...options, adminHost: '0.0.0.0' });
  const warned = open.logs.filter(({ msg }) => /tokens travel in clear/.test(String(msg)));
  t.match(warned, [{ level: 40, listen: '0.0.0.0' }]);
  await t.rejects(startTagwarden(t, { ...options, flags: ['--admin-token-file', '/nowhere/tokens.yaml'] }), {
    message: '/nowhere/tokens.yaml: cannot be read (ENOENT)',
  });
});
