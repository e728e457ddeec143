import t, { type Test } from 'tap';
import { eventually } from '../fixtures/eventually.ts';
import { imageOf, pushParts, putManifest } from '../fixtures/image.ts';
import { startTagwardenOfApi, tokenNamed } from '../fixtures/management-api.ts';
import { runProgram } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { goProgram, startRegistry } from '../fixtures/registry.ts';
import { rulesElsewhere } from '../fixtures/tagwarden.ts';

const project = 'flightjs';
const raw = `projects/${project}/registry/protection/tag/rules`;

interface Scene {
  /** What GitLab's Go client prints; each call asks another replica. */
  readonly client: (...args: readonly string[]) => Promise<unknown>;
  /** Every replica's next answer to a new image of the tag is as told. */
  readonly everyPush: (reference: string, told: RegExp) => Promise<void>;
}

async function openReplicas(t: Test): Promise<Scene> {
  const [registry, redis] = await Promise.all([startRegistry(t), startRedis(t)]);
  const flags = ['--redis', redis.url, '--rules-publish', 'true'];
  const start = () => startTagwardenOfApi(t, { upstream: registry.url, rules: rulesElsewhere, flags });
  const replicas = await Promise.all([start(), start()]);
  let calls = 0;
  let images = 0;
  const push = async (url: string, reference: string): Promise<string> => {
    const [repository = '', tag = ''] = reference.split(':');
    const image = imageOf(`${reference} ${(images += 1)}`);
    await pushParts(registry.url, repository, image);
    const answer = await putManifest(url, repository, tag, image);
    return `${answer.status} ${await answer.text()}`;
  };
  return {
    client: async (...args) => {
      const { adminUrl } = replicas[(calls += 1) % 2] ?? replicas[0];
      const env = { GITLAB_URL: adminUrl, GITLAB_TOKEN: tokenNamed('root') };
      const { exitCode, output } = await runProgram(goProgram('gitlab-client'), args, { env });
      if (exitCode !== 0) throw new Error(output);
      return JSON.parse(output) as unknown;
    },
    everyPush: (reference, told) =>
      eventually(`${reference} is answered with ${told.source}`, async () => {
        const answers = await Promise.all(replicas.map(({ url }) => push(url, reference)));
        return answers.every((answer) => told.test(answer));
      }),
  };
}

t.test("GitLab's Go client makes, lists, changes and deletes repository rules", async (t) => {
  const { client, everyPush } = await openReplicas(t);
  const flight = `${project}/flight`;
  await everyPush(`${flight}:latest`, /^201/);
  const levels = { minimum_access_level_for_push: 'maintainer', minimum_access_level_for_delete: 'owner' };
  const rule = { id: 1, project_id: 1, repository_path_pattern: flight, ...levels };
  const made = JSON.stringify({ repository_path_pattern: flight, ...levels });
  t.strictSame(await client('repository', 'create', project, made), rule);
  await everyPush(`${flight}:latest`, /^403 .*managed-1/);
  await everyPush(`${project}/other:latest`, /^201/);
  await t.rejects(client('repository', 'create', project, made), {
    message: /422.*Repository path pattern has already been taken/s,
  });
  const wider = JSON.stringify({
    repository_path_pattern: `${project}/*`,
    minimum_access_level_for_delete: '',
  });
  const changed = { ...rule, repository_path_pattern: `${project}/*`, minimum_access_level_for_delete: '' };
  t.strictSame(await client('repository', 'update', project, '1', wider), changed);
  await everyPush(`${project}/other:latest`, /^403 .*managed-1/);
  for (let replica = 0; replica < 2; replica += 1) {
    t.strictSame(await client('repository', 'list', project), [changed]);
    t.strictSame(await client('repository', 'list', '1'), [changed], 'by number');
  }
  t.equal(await client('repository', 'delete', project, '1'), null);
  await everyPush(`${flight}:latest`, /^201/);
  t.strictSame(await client('repository', 'list', project), []);
});

t.test("GitLab's Go client makes, lists, changes and deletes tag rules", async (t) => {
  const { client, everyPush } = await openReplicas(t);
  const flight = `${project}/flight`;
  const levels = { minimum_access_level_for_push: 'owner', minimum_access_level_for_delete: 'admin' };
  const rule = { id: 1, project_id: 1, tag_name_pattern: '^latest$', ...levels };
  const made = JSON.stringify({ tag_name_pattern: '^latest$', ...levels });
  t.strictSame(await client('tag', 'create', project, made), rule);
  await everyPush(`${flight}:latest`, /^403 .*managed-1/);
  await everyPush(`${flight}:v1`, /^201/);
  const change = JSON.stringify({ tag_name_pattern: '^v\\d+$' });
  const changed = { ...rule, tag_name_pattern: '^v\\d+$' };
  t.strictSame(await client('tag', 'update', project, '1', change), changed);
  await everyPush(`${flight}:v1`, /^403 .*managed-1/);
  await everyPush(`${flight}:latest`, /^201/);
  t.strictSame(await client('tag', 'list', project), [changed]);
  await t.rejects(client('tag', 'update', project, '9', change), { message: /404/ });

  const word = JSON.stringify({ immutable: true });
  t.match(await client('raw', 'PATCH', `${raw}/1`, word), { id: 1, immutable: true });
  await everyPush(`${flight}:v1`, /^403 .*immutable/);
  // To this client an unset level is an empty text.
  const unset = { minimum_access_level_for_push: '', minimum_access_level_for_delete: '' };
  t.strictSame(await client('tag', 'list', project), [{ ...changed, ...unset }]);
  t.equal(await client('tag', 'delete', project, '1'), null);
  await everyPush(`${flight}:v1`, /^201/);
});
