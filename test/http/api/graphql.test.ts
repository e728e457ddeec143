import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { eventually } from '../../fixtures/eventually.ts';
import { repositoryId, startGraphql, type Graphql, type GraphqlAnswer } from '../../fixtures/graphql.ts';
import { askApi } from '../../fixtures/management-api.ts';

const fields =
  'id tagNamePattern minimumAccessLevelForPush minimumAccessLevelForDelete immutable enforcement';
const repositoryFields =
  'id repositoryPathPattern minimumAccessLevelForPush minimumAccessLevelForDelete enforcement';
const notAvailable =
  "The resource that you are attempting to access does not exist or you don't have permission to perform this action";
const tagRule = (number: number) => `gid://gitlab/ContainerRegistry::Protection::TagRule/${number}`;
const repositoryRule = (number: number) => `gid://gitlab/ContainerRegistry::Protection::Rule/${number}`;

/** As GitLab's Terraform provider and its own pages write it. */
const createTagRule = `mutation ($input: createContainerProtectionTagRuleInput!) {
  createContainerProtectionTagRule(input: $input) { clientMutationId containerProtectionTagRule { ${fields} } errors }
}`;
const updateTagRule = `mutation ($input: UpdateContainerProtectionTagRuleInput!) {
  updateContainerProtectionTagRule(input: $input) { containerProtectionTagRule { ${fields} } errors }
}`;
const deleteTagRule = `mutation ($id: ContainerRegistryProtectionTagRuleID!) {
  deleteContainerProtectionTagRule(input: { id: $id }) { containerProtectionTagRule { ${fields} } errors }
}`;
const tagQuery = `query ($id: ContainerRepositoryID!) {
  containerRepository(id: $id) { tags(first: 5) { nodes {
    name protection { minimumAccessLevelForPush minimumAccessLevelForDelete }
  } } }
}`;

const make = ({ ask }: Graphql, input: object) =>
  ask(createTagRule, { variables: { input: { projectPath: 'gitlab-org/gitlab-test', ...input } } });

t.test("GitLab's walk-through of immutable tags, A.1 to A.3", async (t) => {
  const graphql = await startGraphql(t, {
    tags: { 'gitlab-org/gitlab-test': ['tag1'] },
    config: 'immutability: { enabled: true }\n',
  });
  const { tagwarden, ask } = graphql;
  const configFile = join(dirname(tagwarden.rulesFile), 'tagwarden.yaml');
  const turn = (enabled: boolean) => {
    writeFileSync(configFile, `immutability: { enabled: ${enabled} }\n`);
  };
  const shown = async () =>
    (await ask(tagQuery, { variables: { id: repositoryId('gitlab-org/gitlab-test') } })).data;
  const of = (protection: object | null) => ({
    containerRepository: { tags: { nodes: [{ name: 'tag1', protection }] } },
  });
  const levels = { minimumAccessLevelForPush: 'OWNER', minimumAccessLevelForDelete: 'MAINTAINER' };
  const none = { minimumAccessLevelForPush: null, minimumAccessLevelForDelete: null };
  t.strictSame(await shown(), of(null), 'A.1: no rules');
  await make(graphql, { tagNamePattern: 'ta', ...levels });
  t.strictSame(await shown(), of(levels), 'A.2: a rule that matches anywhere');
  turn(false);
  await eventually('off', () =>
    tagwarden.logs.some(({ msg }) => /immutable rules do not count/.test(String(msg))),
  );
  t.match((await make(graphql, { tagNamePattern: 'tag' })).data, {
    createContainerProtectionTagRule: { containerProtectionTagRule: { immutable: true }, errors: [] },
  });
  t.strictSame(await shown(), of(levels), 'A.3: an immutable rule, the switch off');
  turn(true);
  await eventually('on', async () => JSON.stringify(await shown()) === JSON.stringify(of(none)));
  t.strictSame(await shown(), of(none), 'A.3: the switch on');
  turn(false);
  await eventually('off again', async () => JSON.stringify(await shown()) === JSON.stringify(of(levels)));
});

t.test('a tag rule is made, changed and deleted, as by REST, and each change is told', async (t) => {
  const graphql = await startGraphql(t, { tags: {} });
  const { ask, tagwarden } = graphql;
  const first = {
    ...{ id: tagRule(1), tagNamePattern: '^v', minimumAccessLevelForPush: 'MAINTAINER' },
    ...{ minimumAccessLevelForDelete: 'NO_ACCESS', immutable: false, enforcement: 'WARN' },
  };
  const { id, immutable, ...given } = first;
  const made = await make(graphql, { ...given, clientMutationId: 'mine' });
  t.strictSame(made.data, {
    createContainerProtectionTagRule: {
      ...{ clientMutationId: 'mine', containerProtectionTagRule: first, errors: [] },
    },
  });
  t.notOk(immutable);
  const change = (input: object) => ask(updateTagRule, { variables: { input: { id, ...input } } });
  const after = async (answer: Promise<GraphqlAnswer>) => {
    const { updateContainerProtectionTagRule: payload } = (await answer).data as {
      updateContainerProtectionTagRule: { containerProtectionTagRule: object; errors: string[] };
    };
    t.strictSame(payload.errors, []);
    return payload.containerProtectionTagRule;
  };
  const second = { ...first, minimumAccessLevelForPush: 'OWNER', enforcement: 'DENY' };
  t.strictSame(
    await after(change({ minimumAccessLevelForPush: 'OWNER', enforcement: 'DENY' })),
    second,
    'what is not mentioned stays',
  );
  const none = { minimumAccessLevelForPush: null, minimumAccessLevelForDelete: null };
  const third = { ...second, ...none, immutable: true };
  t.strictSame(await after(change(none)), third, 'null unsets, and without levels it is immutable');
  const fourth = { ...third, tagNamePattern: '^r' };
  t.strictSame(await after(change({ immutable: true, tagNamePattern: '^r' })), fourth);

  const rest = await askApi(tagwarden.adminUrl, {
    ...{ as: 'reader', path: 'gitlab-org%2Fgitlab-test/registry/protection/tag/rules' },
  });
  t.match(rest.json, [{ id: 1, tag_name_pattern: '^r', immutable: true }], 'REST shows the same');
  const gone = await ask(deleteTagRule, { variables: { id } });
  t.strictSame(gone.data, {
    deleteContainerProtectionTagRule: { containerProtectionTagRule: fourth, errors: [] },
  });
  const again = await ask(deleteTagRule, { variables: { id } });
  t.strictSame([again.status, again.messages], [200, [notAvailable]]);
  const told = tagwarden.logs.filter(({ msg }) => msg === 'a rule was changed');
  t.match(
    told.map(({ caller, action, kind }) => [caller, action, kind]),
    [
      ['root', 'create', 'tag'],
      ['root', 'update', 'tag'],
      ['root', 'update', 'tag'],
      ['root', 'update', 'tag'],
      ['root', 'delete', 'tag'],
    ],
  );
  t.match(told[1], { address: '127.0.0.1', before: { id: 1 }, after: { id: 1 } });
});

