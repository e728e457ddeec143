import t from 'tap';
import { answerOci } from '../fixtures/upstream.ts';
import { bearer, ociError } from '../fixtures/client.ts';
import { on, type TokenKnobs } from '../fixtures/issuer.ts';
import { logged } from '../fixtures/tagwarden.ts';
import { openTokenDoor as open, refused } from '../fixtures/token-door.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const full = [on('a', 'pull,push,delete')];

t.test('a token grants what it grants, and nothing else', async (t) => {
  const { issuer, upstream, send } = await open(t);
  const entries: [string, TokenKnobs['access'] & {}][] = [
    ['another repository', [on('b', '*'), on('a/b', '*'), on('A', '*'), on('*', '*'), on('a*', '*')]],
    ['pull only', [on('a', 'pull')]],
    ['push without pull', [on('a', 'push')]],
    ['delete', [on('a', 'delete')]],
    [
      'another type',
      [
        { ...on('a', '*'), type: 'registry' },
        { ...on('a', '*'), type: 'repository(plugin)' },
      ],
    ],
    ['actions that are no list', [{ type: 'repository', name: 'a', actions: 'pull,push' as never }]],
    ['actions that are no words', [{ type: 'repository', name: 'a', actions: ['pull', 'push', 5 as never] }]],
    ['nothing', []],
  ];
  for (const [what, access] of entries) {
    const answer = await send('PUT', '/v2/a/manifests/v1', bearer(issuer.sign({ access })), '{}');
    refused(t, answer, { error: 'insufficient_scope' }, what);
  }
  const noList = issuer.sign({ claims: { access: { type: 'repository', name: 'a', actions: ['*'] } } });
  refused(
    t,
    await send('PUT', '/v2/a/manifests/v1', bearer(noList), '{}'),
    { error: 'insufficient_scope' },
    'no list',
  );
  const puller = bearer(issuer.sign({ access: [on('a', 'pull'), on('b', '*')] }));
  const scope = 'repository:a:delete';
  refused(
    t,
    await send('DELETE', '/v2/a/manifests/v1', puller),
    { scope, error: 'insufficient_scope' },
    'delete',
  );
  const catalog = { scope: 'registry:catalog:*', error: 'insufficient_scope' };
  refused(t, await send('GET', '/v2/_catalog', puller), catalog, 'the catalog');
  for (const path of ['/v2/_oci/ext/discover', '/v2/a/x/y']) {
    const answer = await send('GET', path, puller);
    t.same([answer.status, ociError(answer).code], [404, 'NOT_FOUND'], `${path}: an extension`);
  }
  t.same(upstream.requests, []);
});

t.test('a mount from a repository without pull becomes an ordinary upload', async (t) => {
  const { issuer, upstream, send } = await open(t);
  const path = `/v2/a/blobs/uploads/?mount=${digest}&from=secret&digest=${digest}`;
  const without = bearer(issuer.sign({ access: [on('a', 'pull,push'), on('secret', 'push')] }));
  t.equal((await send('POST', path, without, '')).status, 201);
  t.equal(upstream.requests[0]?.target, `/v2/a/blobs/uploads/?digest=${encodeURIComponent(digest)}`);
  const form = ['Content-Type', 'application/x-www-form-urlencoded', ...without];
  await send('POST', '/v2/a/blobs/uploads/', form, `mount=${digest}&from=secret`);
  t.equal(upstream.requests[1]?.headers['content-type'], 'application/octet-stream');
  const with_ = bearer(issuer.sign({ access: [on('a', 'pull,push'), on('secret', 'pull')] }));
  await send('POST', path, with_, '');
  t.match(upstream.requests[2]?.target, /mount=.*&from=secret/);
  t.equal(upstream.requests.length, 3);
});

t.test('patterns that cannot be read deny every write, and no read', async (t) => {
  const { issuer, upstream, tagwarden, send } = await open(t);
  const metas: unknown[] = [
    { tag_deny_access_patterns: { push: ['('], delete: ['('] } },
    { tag_immutable_patterns: ['a(?=b)'] },
    { tag_immutable_patterns: ['\\1'] },
    { tag_immutable_patterns: [''] },
    { tag_immutable_patterns: ['x'.repeat(2_000)] },
    { tag_immutable_patterns: [['v']] },
    { tag_immutable_patterns: 'v' },
    { tag_deny_access_patterns: ['v'] },
    { tag_deny_access_patterns: { push: 'v', delete: { v: 1 } } },
    ['tag_immutable_patterns'],
    'none',
  ];
  const writes = [
    ['PUT', '/v2/a/manifests/v1'],
    ['DELETE', '/v2/a/manifests/v1'],
    ['DELETE', `/v2/a/manifests/${digest}`],
    ['POST', '/v2/a/blobs/uploads/'],
  ] as const;
  for (const meta of metas) {
    const token = bearer(issuer.sign({ access: [...full, on('a', 'pull', meta)] }));
    for (const [method, path] of writes) {
      const answer = await send(method, path, token, method === 'DELETE' ? undefined : '');
      t.same(
        [answer.status, ociError(answer).code],
        [403, 'DENIED'],
        `${method} ${path} ${JSON.stringify(meta)}`,
      );
      t.match(ociError(answer).message, /the token has a tag pattern for a that cannot be read/);
    }
  }
  t.same(upstream.requests, []);
  await logged(
    tagwarden,
    (line) => line['code'] === 'DENIED' && line['repository'] === 'a' && line['caller'] === 'dev',
  );
  const reader = bearer(issuer.sign({ access: [on('a', 'pull', metas[0])] }));
  t.equal((await send('GET', '/v2/a/manifests/v1', reader)).status, 201);
});

