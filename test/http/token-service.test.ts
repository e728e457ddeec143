import { readFileSync } from 'node:fs';
import { createPublicKey, verify, X509Certificate, type JsonWebKey } from 'node:crypto';
import t from 'tap';
import { dev, claimsOf, grantedBy, openBuiltin, service, tokenOf, gitlabRules } from '../fixtures/builtin.ts';
import { ask, basic, bearer, challengeOf, ociError } from '../fixtures/client.ts';
import { logged, rulesElsewhere } from '../fixtures/tagwarden.ts';

const base = `service=${service}`;

t.test('docker login, push and pull, as docker asks', async (t) => {
  const scene = await openBuiltin(t, rulesElsewhere);
  const { tagwarden, upstream, get } = scene;
  const door = await ask(`${tagwarden.url}/v2/`);
  t.equal(door.status, 401);
  const { parameters } = challengeOf(door);
  t.same(parameters, { realm: `${tagwarden.url}/jwt/auth`, service });
  const login = await get(`account=dev&client_id=docker&offline_token=true&${base}`, dev);
  t.equal(login.status, 200);
  t.equal(login.headers['content-type'], 'application/json; charset=utf-8');
  t.equal(login.headers['cache-control'], 'no-store');
  const answer = tokenOf(login);
  t.same(Object.keys(answer).sort(), ['access_token', 'expires_in', 'issued_at', 'refresh_token', 'token']);
  t.equal(answer.token, answer.access_token);
  t.equal(answer.expires_in, 300);
  t.match(answer.issued_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);
  t.ok(Math.abs(Date.parse(answer.issued_at) - Date.now()) < 10_000);
  t.equal((await ask(`${tagwarden.url}/v2/`, { headers: bearer(answer.access_token) })).status, 201);

  const push = await get(`account=dev&scope=repository%3Aa%3Apush%2Cpull&${base}`, dev);
  t.notOk('refresh_token' in tokenOf(push));
  const token = bearer(tokenOf(push).access_token);
  const put = { method: 'PUT', headers: token, body: '{}' };
  t.equal((await ask(`${tagwarden.url}/v2/a/manifests/v1`, put)).status, 201);
  t.equal(upstream.requests.at(-1)?.headers.authorization, token[1], 'and the registry may verify it too');
  t.equal((await ask(`${tagwarden.url}/v2/b/manifests/v1`, put)).status, 401);
  await logged(tagwarden, ({ caller, operation }) => caller === 'dev' && operation === 'putManifest');
});

