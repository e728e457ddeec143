import t, { type Test } from 'tap';
import { rulesOf } from '../../fixtures/api-cases.ts';
import { startManagementApi, type ManagementApi } from '../../fixtures/management-api.ts';

const levels = {
  minimum_access_level_for_push: 'maintainer',
  minimum_access_level_for_delete: 'owner',
};
const notThere = [404, { message: '404 Project Not Found' }];
const forbidden = [403, { message: '403 Forbidden' }];
const noRule = [404, { message: '404 Not found' }];

interface Scene extends ManagementApi {
  /** Status and body, without what differs between two answers of the same meaning. */
  readonly say: (method: string, path: string, as: string, json?: unknown) => Promise<unknown[]>;
}

/** Two projects with rules: a (1, rules 1 and 2) and b (2, rules 3 and 4); the rules of ab begin as those of a. */
async function twoProjects(t: Test): Promise<Scene> {
  const api = await startManagementApi(t, {
    root: ['read', 'write'],
    ofA: ['read:a', 'write:a'],
    readsA: ['read:a'],
    writesA: ['write:a'],
    unlocksA: ['unlock:a'],
    below: ['read:a/sub', 'write:a/sub'],
    mixed: ['read', 'write:a'],
    host: ['write:localhost:5000/app'],
  });
  const say: Scene['say'] = async (method, path, as, json) => {
    const answer = await api.ask({ method, path, as, ...(json !== undefined && { json }) });
    return answer.json === undefined ? [answer.status] : [answer.status, answer.json];
  };
  for (const project of ['a', 'b']) {
    await say('POST', `${project}/registry/protection/repository/rules`, 'root', {
      ...{ repository_path_pattern: `${project}/*`, ...levels },
    });
    await say('POST', `${project}/registry/protection/tag/rules`, 'root', {
      tag_name_pattern: '^v',
      ...levels,
    });
  }
  return { ...api, say };
}

t.test('fix-CVE-2022-31669: a token of one project reaches no rule of another', async (t) => {
  const api = await twoProjects(t);
  const { say, changes } = api;
  const before = await rulesOf(api);
  for (const kind of ['repository', 'tag']) {
    const [own, others] = kind === 'tag' ? [2, 4] : [1, 3];
    const path = (id: string) => `${id}/registry/protection/${kind}/rules`;
    const made = kind === 'tag' ? { tag_name_pattern: 'x' } : { repository_path_pattern: 'b/x', ...levels };
    for (const as of ['ofA', 'readsA', 'writesA', 'unlocksA', 'below']) {
      for (const id of ['b', 'B', '2', 'b%2Fx', 'ab', '3', '1%2F', 'none']) {
        t.same(await say('GET', path(id), as), notThere, `${as} lists ${kind} rules of ${id}`);
        t.same(await say('POST', path(id), as, made), notThere, `${as} makes one there`);
        t.same(await say('PATCH', `${path(id)}/${others}`, as, {}), notThere, `${as} changes one there`);
        t.same(await say('DELETE', `${path(id)}/${others}`, as), notThere, `${as} deletes one there`);
      }
    }
    for (const id of ['a', '1']) {
      for (const as of ['ofA', 'writesA', 'mixed']) {
        const change = kind === 'tag' ? { immutable: true } : { minimum_access_level_for_push: 'admin' };
        t.same(await say('PATCH', `${path(id)}/${others}`, as, change), noRule, `a rule of b under ${id}`);
        t.same(await say('DELETE', `${path(id)}/${others}`, as), noRule);
      }
      t.same(await say('PATCH', `${path(id)}/${own}`, 'readsA', {}), forbidden, 'its own, but not to change');
    }
    t.same(await say('PATCH', `${path('b')}/${others}`, 'mixed', {}), forbidden);
    t.same(await say('DELETE', `${path('2')}/${others}`, 'mixed'), forbidden);
    t.same(await say('POST', path('b'), 'mixed', made), forbidden);
  }
  t.equal(await rulesOf(api), before, 'nothing changed');
  t.equal(changes.length, 4, 'and nothing was told');
});

t.test('a rule of its own project may say nothing about another', async (t) => {
  const { say } = await twoProjects(t);
  for (const pattern of ['b/*', '*', 'b/a', '*/a']) {
    const json = { repository_path_pattern: pattern, ...levels };
    const [status] = await say('POST', 'a/registry/protection/repository/rules', 'ofA', json);
    t.equal(status, 422, pattern);
    const [changed] = await say('PATCH', 'a/registry/protection/repository/rules/1', 'ofA', json);
    t.equal(changed, 422, `${pattern}, later`);
  }
});

t.test('roles in a project', async (t) => {
  const { say } = await twoProjects(t);
  const tags = 'a/registry/protection/tag/rules';
  for (const as of ['ofA', 'readsA', 'writesA', 'unlocksA', 'mixed', 'root']) {
    t.equal((await say('GET', tags, as))[0], 200, `${as} reads`);
  }
  for (const as of ['readsA', 'unlocksA']) {
    t.same(await say('POST', tags, as, { tag_name_pattern: 'x' }), forbidden);
    t.same(await say('PATCH', `${tags}/2`, as, {}), forbidden);
    t.same(await say('DELETE', `${tags}/2`, as), forbidden);
    t.same(await say('DELETE', `${tags}/99`, as), forbidden, 'whether there is such a rule or not');
  }
  t.same(await say('GET', tags, 'below'), notThere, 'a project above its own');
  t.equal((await say('POST', tags.replace('a', 'a%2Fsub'), 'below', { tag_name_pattern: 'x' }))[0], 201);
  t.equal((await say('GET', tags.replace('a', 'a%2Fsub%2Fdeep'), 'below'))[0], 200);
  t.equal((await say('GET', tags.replace('a', 'a%2Fsub'), 'ofA'))[0], 200, 'a project below its own');
  t.same((await say('GET', tags, 'ofA'))[0], 200);
  const host = 'localhost%3A5000%2Fapp/registry/protection/tag/rules';
  t.match(await say('POST', host, 'host', { tag_name_pattern: 'x' }), [201, { tag_name_pattern: 'x' }]);
});
