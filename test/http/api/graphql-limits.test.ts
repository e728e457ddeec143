import { buildClientSchema, getIntrospectionQuery, parse, type IntrospectionQuery } from 'graphql';
import t from 'tap';
import { refuseCostly } from '../../../src/http/api/graphql-cost.ts';
import { repositoryId, startGraphql } from '../../fixtures/graphql.ts';
import { askApi, tokenNamed } from '../../fixtures/management-api.ts';

const id = repositoryId('flightjs/flight');
const inside = /src\/|node_modules|\.ts\b|at \w+ \(|stack/;

t.test('there is no answer without a token, and none but to POST', async (t) => {
  const { tagwarden } = await startGraphql(t);
  const json = { query: '{ __typename }' };
  const path = '/api/graphql';
  const ask = (question: object) => askApi(tagwarden.adminUrl, { method: 'POST', path, json, ...question });
  const nobody = [401, { message: '401 Unauthorized' }];
  for (const headers of [[], ['PRIVATE-TOKEN', 'twa-wrong'], ['Authorization', 'Bearer wrong']]) {
    const { status, json } = await ask({ headers });
    t.strictSame([status, json], nobody, headers.join(' '));
  }
  const unread = await ask({ json: undefined, headers: ['Content-Type', 'text/plain'], body: 'x' });
  t.equal(unread.status, 401, 'before a body is read');
  for (const headers of [
    ['PRIVATE-TOKEN', tokenNamed('root')],
    ['Authorization', `Bearer ${tokenNamed('reader')}`],
  ]) {
    const { status, json, headers: own } = await ask({ headers });
    t.strictSame([status, json], [200, { data: { __typename: 'Query' } }]);
    t.match(own, { 'content-type': /^application\/json/, 'cache-control': 'no-store' });
  }
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
    const asked = { method, as: 'root', json: undefined };
    const answer = await ask({ ...asked, path: `${path}?query=${encodeURIComponent(json.query)}` });
    t.strictSame([answer.status, answer.headers.allow], [405, 'POST'], method);
  }
  const page = await ask({ method: 'GET', path: '/api/graphiql', as: 'root', json: undefined });
  t.equal(page.status, 404, 'there is no page to play with');
});

