import t, { type Test } from 'tap';
import { steadyClock } from '../../src/adapters/clock.ts';
import { PatientReader, renewed } from '../../src/adapters/patient-reader.ts';
import { UpstreamTagFacts } from '../../src/adapters/tag-facts.ts';
import { UpstreamAccount } from '../../src/adapters/upstream-account.ts';
import { Upstream } from '../../src/adapters/upstream.ts';
import { Secret } from '../../src/config/secret.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import type { TagFact } from '../../src/core/verdict.ts';
import { ManualClock } from '../fixtures/clock.ts';
import { answerOci, startUpstream, type Script, type ScriptedUpstream } from '../fixtures/upstream.ts';

const repository = 'team/app' as Repository;
const password = 'only:we know';
const basic = `Basic ${Buffer.from(`tagwarden:${password}`).toString('base64')}`;
const digest = `sha256:${'a'.repeat(64)}`;

type Challenge = (realm: string, path: string, host: string) => string;
const bearer: Challenge = (realm) => `Bearer realm="${realm}?own=1",service="registry.example"`;

interface Scene {
  readonly registry: ScriptedUpstream;
  readonly realm: ScriptedUpstream;
  readonly upstream: Upstream;
  readonly account: UpstreamAccount;
  readonly clock: ManualClock;
  readonly logged: readonly unknown[];
  /** What the realm was asked: `GET /token?… Basic …`. */
  readonly asked: () => readonly string[];
  /** What the registry lets in. */
  readonly good: Set<string>;
  challenge: Challenge;
  /** What the realm answers beside `token`, which is `t1`, `t2` and so on. */
  answer: object;
}

/** A registry that wants credentials, and where its tokens are. */
async function open(t: Test, challenge = bearer): Promise<Scene> {
  let given = 0;
  const realm = await startUpstream(t, (_, res) => {
    given += 1;
    res.end(JSON.stringify({ token: `t${given}`, ...scene.answer }));
  });
  const good = new Set<string>();
  const registry = await startUpstream(t, (req, res) => {
    const { url = '', headers } = req;
    if (good.has(headers.authorization ?? '')) res.writeHead(200, { 'Docker-Content-Digest': digest }).end();
    else {
      res.setHeader('WWW-Authenticate', scene.challenge(`${realm.url}/token`, url, headers.host ?? ''));
      answerOci(res, 401, 'UNAUTHORIZED');
    }
  });
  const upstream = new Upstream({ origin: registry.url });
  const clock = new ManualClock();
  const credentials = { username: 'tagwarden', password: new Secret(password) };
  const logged: unknown[] = [];
  const log = { info: (line: unknown) => logged.push(line), warn: (line: unknown) => logged.push(line) };
  const account = new UpstreamAccount({ credentials, upstream, clock, log });
  t.teardown(async () => {
    await account.close();
    await upstream.close();
  });
  const asked = (): readonly string[] =>
    realm.requests.map(({ method, target, headers }) => [method, target, headers.authorization].join(' '));
  const scene = { registry, realm, upstream, account, clock, logged, asked, good, challenge, answer: {} };
  return scene;
}

t.test('a token is asked for as the challenge says, and kept', async (t) => {
  const { account, asked, registry } = await open(t);
  const all = await Promise.all(Array.from({ length: 20 }, () => account.of(repository)));
  t.same([...new Set(all)], ['Bearer t1']);
  t.equal(await account.of(repository), 'Bearer t1');
  const query = 'own=1&service=registry.example&scope=repository%3Ateam%2Fapp%3Apull&account=tagwarden';
  t.same(asked(), [`GET /token?${query} ${basic}`], 'once for all');
  const [first, ...others] = registry.requests;
  t.match([first?.method, first?.target], ['GET', '/v2/']);
  t.notOk(first && 'authorization' in first.headers, 'what it wants is asked without credentials');
  t.equal(await account.of('other/app' as Repository), 'Bearer t2');
  t.match(asked()[1], /scope=repository%3Aother%2Fapp%3Apull/);
  t.equal(await account.catalog(), 'Bearer t3');
  t.match(asked()[2], /scope=registry%3Acatalog%3A\*/);
  t.same(others, [], 'and asked once');
});