t.test('a repository rule is made, changed, listed and deleted', async (t) => {
  const { ask } = await startGraphql(t);
  const wanted = `containerProtectionRepositoryRule { ${repositoryFields} } errors`;
  const first = {
    ...{ id: repositoryRule(1), repositoryPathPattern: 'flightjs/*', minimumAccessLevelForPush: 'ADMIN' },
    ...{ minimumAccessLevelForDelete: null, enforcement: 'DENY' },
  };
  const made = await ask(`mutation { createContainerProtectionRepositoryRule(input: {
    projectPath: "FlightJS", repositoryPathPattern: "flightjs/*", minimumAccessLevelForPush: ADMIN
  }) { ${wanted} } }`);
  t.strictSame(made.data, {
    createContainerProtectionRepositoryRule: { containerProtectionRepositoryRule: first, errors: [] },
  });
  const second = { ...first, minimumAccessLevelForPush: null, minimumAccessLevelForDelete: 'OWNER' };
  const changed = await ask(
    `mutation ($id: ContainerRegistryProtectionRuleID!) { updateContainerProtectionRepositoryRule(input: {
      id: $id, minimumAccessLevelForPush: null, minimumAccessLevelForDelete: OWNER
    }) { ${wanted} } }`,
    { variables: { id: first.id } },
  );
  t.strictSame(changed.data, {
    updateContainerProtectionRepositoryRule: { containerProtectionRepositoryRule: second, errors: [] },
  });
  const list = `query ($path: ID!) { project(fullPath: $path) { id name fullPath
    containerProtectionRepositoryRules { nodes { ${repositoryFields} } pageInfo { hasNextPage } }
    containerProtectionTagRules(first: 10) { nodes { ${fields} } }
  } }`;
  t.strictSame((await ask(list, { as: 'reader', variables: { path: 'flightjs' } })).data, {
    project: {
      ...{ id: 'gid://gitlab/Project/flightjs', name: 'flightjs', fullPath: 'flightjs' },
      containerProtectionRepositoryRules: { nodes: [second], pageInfo: { hasNextPage: false } },
      containerProtectionTagRules: { nodes: [] },
    },
  });
  const remove = `mutation { deleteContainerProtectionRepositoryRule(input: { id: "${first.id}" }) { ${wanted} } }`;
  t.match((await ask(remove)).data, {
    deleteContainerProtectionRepositoryRule: { containerProtectionRepositoryRule: second, errors: [] },
  });
  t.strictSame((await ask(remove)).messages, [notAvailable]);
  t.strictSame((await ask(remove.replace('::Rule', '::TagRule'))).messages, [
    `"${tagRule(1)}" does not represent an instance of ContainerRegistry::Protection::Rule`,
  ]);
});

t.test('what the rules of rules do not allow is an error of the payload', async (t) => {
  const graphql = await startGraphql(t);
  const levels = { minimumAccessLevelForPush: 'OWNER', minimumAccessLevelForDelete: 'OWNER' };
  await make(graphql, { tagNamePattern: '^v', ...levels });
  const rows = [
    [{ tagNamePattern: '^v', ...levels }, 'Tag name pattern has already been taken'],
    [{ tagNamePattern: '', ...levels }, "Tag name pattern can't be blank"],
    [
      { tagNamePattern: 'x', minimumAccessLevelForPush: 'OWNER' },
      'Access levels should either both be present or both be nil',
    ],
    [
      { tagNamePattern: 'x', ...levels, minimumAccessLevelForPush: 'DEVELOPER' },
      'Minimum access level developer is not allowed',
    ],
    [{ tagNamePattern: '[', ...levels }, 'Tag name pattern not valid RE2 syntax: missing closing ]: ['],
  ] as const;
  for (const [input, message] of rows) {
    const { data, messages } = await make(graphql, input);
    t.strictSame(messages, []);
    t.strictSame(data, {
      createContainerProtectionTagRule: {
        ...{ clientMutationId: null, containerProtectionTagRule: null, errors: [message] },
      },
    });
  }
  const blank = await graphql.ask(updateTagRule, {
    variables: { input: { id: tagRule(1), tagNamePattern: null } },
  });
  t.match(blank.data, {
    updateContainerProtectionTagRule: { errors: ["Tag name pattern can't be blank"] },
  });
});
