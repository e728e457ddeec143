import t, { type Test } from 'tap';
import { ask, basic, bearer, ociError, type Answer } from '../fixtures/client.ts';
import { eventually } from '../fixtures/eventually.ts';
import { on, signGitlab, type TokenKnobs } from '../fixtures/issuer.ts';
import { rulesElsewhere, startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import { encode, newKey } from '../fixtures/token-key.ts';
import { answerOci, startUpstream, type Script, type ScriptedUpstream } from '../fixtures/upstream.ts';
import { readinessAt } from '../fixtures/readiness.ts';

const key = newKey();
const digest = `sha256:${'a'.repeat(64)}`;
const challenge = 'Bearer realm="https://gitlab.example/jwt/auth",service="container_registry"';
const sign = (knobs: TokenKnobs = {}): string => signGitlab(key, Date.now(), knobs);

/** Lets in whom it knows: by tokens that it has seen issued, and by a password. */
function registryOf(good: ReadonlySet<string>): Script {
  return (req, res) => {
    if (!good.has(req.headers.authorization ?? '')) {
      res.setHeader('WWW-Authenticate', challenge);
      answerOci(res, 401, 'UNAUTHORIZED');
    } else if (req.url?.endsWith('/tags/list')) {
      res.end('{"name":"a","tags":["v0"]}');
    } else if (req.method === 'HEAD' && req.url?.endsWith('/manifests/v0')) {
      res.setHeader('Docker-Content-Digest', digest).end();
    } else if (req.method === 'GET' || req.method === 'HEAD') {
      res.writeHead(404, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'unknown' }] }));
    } else res.writeHead(201).end();
  };
}

interface Scene {
  readonly upstream: ScriptedUpstream;
  readonly tagwarden: Tagwarden;
  readonly good: Set<string>;
  /** Sends, as one whom the upstream knows. */
  readonly as: (headers: readonly string[], method: string, path: string) => Promise<Answer>;
  /** What came through since the guard's own questions. */
  readonly written: () => readonly string[];
}

async function open(t: Test, rules = rulesElsewhere, more = '', script?: Script): Promise<Scene> {
  const good = new Set<string>();
  const upstream = await startUpstream(t, script ?? registryOf(good));
  const config = `auth:\n  mode: upstream\n${more}`;
  const tagwarden = await startTagwarden(t, { upstream: upstream.url, rules, config });
  const as: Scene['as'] = (headers, method, path) => {
    good.add(headers[1] ?? '');
    return ask(tagwarden.url + path, { method, headers, ...(method === 'PUT' && { body: '{}' }) });
  };
  const written = (): readonly string[] =>
    upstream.requests
      .filter(({ method }) => method !== 'GET' && method !== 'HEAD')
      .map((it) => `${it.method} ${it.target}`);
  return { upstream, tagwarden, good, as, written };
}

const writes = [
  ['POST', '/v2/a/blobs/uploads/'],
  ['PATCH', '/v2/a/blobs/uploads/u'],
  ['PUT', '/v2/a/manifests/v1'],
  ['DELETE', '/v2/a/manifests/v1'],
  ['DELETE', `/v2/a/blobs/${digest}`],
] as const;

const open200: Script = (_, res) => void res.writeHead(200).end();
const careless: [string, Script][] = [
  ['lets anybody in', open200],
  ['lets a forged bearer in', (req, res) => void res.writeHead(req.headers.authorization ? 200 : 401).end()],
];
for (const [what, script] of careless) {
  t.test(`writes are refused while the upstream ${what}, and no longer`, async (t) => {
    const scene = await open(t, rulesElsewhere, '', script);
    const { as, upstream, tagwarden, written } = scene;
    const token = bearer(sign());
    for (const [method, path] of writes) {
      const answer = await as(token, method, path);
      t.same([answer.status, ociError(answer).code], [503, 'UNAVAILABLE'], `${method} ${path}`);
      t.match(ociError(answer).message, /^writes are refused: the upstream answers 200/);
      t.ok(Number(answer.headers['retry-after']) > 0);
    }
    t.same(written(), []);
    t.equal((await as(token, 'GET', '/v2/a/manifests/v1')).status, 200, 'reads go on');
    const ready = await readinessAt(tagwarden.app.adminAddress);
    t.match(ready, {
      status: 503,
      said: 'not ready',
      states: { upstream: 'ok', upstream_auth: /answers 200/ },
    });
    upstream.script = registryOf(scene.good);
    const isPushed = async (): Promise<boolean> =>
      (await as(token, 'POST', '/v2/a/blobs/uploads/')).status === 201;
    await eventually('writes go on', isPushed, 15_000);
    // Each worker sees it for itself.
    const isReady = async (): Promise<boolean> =>
      (await readinessAt(tagwarden.app.adminAddress)).status === 200;
    await eventually('it is ready', isReady, 15_000);
  });
}

