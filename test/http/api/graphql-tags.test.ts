import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { digestOfTag, repositoryId, startGraphql } from '../../fixtures/graphql.ts';
import { temporaryDirectory } from '../../fixtures/program.ts';
import { answerOci } from '../../fixtures/upstream.ts';

const list = `query ($path: ID!, $first: Int, $after: String, $name: String) { containerRepository(id: $path) {
  id name path tags(first: $first, after: $after, name: $name) { nodes { name } pageInfo { endCursor hasNextPage } }
} }`;

interface Page {
  readonly nodes: readonly { readonly name: string }[];
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean };
}

function pageOf(data: unknown): Page {
  return (data as { containerRepository: { tags: Page } }).containerRepository.tags;
}

t.test('tags come page by page, by name, and a cursor holds though tags come and go', async (t) => {
  const names = Array.from({ length: 130 }, (_, index) => `v${String(index).padStart(3, '0')}`);
  const tags: Record<string, string[]> = { 'flightjs/deep/flight': [...names].reverse() };
  const { ask, upstream } = await startGraphql(t, { tags });
  const path = repositoryId('flightjs/deep/flight');
  const read = async (variables: object) =>
    pageOf((await ask(list, { variables: { path, ...variables } })).data);
  const { data } = await ask(list, { variables: { path } });
  t.match(data, {
    containerRepository: {
      ...{ id: 'gid://gitlab/ContainerRepository/flightjs%2Fdeep%2Fflight' },
      ...{ name: 'flight', path: 'flightjs/deep/flight' },
    },
  });
  t.equal(pageOf(data).nodes.length, 20, 'by default');
  t.equal((await read({ first: 1000 })).nodes.length, 100, 'at most');
  const seen: string[] = [];
  let after: string | null = null;
  for (let hasNextPage = true; hasNextPage;) {
    const page: Page = await read({ first: 50, after });
    seen.push(...page.nodes.map(({ name }) => name));
    ({ endCursor: after, hasNextPage } = page.pageInfo);
    // What the cursor names need not be there any more.
    tags['flightjs/deep/flight'] = names.filter((name) => !name.startsWith('v04'));
  }
  t.same(seen, names);
  t.same(await read({ first: 0 }), { nodes: [], pageInfo: { endCursor: null, hasNextPage: true } });
  t.same(
    (await read({ name: '02' })).nodes.map(({ name }) => name),
    ['v002', 'v020', 'v021', 'v022', 'v023', 'v024', 'v025', 'v026', 'v027', 'v028', 'v029', 'v102'],
  );
  t.same(await read({ name: 'V0' }), { nodes: [], pageInfo: { endCursor: null, hasNextPage: false } });
  const negative = await ask(list, { variables: { path, first: -1 } });
  t.strictSame(negative.messages, ['"first" must not be negative']);
  const absent = await ask(list, { variables: { path: repositoryId('flightjs/none') } });
  t.strictSame([pageOf(absent.data).nodes, absent.messages], [[], []], 'a repository that is not there');
  t.notOk(
    upstream.requests.some(({ target }) => target.includes('/manifests/')),
    'no digest was asked for',
  );
});

t.test('digests are looked up where they are asked for, once, and 16 at the same time', async (t) => {
  const names = Array.from({ length: 60 }, (_, index) => `v${index}`);
  const { ask, upstream } = await startGraphql(t, { tags: { 'flightjs/flight': names } });
  const answer = upstream.script;
  let running = 0;
  let most = 0;
  let open: () => void = () => undefined;
  const sixteenAreHere = new Promise<void>((resolve) => (open = resolve));
  upstream.script = async (req, res, recorded) => {
    if (req.url?.includes('/manifests/')) {
      running += 1;
      most = Math.max(most, running);
      if (running === 16) open();
      await sixteenAreHere;
      // Whoever came too much would be here by now.
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
    }
    if (req.url?.endsWith('/v7')) answerOci(res, 404, 'MANIFEST_UNKNOWN');
    else await answer(req, res, recorded);
  };
  const id = repositoryId('flightjs/flight');
  const { data, messages } = await ask(`{
    containerRepository(id: "${id}") { tags(first: 60) { nodes { name digest again: digest } } }
    same: containerRepository(id: "${id}") { tags(first: 1) { nodes { name } } }
  }`);
  t.strictSame(messages, []);
  t.same(
    new Map((pageOf(data).nodes as { name: string; digest: string }[]).map((tag) => [tag.name, tag.digest])),
    new Map(names.map((name) => [name, name === 'v7' ? null : digestOfTag(name)])),
  );
  t.equal(most, 16);
  const asked = upstream.requests.map(({ method, target }) => `${method} ${target}`);
  t.equal(new Set(asked).size, asked.length, 'nothing was asked twice');
});