t.test('a token is given until shortly before it expires', async (t) => {
  const lifetimes: [answer: object, goodForMs: number][] = [
    [{}, 50_000],
    [{ expires_in: 5 }, 50_000],
    [{ expires_in: 'soon' }, 50_000],
    [{ expires_in: -1 }, 50_000],
    [{ expires_in: 3600 }, 3_590_000],
    [{ expires_in: 1e9 }, 86_390_000],
    [{ token: undefined, access_token: 'oauth', expires_in: 300 }, 290_000],
  ];
  const scene = await open(t);
  for (const [answer, goodForMs] of lifetimes) {
    const { account, asked, clock } = scene;
    scene.answer = answer;
    const name = `a/${asked().length}` as Repository;
    const given = await account.of(name);
    t.match(given, 'access_token' in answer ? /^Bearer oauth$/ : /^Bearer t\d+$/);
    const before = asked().length;
    clock.jump(goodForMs - 1);
    await account.of(name);
    t.equal(asked().length, before, `${JSON.stringify(answer)}: still good`);
    clock.jump(1);
    await account.of(name);
    t.equal(asked().length, before + 1, `${JSON.stringify(answer)}: no longer`);
  }
});

t.test('what was refused is not given again', async (t) => {
  const scene = await open(t);
  const { account, asked } = scene;
  const first = await account.of(repository);
  scene.challenge = (realm, path, host) =>
    path.startsWith('/v2/team/app/')
      ? `Negotiate, ${bearer(realm, path, host)},scope="repository:renamed/app:pull"`
      : 'Negotiate';
  const again = await Promise.all(Array.from({ length: 20 }, () => account.of(repository, first)));
  t.same([...new Set(again)], ['Bearer t2'], 'one question, where many were refused');
  t.equal(await account.of(repository, first), 'Bearer t2', 'and where one was refused long ago');
  t.match(asked()[1], /scope=repository%3Arenamed%2Fapp%3Apull/, "in the registry's own words");
  t.equal(asked().length, 2);
  scene.clock.jump(60_000);
  await account.of(repository);
  t.match(asked()[2], /scope=repository%3Arenamed%2Fapp%3Apull/, 'which are remembered');
});

t.test('a token service that has moved', async (t) => {
  const scene = await open(t);
  const { account, realm, registry } = scene;
  await account.of('other/app' as Repository);
  const moved = await startUpstream(t, (_, res) => void res.end('{"token":"moved"}'));
  scene.challenge = (_, path, host) => bearer(`${moved.url}/token`, path, host);
  realm.script = (_, res) => void res.writeHead(503).end();
  await t.rejects(account.of(repository), /gives us no token/);
  t.equal(await account.of(repository), 'Bearer moved');
  t.equal(await account.of('third/app' as Repository), 'Bearer moved');
  t.equal(registry.requests.length, 2, 'where it is was asked again once');
});

t.test('a registry that wants the password itself, or nothing at first', async (t) => {
  const scene = await open(t, () => 'Basic realm="registry"');
  for (const refused of [undefined, basic]) t.equal(await scene.account.of(repository, refused), basic);
  t.same(scene.asked(), []);

  const late = await open(t);
  const { registry } = late;
  const { script } = registry;
  registry.script = (req, res, recorded) =>
    req.url === '/v2/' ? void res.end() : script(req, res, recorded);
  t.equal(await late.account.of(repository), basic, 'that asks nothing at /v2/');
  t.equal(await late.account.of(repository, basic), 'Bearer t1', 'but does elsewhere');
  t.equal(await late.account.of('other/app' as Repository), 'Bearer t2', 'and is known then');
});

t.test('the realm is not one that a client has made of its own Host', async (t) => {
  const evil = await startUpstream(t);
  // As distribution's `autoredirect`.
  const scene = await open(
    t,
    (_, __, host) => `Bearer realm="http://${host}/token",service="s",error="insufficient_scope"`,
  );
  const { upstream, account, registry } = scene;
  const { script } = registry;
  registry.script = (req, res, recorded) =>
    req.url?.startsWith('/token') ? void res.end('{"token":"ours"}') : script(req, res, recorded);
  scene.good.add('Bearer ours');
  const fact = await lookUp(upstream, account, ['Host', new URL(evil.url).host]);
  t.match(fact, { state: 'present', digest });
  t.equal(evil.requests.length, 0);
  t.match(
    registry.requests.filter(({ target }) => target.startsWith('/token')),
    [{ headers: { authorization: basic } }],
  );
});

const refused = { message: 'the upstream refused the credentials of a look-up' };
const pushed = { sha256: digest, includes: () => false } as never;

function lookUp(
  upstream: Upstream,
  own: UpstreamAccount,
  asCaller: readonly string[],
  isOurs = false,
): Promise<TagFact> {
  const reader = new PatientReader(upstream, steadyClock, isOurs ? renewed(own) : own);
  return new UpstreamTagFacts(reader).lookUp({
    repository,
    tag: 'v1' as Tag,
    asCaller,
    pushed,
    withinMs: 2_000,
  });
}