t.test('the bearer is decoded: its subject, its groups and its level count', async (t) => {
  const rules = `repository_rules:
  - { repository_path_pattern: a, minimum_access_level_for_push: maintainer }
members:
  - { subject: root, repository_path_pattern: a, access_level: maintainer }
  - { group: bots, repository_path_pattern: a, access_level: owner }
`;
  const { as, written } = await open(t, rules, '  level_claim: level\n');
  const push = async (headers: readonly string[]): Promise<number> =>
    (await as(headers, 'POST', '/v2/a/blobs/uploads/')).status;
  t.equal(await push(bearer(sign())), 403);
  t.equal(await push(bearer('opaque')), 403, 'says nothing of its bearer');
  t.equal(await push(bearer('a.b.c')), 403);
  t.same(written(), []);
  t.equal(await push(bearer(sign({ claims: { sub: 'root' } }))), 201);
  t.equal(await push(bearer(sign({ claims: { groups: ['bots'] } }))), 201);
  t.equal(await push(bearer(sign({ claims: { level: 'owner' } }))), 201);
});

t.test('a forged bearer gets no further than the upstream, whose challenge comes back', async (t) => {
  const { tagwarden, good } = await open(t);
  const forged = bearer(`${encode({ alg: 'none' })}.${encode({ sub: 'root', access: [on('a', '*')] })}.x`);
  t.notOk(good.has(String(forged[1])));
  for (const [method, path] of writes) {
    const answer = await ask(tagwarden.url + path, {
      method,
      headers: forged,
      ...(method === 'PUT' && { body: '{}' }),
    });
    t.same([answer.status, answer.headers['www-authenticate']], [401, challenge], `${method} ${path}`);
  }
});

t.test("GitLab's patterns bind the bearer, who cannot hide them from us", async (t) => {
  const { as, written, good } = await open(t);
  const meta = { tag_deny_access_patterns: { push: ['^v'], delete: ['^v'] }, tag_immutable_patterns: ['^r'] };
  const token = sign({ access: [on('a', 'pull,push,delete', meta), on('b', '*')] });
  t.equal((await as(bearer(token), 'PUT', '/v2/a/manifests/v1')).status, 403);
  t.equal((await as(bearer(token), 'DELETE', '/v2/a/manifests/v1')).status, 403);
  t.equal((await as(bearer(token), 'DELETE', `/v2/a/manifests/${digest}`)).status, 403);
  t.equal(
    (
      await as(
        bearer(sign({ access: [on('a', '*', { tag_immutable_patterns: ['('] })] })),
        'PUT',
        '/v2/a/manifests/x',
      )
    ).status,
    403,
  );
  const [header = '', payload = '', signature = ''] = token.split('.');
  // go-jose takes blanks out of a token before it verifies it, and servers trim in ways of their own.
  const disguised = [
    `Bearer ${header}.${payload}.\t${signature}`,
    `Bearer ${header}.${payload}. ${signature}`,
    `Bearer\t${token}`,
    `Bearer ${token}, x`,
    `Bearer "${token}"`,
    `Bearer ${token};`,
    `\u00a0Bearer ${token}`,
    `Bearer\u00a0${token}`,
    `Bearer ${token}\u00a0`,
    `Bearer`,
    `,Bearer ${token}`,
  ];
  for (const value of disguised) {
    const answer = await as(['Authorization', value], 'PUT', '/v2/a/manifests/v1');
    t.same([answer.status, ociError(answer).code], [400, 'UNAUTHORIZED'], JSON.stringify(value).slice(0, 20));
  }
  t.same(written(), []);
  for (const value of [`bearer ${token}`, `Bearer   ${token}`]) {
    good.add(value);
    t.equal(
      (await as(['Authorization', value], 'PUT', '/v2/a/manifests/v1')).status,
      403,
      'read all the same',
    );
  }
  t.same(written(), []);
  t.equal((await as(bearer(token), 'PUT', '/v2/a/manifests/x')).status, 201);
  t.equal((await as(bearer(token), 'PUT', '/v2/b/manifests/v1')).status, 201);
  t.equal((await as(bearer(token), 'PUT', '/v2/a/manifests/r1')).status, 201, 'created once');
});

