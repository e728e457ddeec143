import t from 'tap';
import { managedIdGrammar } from '../../../src/core/managed-rules.ts';
import type { RepositoryRuleObject, TagRuleObject } from '../../../src/http/api/rule-objects.ts';
import { startManagementApi, type ManagementApi } from '../../fixtures/management-api.ts';

const repositoryRules = 'flightjs/registry/protection/repository/rules';
const tagRules = 'flightjs/registry/protection/tag/rules';
const levels = {
  minimum_access_level_for_push: 'maintainer',
  minimum_access_level_for_delete: 'owner',
} as const;
const none = { minimum_access_level_for_push: null, minimum_access_level_for_delete: null };

async function make(api: ManagementApi, path: string, json: unknown): Promise<number> {
  const answer = await api.ask({ method: 'POST', path, as: 'root', json });
  if (answer.status !== 201) throw new Error(answer.body);
  return (answer.json as { id: number }).id;
}

t.test('a repository rule is made, changed and deleted, and each change is told', async (t) => {
  const api = await startManagementApi(t);
  const made = await api.ask({
    ...{ method: 'POST', path: repositoryRules, as: 'root' },
    json: { repository_path_pattern: 'flightjs/flight', minimum_access_level_for_push: 'no_access', id: 77 },
  });
  const first: RepositoryRuleObject = {
    ...{ id: 1, project_id: 1, repository_path_pattern: 'flightjs/flight' },
    ...{ minimum_access_level_for_push: 'no_access', minimum_access_level_for_delete: null },
    enforcement: 'deny',
  };
  t.strictSame([made.status, made.json], [201, first]);
  t.match(made.headers, { 'content-type': /^application\/json/, 'cache-control': 'no-store' });
  const [inForce] = (await api.managed.state()).repositoryRules;
  t.match(inForce?.id, managedIdGrammar);

  const path = `${repositoryRules}/1`;
  const second = { ...first, minimum_access_level_for_push: null, minimum_access_level_for_delete: 'admin' };
  const changed = await api.ask({
    ...{ method: 'PATCH', path, as: 'root' },
    json: { minimum_access_level_for_push: '', minimum_access_level_for_delete: 'admin' },
  });
  t.strictSame([changed.status, changed.json], [200, second]);
  const third = { ...second, repository_path_pattern: 'flightjs/*', enforcement: 'warn' };
  const again = await api.ask({
    ...{ method: 'PATCH', path, as: 'root' },
    json: { repository_path_pattern: 'flightjs/*', enforcement: 'warn' },
  });
  t.strictSame([again.status, again.json], [200, third]);
  const same = await api.ask({ method: 'PATCH', path, as: 'root', json: {} });
  t.strictSame([same.status, same.json], [200, third]);
  const gone = await api.ask({ method: 'DELETE', path, as: 'root' });
  t.strictSame([gone.status, gone.body], [204, '']);
  t.equal((await api.ask({ method: 'DELETE', path, as: 'root' })).status, 404);

  const told = api.changes.map(({ at, ...change }) => {
    t.ok(at.getTime() > 0);
    return change;
  });
  const by = { caller: 'root', address: '127.0.0.1', kind: 'repository' };
  t.strictSame(told, [
    { ...by, action: 'create', after: first },
    { ...by, action: 'update', before: first, after: second },
    { ...by, action: 'update', before: second, after: third },
    { ...by, action: 'update', before: third, after: third },
    { ...by, action: 'delete', before: third },
  ]);
  const logged = api.logs.filter(({ msg }) => msg === 'a rule was changed');
  t.match(logged[0], { level: 30, caller: 'root', action: 'create', after: first });
  t.equal(logged.length, 5);
  t.notMatch(JSON.stringify(api.logs), /twa-/);
});

t.test('a tag rule becomes immutable and protected again, as levels or the word say', async (t) => {
  const api = await startManagementApi(t);
  const id = await make(api, tagRules, { tag_name_pattern: '^v\\d', ...levels });
  const patch = async (json: unknown): Promise<TagRuleObject> =>
    (await api.ask({ method: 'PATCH', path: `${tagRules}/${id}`, as: 'root', json })).json as TagRuleObject;
  t.match(await patch({ immutable: true }), { ...none, immutable: true });
  t.match(await patch(levels), { ...levels, immutable: false });
  t.match(await patch({ minimum_access_level_for_push: '', minimum_access_level_for_delete: '' }), {
    ...{ ...none, immutable: true },
  });
  t.match(await patch({ tag_name_pattern: '^r\\d' }), { tag_name_pattern: '^r\\d', immutable: true });
  t.match(await patch({ ...levels, immutable: false }), { ...levels, immutable: false });
  t.match(await patch({ ...none, immutable: true }), { ...none, immutable: true });
  t.match(await patch({ enforcement: 'warn' }), { immutable: true, enforcement: 'warn' });
  t.match(await patch({ enforcement: 'deny' }), { immutable: true, enforcement: 'deny' });
});