t.test('look-ups: our own account is asked for those who may not read, and for nobody else', async (t) => {
  const scene = await open(t);
  const { upstream, account, asked, good } = scene;
  good.add('Bearer t1');
  const insufficient: Challenge = (...args) => `${bearer(...args)},error="insufficient_scope"`;
  await t.rejects(lookUp(upstream, account, ['Authorization', 'Bearer bad']), refused);
  t.same(asked(), [], 'who is not known is told so');
  scene.challenge = insufficient;
  t.match(await lookUp(upstream, account, ['Authorization', 'Bearer push-only']), {
    state: 'present',
    digest,
  });
  t.equal(asked().length, 1);

  good.clear();
  good.add('Bearer t2');
  t.match(
    await lookUp(upstream, account, ['Authorization', 'Bearer push-only']),
    { state: 'present' },
    'a token that is good no longer',
  );
  t.equal(asked().length, 2);
  t.match(
    await lookUp(upstream, account, ['Authorization', 'Bearer t1'], true),
    { state: 'present' },
    'of ourselves',
  );
  good.clear();
  await t.rejects(
    lookUp(upstream, account, ['Authorization', 'Bearer push-only']),
    refused,
    'where ours is of no use either, the client may find one that is',
  );
  t.match(await lookUp(upstream, account, ['Authorization', 'Bearer t9'], true), { state: 'unknown' });
});

t.test('403: the same, and what the token service refuses is not asked again at once', async (t) => {
  const scene = await open(t);
  const { upstream, account, realm, registry, asked, clock, logged } = scene;
  const { script } = registry;
  registry.script = (req, res, recorded) =>
    req.headers.authorization === 'Bearer push-only'
      ? void res.writeHead(403).end()
      : script(req, res, recorded);
  realm.script = (_, res) => void res.writeHead(401).end();
  const ask = (): Promise<TagFact> => lookUp(upstream, account, ['Authorization', 'Bearer push-only']);
  for (let times = 0; times < 3; times += 1)
    t.match(await ask(), { state: 'unknown', reason: 'the token service of the upstream gives us no token' });
  t.equal(asked().length, 1, 'an account is not locked by look-ups');
  t.match(logged, [{ cause: /^http:\/\/127\.0\.0\.1:\d+ answered 401$/ }], 'the operator is told once');
  clock.jump(10_001);
  await ask();
  t.equal(asked().length, 2);
  t.notMatch(JSON.stringify(logged), password);
});

const useless: [what: string, script: Script][] = [
  ['a redirect', (_, res) => void res.writeHead(307, { Location: 'http://localhost:9/token' }).end()],
  ['no JSON', (_, res) => void res.end('<html>')],
  ['null', (_, res) => void res.end('null')],
  ['no token', (_, res) => void res.end('{"token":7}')],
  ['a token of two lines', (_, res) => void res.end(JSON.stringify({ token: 'a\r\nX: y' }))],
  ['a token of 20 KiB', (_, res) => void res.end(JSON.stringify({ token: 'x'.repeat(20 * 1024) }))],
  ['an answer of 1 MiB', (_, res) => void res.end(JSON.stringify({ token: 'x', more: 'x'.repeat(2 ** 20) }))],
  ['a connection that ends', (req) => void req.socket.destroy()],
  ['nothing at all', () => undefined],
];
for (const [what, script] of useless) {
  t.test(`a token service that answers with ${what}`, async (t) => {
    const { account, realm, asked } = await open(t);
    const { script: good } = realm;
    realm.script = script;
    await t.rejects(account.of(repository), /the token service of the upstream/);
    t.equal(asked().length, 1);
    realm.script = good;
    t.match(await account.of(repository), /^Bearer t/, 'the next time it is asked again');
  });
}

t.test('a token service that has only the form of OAuth 2', async (t) => {
  const { account, realm } = await open(t);
  const { script } = realm;
  realm.script = (req, res, recorded) =>
    req.method === 'GET' ? void res.writeHead(404).end() : script(req, res, recorded);
  t.equal(await account.of(repository), 'Bearer t1');
  const [, post] = realm.requests;
  t.same(
    [...new URLSearchParams(post?.body.toString())],
    [
      ['service', 'registry.example'],
      ['scope', 'repository:team/app:pull'],
      ['grant_type', 'password'],
      ['client_id', 'tagwarden'],
      ['username', 'tagwarden'],
      ['password', password],
    ],
  );
  t.equal(post?.target, '/token?own=1');
});