t.test('the strictest of the rules in force is shown', async (t) => {
  const named = 'ab'.repeat(32);
  const tags = ['free', 'low', 'mixed', 'nobody', 'fixed', 'both', 'warned', 'made', 'half'];
  const rules = `tag_rules:
  - { tag_name_pattern: ^low, minimum_access_level_for_push: developer, minimum_access_level_for_delete: guest }
  - { tag_name_pattern: ^mix, minimum_access_level_for_push: maintainer, minimum_access_level_for_delete: admin }
  - { tag_name_pattern: ed$, minimum_access_level_for_push: owner, minimum_access_level_for_delete: maintainer, repository_path_pattern: flightjs/* }
  - { tag_name_pattern: ^nobody, minimum_access_level_for_push: no_access, minimum_access_level_for_delete: admin }
  - { tag_name_pattern: ^both, minimum_access_level_for_push: admin, minimum_access_level_for_delete: admin }
  - { tag_name_pattern: ^half, minimum_access_level_for_delete: owner }
  - { tag_name_pattern: ^(fixed|both|sha256-), immutable: true }
  - { tag_name_pattern: ^(free|warned), immutable: true, enforcement: warn }
  - { tag_name_pattern: ^made, immutable: true, repository_path_pattern: other/* }
`;
  const repository = [...tags, `sha256-${named}`, `sha256-${named}.sig`];
  const { ask } = await startGraphql(t, { tags: { 'flightjs/flight': repository }, rules });
  const { data, messages } = await ask(`{ containerRepository(id: "${repositoryId('flightjs/flight')}") {
    tags { nodes { name protection {
      push: minimumAccessLevelForPush delete: minimumAccessLevelForDelete immutable
    } } }
  } }`);
  t.strictSame(messages, []);
  const shown = (pageOf(data).nodes as { name: string; protection: object | null }[]).map(
    ({ name, protection }) => [name, protection && Object.values(protection)] as const,
  );
  const fixed = [null, null, true];
  t.strictSame(Object.fromEntries(shown), {
    free: null,
    low: ['DEVELOPER', 'GUEST', false],
    mixed: ['OWNER', 'ADMIN', false],
    nobody: ['NO_ACCESS', 'ADMIN', false],
    fixed,
    both: fixed,
    warned: ['OWNER', 'MAINTAINER', false],
    made: null,
    half: [null, 'OWNER', false],
    [`sha256-${named}`]: fixed,
    [`sha256-${named}.sig`]: fixed,
  });
});

t.test("the upstream is asked with Tagwarden's own credentials, and never with the caller's", async (t) => {
  const file = join(temporaryDirectory(t), 'password');
  writeFileSync(file, 'secret');
  const flags = ['--upstream-username', 'robot', '--upstream-password-file', file];
  const { ask, upstream } = await startGraphql(t, { flags });
  await ask(
    `{ containerRepository(id: "${repositoryId('flightjs/flight')}") { tags { nodes { digest } } } }`,
  );
  const own = `Basic ${Buffer.from('robot:secret').toString('base64')}`;
  const [first, ...others] = upstream.requests.map(({ target, headers }) => [target, headers.authorization]);
  t.same(first, ['/v2/', undefined], 'what it wants is asked first');
  t.same(
    others.map(([, authorization]) => authorization),
    [own, own],
  );
  t.notMatch(JSON.stringify(upstream.requests), /twa-/);
});

t.test('what the upstream does not say is an error, and not a repository without tags', async (t) => {
  const { ask, upstream } = await startGraphql(t);
  const query = `{ containerRepository(id: "${repositoryId('flightjs/flight')}") { tags { nodes { name digest } } } }`;
  const answer = upstream.script;
  upstream.script = (_, res) => {
    answerOci(res, 401, 'UNAUTHORIZED');
  };
  const refused = await ask(query);
  t.strictSame(refused.data, { containerRepository: { tags: null } });
  t.strictSame(refused.messages, [
    "The tags cannot be listed: the upstream refuses Tagwarden's own credentials",
  ]);
  upstream.script = (req, res, recorded) => {
    if (req.url?.includes('/tags/')) return answer(req, res, recorded);
    answerOci(res, 403, 'DENIED');
  };
  const half = await ask(query);
  t.strictSame(half.data, { containerRepository: { tags: { nodes: [{ name: 'tag1', digest: null }] } } });
  t.match(half.messages, [/^The tag cannot be looked up: /]);
});