t.test("the claims are GitLab's", async (t) => {
  const { get, keyFile } = await openBuiltin(t, gitlabRules, { config: '  token_lifetime_seconds: 600\n' });
  const answer = tokenOf(await get(`scope=repository:Host.example:5000/Frozen/app:pull&${base}`, dev));
  t.same(claimsOf(answer.access_token).access, [], 'capitals are only for a host');
  const token = tokenOf(await get(`scope=repository:frozen/app:pull,push&${base}`, dev)).access_token;
  const { iat, nbf, exp, jti, ...claims } = claimsOf(token) as Record<string, unknown>;
  t.ok(Number.isInteger(iat) && Math.abs(Number(iat) * 1000 - Date.now()) < 10_000);
  t.equal(nbf, Number(iat) - 5);
  t.equal(exp, Number(iat) + 600);
  t.match(jti, /^[0-9a-f-]{36}$/);
  t.strictSame(claims, {
    access: [
      {
        type: 'repository',
        name: 'frozen/app',
        actions: ['pull', 'push'],
        meta: {
          project_path: 'frozen/app',
          tag_deny_access_patterns: { push: ['v1.*', 'latest', 'admin-only'] },
          tag_immutable_patterns: ['^v'],
        },
      },
    ],
    auth_type: 'password',
    iss: 'tagwarden',
    aud: service,
    sub: 'dev',
  });
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { keys } = JSON.parse(readFileSync(`${keyFile}.jwks.json`, 'utf8')) as {
    keys: [JsonWebKey & { kid: string }];
  };
  t.same(JSON.parse(Buffer.from(header, 'base64url').toString()), {
    alg: 'ES256',
    typ: 'JWT',
    kid: keys[0].kid,
  });
  const key = createPublicKey({ key: keys[0], format: 'jwk' });
  const signed = Buffer.from(`${header}.${payload}`);
  t.ok(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')));
  const certificate = new X509Certificate(readFileSync(`${keyFile}.crt`));
  t.ok(certificate.publicKey.equals(key), 'rootcertbundle');
});

t.test("GitLab's worked table, from the token service and at the door", async (t) => {
  const { get, tagwarden } = await openBuiltin(t, gitlabRules);
  const all = ['v1.*', 'latest', 'admin-only'];
  const table: [user: string, actions: string, patterns: object | 'no access'][] = [
    ['dev', 'pull', {}],
    ['dev', 'push', { push: all }],
    ['dev', 'pull,push', { push: all }],
    ['dev', 'push,push', { push: all }],
    ['dev', 'push,foo', { push: all }],
    ['dev', 'delete', 'no access'],
    ['dev', '*', 'no access'],
    ['dev', 'pull,delete', {}],
    ['main', 'push', { push: ['latest', 'admin-only'] }],
    ['main', 'delete', { delete: ['admin-only'] }],
    ['main', '*', { push: ['latest', 'admin-only'], delete: ['admin-only'] }],
    ['owner', 'push', { push: ['admin-only'] }],
    ['owner', 'delete', { delete: [] }],
    ['root', 'push,delete', { push: [], delete: [] }],
  ];
  for (const [user, actions, patterns] of table) {
    const answer = await get(`scope=repository:p:${actions}&${base}`, basic(user, `${user}-password`));
    const [entry] = claimsOf(tokenOf(answer).access_token).access;
    const expected = { project_path: 'p', tag_deny_access_patterns: patterns };
    t.strictSame(entry?.meta, patterns === 'no access' ? undefined : expected, `${user} ${actions}`);
  }
  const levels = {
    dev: ['free'],
    main: ['v1', 'free'],
    owner: ['v1', 'latest', 'free'],
    root: [...['v1', 'latest'], 'admin-only', 'free'],
  };
  for (const [user, mayPush] of Object.entries(levels)) {
    const answer = await get(`scope=repository:p:pull,push&${base}`, basic(user, `${user}-password`));
    const headers = bearer(tokenOf(answer).access_token);
    for (const tag of ['v1', 'latest', 'admin-only', 'free']) {
      const { status } = await ask(`${tagwarden.url}/v2/p/manifests/${tag}`, {
        method: 'PUT',
        headers,
        body: '{}',
      });
      t.equal(status, mayPush.includes(tag) ? 201 : 403, `${user} pushes ${tag}`);
    }
  }
});

t.test('scopes: repeated, in one, with a host, with a class; what is unknown drops out', async (t) => {
  const { get } = await openBuiltin(t, rulesElsewhere);
  const table: [scopes: string, granted: string][] = [
    ['', ''],
    ['scope=repository:a:pull&scope=repository:b:push', 'a:pull b:push'],
    ['scope=repository:a:pull%20repository:b:push', 'a:pull b:push'],
    ['scope=repository:a:pull+repository:b:push&scope=repository:c:pull', 'a:pull b:push c:pull'],
    ['scope=repository:host:5000/a/b:pull,push', 'host:5000/a/b:pull,push'],
    ['scope=repository(plugin):a:pull', 'a:pull'],
    ['scope=repository:a:pull,fly,delete', 'a:pull'],
    ['scope=repository:a:fly', ''],
    ['scope=registry:catalog:*', ''],
    [
      'scope=planet:a:pull&scope=nonsense&scope=&scope=repository:A//b:pull&scope=repository:a:pull',
      'a:pull',
    ],
  ];
  for (const [scopes, granted] of table) {
    const answer = await get(`${base}&${scopes}`.replace(/&$/, ''), dev);
    t.equal(answer.status, 200);
    t.equal(grantedBy(answer), granted, scopes);
  }
  const root = basic('root', 'root-password');
  t.equal(grantedBy(await get(`${base}&scope=registry:catalog:*`, root)), 'catalog:*');
});

t.test(
  'no credentials are nobody, who gets a token for nothing, or for what a member entry gives',
  async (t) => {
    const { get, tagwarden, upstream } = await openBuiltin(t, rulesElsewhere);
    const answer = await get(`${base}&offline_token=true&scope=repository:a:pull,push`);
    t.equal(grantedBy(answer), '');
    const { refresh_token: refresh, access_token: token } = tokenOf(answer);
    t.equal(refresh, undefined);
    const { auth_type: kind, sub } = claimsOf(token);
    t.same([kind, sub], ['anonymous', undefined]);
    t.equal((await ask(`${tagwarden.url}/v2/a/manifests/v1`, { headers: bearer(token) })).status, 401);
    t.same(upstream.requests, []);

    const members = `  - { subject: 'auth_type:anonymous', repository_path_pattern: public/*, access_level: reporter }\n`;
    const open = await openBuiltin(t, rulesElsewhere, { members });
    const scopes = 'scope=repository:public/a:pull,push&scope=repository:a:pull';
    const some = await open.get(`${base}&${scopes}`);
    t.equal(grantedBy(some), 'public/a:pull');
    const headers = bearer(tokenOf(some).access_token);
    t.equal((await ask(`${open.tagwarden.url}/v2/public/a/manifests/v1`, { headers })).status, 201);
    t.equal((await ask(`${open.tagwarden.url}/v2/a/manifests/v1`, { headers })).status, 401);
  },
);

t.test('the OAuth2 form: password, and a refresh token', async (t) => {
  const { post, tagwarden } = await openBuiltin(t, rulesElsewhere);
  const form = {
    service,
    client_id: 'containerd',
    scope: 'repository:b:push repository:a:pull,push',
    grant_type: 'password',
  };
  const online = await post({ ...form, username: 'dev', password: 'dev-password' });
  t.equal(online.headers['cache-control'], 'no-store');
  const answer = tokenOf(online);
  t.same(Object.keys(answer).sort(), ['access_token', 'expires_in', 'issued_at', 'scope']);
  t.equal(answer.scope, 'repository:a:pull,push repository:b:push');
  t.equal(grantedBy(online), 'b:push a:pull,push');
  const offline = tokenOf(
    await post({ ...form, username: 'dev', password: 'dev-password', access_type: 'offline' }),
  );
  const refresh = offline.refresh_token ?? '';
  const again = await post({ ...form, grant_type: 'refresh_token', refresh_token: refresh });
  t.equal(grantedBy(again), 'b:push a:pull,push');
  t.equal(claimsOf(tokenOf(again).access_token).sub, 'dev');
  t.equal(
    (await ask(`${tagwarden.url}/v2/a/tags/list`, { headers: bearer(tokenOf(again).access_token) })).status,
    201,
  );

  for (const wrong of [
    { username: 'dev', password: 'x' },
    { username: 'dev' },
    { password: 'dev-password' },
    {},
  ]) {
    const refused = await post({ ...form, ...wrong });
    t.same([refused.status, ociError(refused).code], [401, 'UNAUTHORIZED']);
  }
  for (const token of ['', 'x', `${refresh}x`, offline.access_token, refresh.replace(/\.[^.]*$/, '.')]) {
    const refused = await post({ ...form, grant_type: 'refresh_token', refresh_token: token });
    t.same([refused.status, ociError(refused).code], [401, 'UNAUTHORIZED']);
  }
  const misused = await ask(`${tagwarden.url}/v2/`, { headers: bearer(refresh) });
  t.equal(misused.status, 401);
  t.equal(challengeOf(misused).parameters.error, 'invalid_token', 'a refresh token opens no door');
});

t.test('/jwks.json publishes the key that signs, and nothing of the private one', async (t) => {
  const { tagwarden, keyFile } = await openBuiltin(t, rulesElsewhere);
  const answer = await ask(`${tagwarden.url}/jwks.json`);
  t.equal(answer.status, 200);
  t.same(JSON.parse(answer.body), JSON.parse(readFileSync(`${keyFile}.jwks.json`, 'utf8')));
  const { keys } = JSON.parse(answer.body) as { keys: object[] };
  t.same(
    keys.map((key) => Object.keys(key).sort()),
    [['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']],
  );
});