t.test('a user name of Basic counts only where the operator says so', async (t) => {
  const rules = `repository_rules:
  - { repository_path_pattern: a, minimum_access_level_for_push: maintainer }
members:
  - { subject: root, repository_path_pattern: a, access_level: maintainer }
`;
  const path = '/v2/a/blobs/uploads/';
  const wary = await open(t, rules);
  t.equal((await wary.as(basic('root', 'x'), 'POST', path)).status, 403);
  t.equal(
    (await wary.as(basic('root', 'x'), 'POST', '/v2/b/blobs/uploads/')).status,
    201,
    'the default level',
  );
  const trusting = await open(t, rules, '  trust_basic_username: true\n');
  t.equal((await trusting.as(basic('root', 'x'), 'POST', path)).status, 201);
  t.equal((await trusting.as(basic('dev', 'root:x'), 'POST', path)).status, 403);
  t.equal((await trusting.as(basic('', 'root'), 'POST', path)).status, 403);
  t.equal(
    (await trusting.as(['Authorization', 'Basic cm9vdA'], 'POST', path)).status,
    201,
    'without a password: root',
  );
  t.equal((await trusting.as(['Authorization', 'Negotiate cm9vdDp4'], 'POST', path)).status, 403);
});

t.test('no credentials are less than those of just anybody', async (t) => {
  const rules =
    'repository_rules:\n  - { repository_path_pattern: a, minimum_access_level_for_push: guest }\n';
  const { as, tagwarden, written } = await open(t, rules);
  const answer = await ask(`${tagwarden.url}/v2/a/blobs/uploads/`, { method: 'POST' });
  t.same([answer.status, ociError(answer).code], [403, 'DENIED']);
  t.match(ociError(answer).message, /needs guest, you have anonymous/);
  t.same(written(), []);
  t.equal((await as(bearer('opaque'), 'POST', '/v2/a/blobs/uploads/')).status, 201);
});

t.test("the upstream's 401 to a look-up goes to the client, who recovers from it", async (t) => {
  const rules = 'tag_rules:\n  - { tag_name_pattern: .*, immutable: true }\n';
  const { tagwarden, as, written } = await open(t, rules);
  for (const method of ['PUT', 'DELETE']) {
    const body = method === 'PUT' ? { body: '{}' } : {};
    for (const headers of [[], bearer('expired')]) {
      const answer = await ask(`${tagwarden.url}/v2/a/manifests/v1`, { method, headers, ...body });
      t.same(
        [answer.status, ociError(answer).code, answer.headers['www-authenticate']],
        [401, 'UNAUTHORIZED', challenge],
      );
    }
  }
  t.same(written(), []);
  t.equal((await as(bearer('fresh'), 'PUT', '/v2/a/manifests/v1')).status, 201);
});

t.test('what could let somebody in beside the Authorization that we read stays here', async (t) => {
  const { as, upstream, good } = await open(t);
  const token = bearer(sign());
  good.add(String(token[1]));
  const others = [
    'Cookie',
    'session=root',
    'X-Api-Key',
    'k',
    'Private-Token',
    'p',
    'X-Forwarded-User',
    'root',
    'Proxy-Authorization',
    'Basic eDp5',
  ];
  for (const [method, path] of writes) {
    t.ok((await as([...token, ...others], method, path)).status < 300, `${method} ${path}`);
    const headers: NodeJS.Dict<unknown> = upstream.requests.at(-1)?.headers ?? {};
    t.equal(headers.authorization, token[1]);
    for (const name of ['cookie', 'x-api-key', 'private-token', 'x-forwarded-user', 'proxy-authorization']) {
      t.equal(headers[name], undefined, name);
    }
  }
});
