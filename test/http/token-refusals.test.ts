import t from 'tap';
import { dev, grantedBy, openBuiltin, service, tokenOf, gitlabRules } from '../fixtures/builtin.ts';
import { ask, askForm, basic, bearer, ociError } from '../fixtures/client.ts';
import { eventually } from '../fixtures/eventually.ts';
import { rulesElsewhere } from '../fixtures/tagwarden.ts';

const base = `service=${service}`;

t.test('wrong credentials, whatever is wrong with them', async (t) => {
  const { get, tagwarden } = await openBuiltin(t, rulesElsewhere);
  const encoded = (text: string): readonly string[] => [
    'Authorization',
    `Basic ${Buffer.from(text).toString('base64')}`,
  ];
  const wrong = [
    basic('dev', 'wrong'),
    basic('dev', ''),
    basic('dev', 'dev-password '),
    basic('', ''),
    basic('nobody', 'dev-password'),
    basic('auth_type:anonymous', 'x'),
    basic('dev', `dev-password${'x'.repeat(100)}`),
    basic('Dev', 'dev-password'),
    basic('# users', ''),
    encoded('dev'),
    ['Authorization', 'Basic'],
    ['Authorization', 'Basic ***'],
    ['Authorization', 'Bearer dev-password'],
    ['Authorization', 'x'],
  ];
  for (const headers of wrong) {
    const answer = await get(`${base}&scope=repository:a:pull`, headers);
    t.equal(answer.status, 401, String(headers[1]));
    t.same(ociError(answer), { code: 'UNAUTHORIZED', message: 'wrong user name or password' });
    t.equal(answer.headers['www-authenticate'], 'Basic realm="tagwarden"');
    t.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  }
  const lines = (): readonly Record<string, unknown>[] =>
    tagwarden.logs.filter((line) => line['code'] === 'UNAUTHORIZED' && line['status'] === 401);
  await eventually('each is logged', () => lines().length >= wrong.length);
  t.equal(lines().length, wrong.length, 'each is logged, with where it came from');
  t.match(lines()[0], { client: '127.0.0.1', msg: 'refused' });
});

t.test('a service that is not ours, and what is no request for a token', async (t) => {
  const { get, post, tagwarden } = await openBuiltin(t, rulesElsewhere);
  for (const query of ['service=other', 'service=', 'scope=repository:a:pull', '']) {
    const answer = await get(query, dev);
    t.same([answer.status, ociError(answer).code], [404, 'NOT_FOUND'], query);
  }
  const credentials = { grant_type: 'password', username: 'dev', password: 'dev-password' };
  t.equal((await post({ ...credentials, service: 'other' })).status, 404);
  t.equal((await post(credentials)).status, 404);
  for (const grant of [undefined, 'authorization_code', '']) {
    const answer = await post({ ...(grant !== undefined && { grant_type: grant }), service });
    t.same([answer.status, ociError(answer).code], [400, 'UNSUPPORTED']);
  }
  const url = `${tagwarden.url}/jwt/auth`;
  const json = {
    method: 'POST',
    headers: ['Content-Type', 'application/json'],
    body: JSON.stringify({ ...credentials, service }),
  };
  t.equal((await ask(url, json)).status, 415);
  t.equal((await ask(url, { ...json, headers: [] })).status, 415);
  const tooLarge = await askForm(url, { ...credentials, service, scope: 'x'.repeat(70_000) });
  t.same([tooLarge.status, ociError(tooLarge).code], [413, 'UNSUPPORTED']);
  for (const [method, path] of [
    ['PUT', '/jwt/auth'],
    ['DELETE', '/jwks.json'],
    ['POST', '/jwks.json'],
  ] as const) {
    t.equal((await ask(`${tagwarden.url}${path}?${base}`, { method })).status, 404, `${method} ${path}`);
  }
  t.equal((await ask(`${url}?${base}`, { headers: [...dev, ...dev] })).status, 400, 'Authorization twice');
  t.equal((await ask(`${url}?${base};scope=x`, { headers: dev })).status, 400);
});

t.test(
  'a push scope on a protected repository is refused before a byte is sent; a pull scope is not',
  async (t) => {
    const { get, post } = await openBuiltin(t, gitlabRules);
    const message =
      'container protected; you are not allowed to push to flightjs/flight (needs owner, you have developer; rule frozen)';
    const scopes = [
      'repository:flightjs/flight:push,pull',
      'repository:a:pull&scope=repository:flightjs/flight:push',
      'repository:flightjs/flight:pull%20repository:flightjs/flight:push',
    ];
    for (const scope of scopes) {
      const answer = await get(`${base}&account=dev&scope=${scope}`, dev);
      t.equal(answer.status, 403, scope);
      t.match(ociError(answer), { code: 'DENIED', message });
    }
    const form = {
      service,
      grant_type: 'password',
      username: 'dev',
      password: 'dev-password',
      scope: 'repository:flightjs/flight:push',
    };
    t.equal((await post(form)).status, 403);
    t.equal(
      grantedBy(await get(`${base}&scope=repository:flightjs/flight:pull`, dev)),
      'flightjs/flight:pull',
    );
    const owner = basic('owner', 'owner-password');
    t.equal(
      grantedBy(await get(`${base}&scope=repository:flightjs/flight:push`, owner)),
      'flightjs/flight:push',
    );
  },
);

t.test('refuse_at_token: false leaves it to the door', async (t) => {
  const { get, tagwarden, upstream } = await openBuiltin(t, gitlabRules, {
    config: '  refuse_at_token: false\n',
  });
  const answer = await get(`${base}&scope=repository:flightjs/flight:pull,push`, dev);
  t.equal(grantedBy(answer), 'flightjs/flight:pull,push');
  const upload = { method: 'POST', headers: bearer(tokenOf(answer).access_token) };
  const refused = await ask(`${tagwarden.url}/v2/flightjs/flight/blobs/uploads/`, upload);
  t.same([refused.status, ociError(refused).code], [403, 'DENIED']);
  t.same(upstream.requests, []);
});