t.test('an immutable and a protected rule may share a pattern; there is no limit of five', async (t) => {
  const api = await startManagementApi(t);
  for (const word of [{ immutable: true }, levels])
    await make(api, tagRules, { tag_name_pattern: '^v', ...word });
  for (let count = 0; count < 10; count += 1) await make(api, tagRules, { tag_name_pattern: `^${count}` });
  const { json } = await api.ask({ path: tagRules, as: 'root' });
  t.equal((json as unknown[]).length, 12);
  await make(api, tagRules.replace('flightjs', 'other'), { tag_name_pattern: '^v' });
  const other = await api.ask({ path: tagRules.replace('flightjs', '2'), as: 'root' });
  t.match(
    other.json,
    [{ id: 13, project_id: 2, tag_name_pattern: '^v' }],
    'patterns are unique in a project only',
  );
});

t.test('forms say the same as JSON', async (t) => {
  const api = await startManagementApi(t);
  const made = await api.ask({
    ...{ method: 'POST', path: tagRules, as: 'root' },
    form: { tag_name_pattern: '^v\\d+ä+', ...levels },
  });
  t.strictSame(
    [made.status, made.json],
    [
      201,
      {
        ...{ id: 1, project_id: 1, tag_name_pattern: '^v\\d+ä+', ...levels },
        ...{ immutable: false, enforcement: 'deny' },
      },
    ],
  );
  const changed = await api.ask({
    ...{ method: 'PATCH', path: `${tagRules}/1`, as: 'root' },
    form: { immutable: 'true', enforcement: 'warn' },
  });
  t.match(changed.json, { ...none, immutable: true, enforcement: 'warn' });
  const unset = { minimum_access_level_for_push: '', minimum_access_level_for_delete: 'admin' };
  await make(api, repositoryRules, { repository_path_pattern: 'flightjs/x', ...levels });
  const half = await api.ask({ method: 'PATCH', path: `${repositoryRules}/2`, as: 'root', form: unset });
  t.match(half.json, { minimum_access_level_for_push: null, minimum_access_level_for_delete: 'admin' });
  const refused = await api.ask({ method: 'POST', path: tagRules, as: 'root', form: { immutable: 'true' } });
  t.strictSame([refused.status, refused.json], [400, { error: 'tag_name_pattern is missing' }]);
});

t.test(
  'numbers are not given twice, also under concurrency, and one of the same patterns is made',
  async (t) => {
    const api = await startManagementApi(t);
    const ids = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0
          ? make(api, tagRules, { tag_name_pattern: `^v${index}$` })
          : make(api, repositoryRules, { repository_path_pattern: `flightjs/${index}`, ...levels }),
      ),
    );
    t.same(
      [...ids].sort((one, other) => one - other),
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    await api.ask({ method: 'DELETE', path: `${tagRules}/${ids[18] ?? 0}`, as: 'root' });
    t.equal(await make(api, tagRules, { tag_name_pattern: 'next' }), 21, 'nor after the last was deleted');
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        api.ask({ method: 'POST', path: tagRules, as: 'root', json: { tag_name_pattern: 'same' } }),
      ),
    );
    t.same(answers.map(({ status }) => status).sort(), [201, ...Array.from({ length: 9 }, () => 422)]);
    t.equal(api.changes.length, 23);
  },
);

t.test('fix: what only rules of a file can say is refused, not left out', async (t) => {
  const api = await startManagementApi(t);
  const path = 'flightjs/registry/protection/tag/rules';
  for (const [name, value] of [
    ['immutable_after', '1h'],
    ['minimum_access_level_for_create', 'developer'],
    ['tombstone', true],
  ] as const) {
    const json = { tag_name_pattern: '^v', immutable: true, [name]: value };
    const answer = await api.ask({ method: 'POST', path, as: 'root', json });
    t.same([answer.status, answer.json], [400, { error: `${name} is for rules of a file alone` }]);
  }
  t.same((await api.managed.state()).tagRules, []);
});
