import t from 'tap';
import { repositoryId, startGraphql, type GraphqlAnswer } from '../../fixtures/graphql.ts';
import { askApi } from '../../fixtures/management-api.ts';

const notAvailable =
  "The resource that you are attempting to access does not exist or you don't have permission to perform this action";
const levels = 'minimumAccessLevelForPush: OWNER, minimumAccessLevelForDelete: OWNER';
const kinds = [
  ['TagRule', 'TagRule', 'tagNamePattern: "^v"'],
  ['RepositoryRule', 'Rule', 'repositoryPathPattern: "b/*"'],
] as const;

t.test('fix-CVE-2022-31669: a token of project A reaches nothing of project B', async (t) => {
  const { ask, tagwarden, upstream } = await startGraphql(t, {
    tags: { 'a/app': ['v1'], 'b/app': ['v1'], 'ab/app': ['v1'] },
    roles: {
      root: ['read', 'write'],
      ofA: ['read:a', 'write:a', 'unlock:a'],
      readsB: ['read:b'],
      unlocksB: ['unlock:b'],
      mixed: ['read', 'write:a'],
    },
  });
  const create = (kind: string, project: string, pattern: string) =>
    `mutation { createContainerProtection${kind}(input: { projectPath: "${project}", ${pattern}, ${levels} }) { errors } }`;
  for (const [kind, , pattern] of kinds) t.strictSame((await ask(create(kind, 'b', pattern))).messages, []);
  const rules = async () =>
    Promise.all(
      ['tag', 'repository'].map(
        async (kind) =>
          (await askApi(tagwarden.adminUrl, { as: 'root', path: `b/registry/protection/${kind}/rules` }))
            .body,
      ),
    );
  const before = await rules();
  const numbers = { TagRule: 1, Rule: 2 } as const;
  const refuses = (answer: GraphqlAnswer, says: string) => {
    t.strictSame([answer.status, answer.messages], [200, [notAvailable]], says);
    t.notMatch(answer.body, /"b\/|"b"/, says);
  };

  for (const as of ['ofA', 'readsB', 'unlocksB', 'mixed']) {
    for (const [kind, model, pattern] of kinds) {
      for (const project of ['b', 'B', 'b/app', 'ab', 'a/../b', '', 'none']) {
        refuses(await ask(create(kind, project, pattern), { as }), `${as} creates a ${kind} in ${project}`);
      }
      for (const number of [numbers[model], 99]) {
        const id = `gid://gitlab/ContainerRegistry::Protection::${model}/${number}`;
        const payload = `{ containerProtection${kind} { id } errors }`;
        const update = `updateContainerProtection${kind}(input: { id: "${id}", enforcement: WARN }) ${payload}`;
        const remove = `deleteContainerProtection${kind}(input: { id: "${id}" }) ${payload}`;
        refuses(await ask(`mutation { ${update} }`, { as }), `${as} changes ${id}`);
        refuses(await ask(`mutation { ${remove} }`, { as }), `${as} deletes ${id}`);
      }
    }
  }
  t.same(await rules(), before, 'nothing was changed');

  const asked = upstream.requests.length;
  const read = `query ($id: ID!) { containerRepository(id: $id) { path tags { nodes { name digest protection { immutable } } } } }`;
  for (const path of ['b/app', 'b', 'ab/app', 'none/app', 'B/app']) {
    const { data, messages } = await ask(read, { as: 'ofA', variables: { id: repositoryId(path) } });
    t.strictSame([data, messages], [{ containerRepository: null }, []], path);
  }
  for (const id of ['a/../b/app', 'a%2F..%2Fb%2Fapp', 'a%2Fapp/b', 'a%', '', 'a%00', '227']) {
    const { data, messages } = await ask(read, {
      as: 'ofA',
      variables: { id: `gid://gitlab/ContainerRepository/${id}` },
    });
    t.strictSame(data, { containerRepository: null }, id);
    if (id !== '227') t.match(messages, [/does not represent an instance of ContainerRepository$/], id);
  }
  t.equal(upstream.requests.length, asked, 'nor was the upstream asked');
  const project = `query ($path: ID!) { project(fullPath: $path) { fullPath
    containerProtectionTagRules { nodes { id } } containerProtectionRepositoryRules { nodes { id } } } }`;
  for (const path of ['b', 'B', 'b/app', 'none', '2']) {
    const { data, messages } = await ask(project, { as: 'ofA', variables: { path } });
    t.strictSame([data, messages], [{ project: null }, []], path);
  }

  const own = await ask(read, { as: 'ofA', variables: { id: repositoryId('a/app') } });
  t.match(own.data, { containerRepository: { path: 'a/app', tags: { nodes: [{ name: 'v1' }] } } });
  const readers = await ask(project, { as: 'readsB', variables: { path: 'b' } });
  t.match(readers.data, { project: { containerProtectionTagRules: { nodes: [{}] } } });
  const made = await ask(create('TagRule', 'a', 'tagNamePattern: "^v"'), { as: 'ofA' });
  t.strictSame(made.data, { createContainerProtectionTagRule: { errors: [] } });
});