t.test("GitLab's patterns bind the bearer in exactly this repository, from all of its entries", async (t) => {
  const { issuer, upstream, send } = await open(t);
  const denies = { tag_deny_access_patterns: { push: ['^v'], delete: ['keep'] } };
  const status = async (access: TokenKnobs['access'] & {}, method: string, path: string): Promise<number> =>
    (await send(method, path, bearer(issuer.sign({ access })), method === 'PUT' ? '{}' : undefined)).status;
  t.equal(await status([on('a', 'pull,push', denies)], 'PUT', '/v2/a/manifests/v1'), 403);
  t.equal(
    await status([on('a', 'push'), on('a', 'pull', denies)], 'PUT', '/v2/a/manifests/v1'),
    403,
    'two scopes',
  );
  t.equal(await status([on('a', 'delete', denies)], 'DELETE', '/v2/a/manifests/keep-me'), 403);
  const before = upstream.script;
  upstream.script = (req, res) => {
    if (req.url?.endsWith('/tags/list')) res.end('{"name":"a","tags":["keep-me"]}');
    else if (req.url?.endsWith('/keep-me')) res.setHeader('Docker-Content-Digest', digest).end();
    else answerOci(res, 404, 'MANIFEST_UNKNOWN');
  };
  t.equal(await status([on('a', 'delete', denies)], 'DELETE', `/v2/a/blobs/${digest}`), 403, 'by digest');
  upstream.script = before;
  t.equal(
    await status([on('a', 'pull,push', denies)], 'PUT', `/v2/a/manifests/${digest}?tag=x&tag=v1`),
    403,
    'one of several tags',
  );
  t.same(
    upstream.requests.filter(({ target }) => target.includes('v1')),
    [],
  );
  t.equal(await status([on('a', 'pull,push', denies)], 'PUT', '/v2/a/manifests/x'), 201, 'another tag');
  const others = [
    on('b', '*', denies),
    on('A', '*', denies),
    on('a/b', '*', denies),
    { ...on('a', '*', denies), type: 'registry' },
  ];
  t.equal(
    await status([on('a', 'pull,push'), ...others], 'PUT', '/v2/a/manifests/v1'),
    201,
    'others do not leak in',
  );
  t.equal(await status([on('a', 'pull,push')], 'PUT', '/v2/a/manifests/v1'), 201, 'nor to another bearer');
});

t.test('who a token says that its bearer is', async (t) => {
  const rules = `repository_rules:
  - { repository_path_pattern: a, minimum_access_level_for_push: maintainer }
members:
  - { subject: root, repository_path_pattern: a, access_level: maintainer }
  - { subject: 'auth_type:build', repository_path_pattern: a, access_level: maintainer }
  - { group: bots, repository_path_pattern: '*', access_level: owner }
`;
  const { issuer, upstream, send } = await open(t, rules, '  level_claim: level\n  groups_claim: teams\n');
  const push = async (claims: object): Promise<number> =>
    (
      await send(
        'POST',
        '/v2/a/blobs/uploads/',
        bearer(issuer.sign({ access: full, claims: { ...claims } })),
        '',
      )
    ).status;
  const passing: object[] = [
    { sub: 'root' },
    { sub: undefined, auth_type: 'build' },
    { sub: '', auth_type: 'build' },
    { teams: ['x', 'bots'] },
    { level: 'maintainer' },
    { level: 'guest', sub: 'root' },
  ];
  for (const claims of passing) t.equal(await push(claims), 201, JSON.stringify(claims));
  t.equal(upstream.requests.length, passing.length);
  const refusedClaims: object[] = [
    {},
    { sub: 'auth_type:build' },
    { sub: 'auth_type:build', auth_type: 'build' },
    { sub: undefined, auth_type: 'deploy_token' },
    { sub: undefined, auth_type: 'root' },
    { sub: undefined, auth_type: 'auth_type:build' },
    { sub: ['root'] },
    { sub: 'Root' },
    { sub: 'root ' },
    { teams: 'bots' },
    { teams: [['bots']] },
    { groups: ['bots'] },
    { level: 'no_access' },
    { level: 'Owner' },
    { level: 50 },
    { level: ['owner'] },
    { level: 'toString' },
  ];
  for (const claims of refusedClaims) t.equal(await push(claims), 403, JSON.stringify(claims));
  t.equal(upstream.requests.length, passing.length);
});

t.test('a level that nobody knows is none: it may be below the default', async (t) => {
  const rules =
    'repository_rules:\n  - { repository_path_pattern: a, minimum_access_level_for_push: guest }\n';
  const { issuer, upstream, send } = await open(t, rules, '  level_claim: level\n');
  const push = async (level: unknown): Promise<number> =>
    (await send('POST', '/v2/a/blobs/uploads/', bearer(issuer.sign({ access: full, claims: { level } })), ''))
      .status;
  t.equal(await push(undefined), 201, 'absent: the default');
  for (const level of ['minimal_access', 5, null, {}, ''])
    t.equal(await push(level), 403, JSON.stringify(level));
  t.equal(upstream.requests.length, 1);
});