t.test('a request that is none is refused', async (t) => {
  const { tagwarden, upstream } = await startGraphql(t);
  const asRoot = { method: 'POST', path: '/api/graphql', as: 'root' };
  const query = '{ __typename }';
  const rows = [
    [400, { json: [{ query }, { query }] }],
    [400, { json: {} }],
    [400, { json: { query: 1 } }],
    [400, { json: { query, variables: '{}' } }],
    [400, { json: { query, variables: [] } }],
    [400, { json: { query, operationName: 1 } }],
    [400, { headers: ['Content-Type', 'application/json'], body: '{' }],
    [413, { json: { query: `{ __typename } #${'x'.repeat(64 * 1024)}` } }],
    [415, { form: { query } }],
    [415, { headers: ['Content-Type', 'application/graphql'], body: query }],
  ] as const;
  for (const [status, question] of rows) {
    const answer = await askApi(tagwarden.adminUrl, { ...asRoot, ...question });
    t.equal(answer.status, status, JSON.stringify(question).slice(0, 60));
    t.notMatch(answer.body, inside);
    t.notMatch(answer.body, /__typename":/);
  }
  t.equal(upstream.requests.length, 0);
});

t.test('what a query may cost is counted before it is begun', async (t) => {
  const { ask, upstream } = await startGraphql(t);
  const repository = (name: string, first: number | string) =>
    `${name}: containerRepository(id: "${id}") { tags(first: ${first}) { nodes { name } } }`;
  const many = (count: number, first: number | string) =>
    Array.from({ length: count }, (_, index) => repository(`a${index}`, first)).join('\n');
  const tooMuch = (messages: readonly string[], cost: number) => {
    t.strictSame(messages, [`Query has complexity of ${cost}, which exceeds max complexity of 2000`]);
  };
  t.strictSame((await ask(`{ ${many(20, 100)} }`)).messages, []);
  const before = upstream.requests.length;
  t.equal(before, 1, 'one list for twenty aliases');
  tooMuch((await ask(`{ ${many(21, 100)} }`)).messages, 2100);
  tooMuch((await ask(`{ ${many(21, 1_000_000)} }`)).messages, 2100);
  const variable = `query ($n: Int) { ${many(21, '$n')} }`;
  tooMuch((await ask(variable, { variables: { n: 100 } })).messages, 2100);
  tooMuch((await ask(variable.replace('$n: Int', '$n: Int = 100'))).messages, 2100);
  t.strictSame((await ask(variable, { variables: { n: 20 } })).messages, []);
  t.strictSame((await ask(variable)).messages, []);
  const pages = Array.from({ length: 7 }, (_, index) => `t${index}: tags(first: 100) { nodes { name } }`);
  const uses = ['a', 'b', 'c'].map((name) => `${name}: containerRepository(id: "${id}") { ...Pages }`);
  const spread = `{ ${uses.join(' ')} } fragment Pages on ContainerRepository { ... { ${pages.join(' ')} } }`;
  tooMuch((await ask(spread)).messages, 2100);
  const small = spread.replace(
    pages.join(' '),
    pages
      .flatMap((page) => Array.from({ length: 5 }, (_, index) => `s${index}${page.replace('100', '0')}`))
      .join(' '),
  );
  tooMuch((await ask(small)).messages, 2100);
  const rules = Array.from(
    { length: 21 },
    (_, index) => `p${index}: project(fullPath: "a") { containerProtectionTagRules { nodes { id } } }`,
  );
  tooMuch((await ask(`{ ${rules.join(' ')} }`)).messages, 2100);
  t.equal(upstream.requests.length, before + 2, 'what was refused asked for nothing');

  const deep =
    '{ ... { ... { ... { ... { ... { ... { ... { ... { ... { ... { __typename } } } } } } } } } } }';
  t.match((await ask(deep)).messages, [/query depth \(11\) exceeds the query depth limit of 10/]);
  t.strictSame((await ask(deep.replace('... {', '').replace('} ', ''))).messages, []);
  const long = `{ ${Array.from({ length: 600 }, (_, index) => `a${index}: __typename`).join(' ')} }`;
  t.match((await ask(long)).messages, [/contains more than 1000 tokens|more that 1000 tokens/]);
  const cycle = `{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }`;
  t.match((await ask(cycle)).messages, [/Cannot spread fragment "A" within itself/]);
});

t.test('the schema is not told, nor guessed', async (t) => {
  const { ask } = await startGraphql(t);
  const introspection = await ask('{ __schema { types { name } } }');
  t.match(introspection.messages, [/introspection has been disabled/]);
  t.match((await ask('{ __type(name: "Query") { name } }')).messages, [/introspection has been disabled/]);
  const rows: readonly [string, object?][] = [
    ['{ containerRepositor(id: "x") { id } }'],
    ['{ containerRepository(ide: "x") { id } }'],
    ['{ containerRepository(id: "x") }'],
    ['{ containerRepository(id: "x") { ... on ContainerRepositor { id } } }'],
    ['query ($x: ContainerProtectionRuleEnforcment) { __typename }'],
    [
      'mutation ($input: createContainerProtectionTagRuleInput!) { createContainerProtectionTagRule(input: $input) { errors } }',
      { input: { projectPath: 'a', tagNamePatter: 'x', tagNamePattern: 'x' } },
    ],
    [
      'mutation ($input: createContainerProtectionTagRuleInput!) { createContainerProtectionTagRule(input: $input) { errors } }',
      { input: { projectPath: 'a', tagNamePattern: 'x', minimumAccessLevelForPush: 'OWNR' } },
    ],
  ];
  for (const [query, variables] of rows) {
    const { status, messages, body } = await ask(query, {
      ...(variables && { variables: { ...variables } }),
    });
    t.equal(status, 200);
    t.ok(messages.length > 0, query);
    t.notMatch(body, /did you mean/i, query);
    t.notMatch(body, inside);
    t.notMatch(body, /extensions/);
  }
});

t.test('errors say where in the query they are, and one operation of several is run', async (t) => {
  const { ask } = await startGraphql(t);
  const query =
    'query A($id: ContainerRepositoryID!) { containerRepository(id: $id) { nme } } query B { __typename }';
  const { body } = await ask(query, { operationName: 'B', variables: { id } });
  t.same(JSON.parse(body), {
    errors: [
      {
        message: 'Cannot query field "nme" on type "ContainerRepository".',
        locations: [{ line: 1, column: query.indexOf('nme') + 1 }],
      },
    ],
  });
  const two = query.replace('nme', 'name');
  t.strictSame((await ask(two, { operationName: 'B' })).data, { __typename: 'Query' });
  t.match((await ask(two, { variables: { id } })).messages, [/Must provide operation name/]);
  t.match((await ask(two, { operationName: 'C' })).messages, [/Unknown operation named "C"/]);
  t.match((await ask('{')).messages, [/^Syntax Error/]);
  t.match((await ask('{"kind":"Document","definitions":[]}')).messages, [/^Syntax Error/], 'a query is text');
});

t.test('who asks for introspection gets the schema', async (t) => {
  const { ask } = await startGraphql(t, { flags: ['--admin-graphql-introspection', 'true'] });
  const { data, messages } = await ask(getIntrospectionQuery());
  t.strictSame(messages, []);
  const schema = buildClientSchema(data as IntrospectionQuery);
  t.ok(schema.getType('createContainerProtectionTagRuleInput'));
  t.match((await ask('{ containerRepositor(id: "x") { id } }')).messages, [/Did you mean/]);
});

t.test('fix: what is null, or another default of the same name, is no cheap page', (t) => {
  const cost = (query: string, variables = {}): boolean => {
    try {
      refuseCostly(parse(query), variables);
      return true;
    } catch {
      return false;
    }
  };
  const pages = (count: number, first: string): string =>
    Array.from({ length: count }, (_, index) => `a${index}: tags(first: ${first}) { name }`).join(' ');
  t.ok(cost(`{ ${pages(20, '100')} }`));
  t.notOk(cost(`{ ${pages(21, '100')} }`));
  t.notOk(cost(`{ ${pages(21, 'null')} }`));
  t.notOk(cost(`query($n: Int) { ${pages(21, '$n')} }`, { n: null }));
  const two = `query A($n: Int = 100) { ${pages(21, '$n')} } query B($n: Int = 1) { ${pages(1, '$n')} }`;
  t.notOk(cost(two));
  t.end();
});
