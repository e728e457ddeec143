import { createHmac } from 'node:crypto';
import t from 'tap';
import { ask, basic, bearer, challengeOf, ociError } from '../fixtures/client.ts';
import { on, startIssuer, type TokenKnobs } from '../fixtures/issuer.ts';
import { logged, workerCount } from '../fixtures/tagwarden.ts';
import { openTokenDoor as open, refused } from '../fixtures/token-door.ts';
import { encode, jwkOf, newKey } from '../fixtures/token-key.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const full = [on('a', 'pull,push,delete')];

t.test('a good token passes, and goes upstream as it came', async (t) => {
  const { issuer, upstream, send } = await open(t);
  const token = issuer.sign({ access: full });
  for (const [method, path, body] of [
    ['GET', '/v2/', undefined],
    ['GET', '/v2/a/manifests/v1', undefined],
    ['POST', '/v2/a/blobs/uploads/', ''],
    ['PUT', '/v2/a/manifests/v1', '{}'],
    ['DELETE', '/v2/a/manifests/v1', undefined],
  ] as const) {
    t.equal((await send(method, path, bearer(token), body)).status, 201, `${method} ${path}`);
  }
  t.equal(
    (await send('GET', '/v2/', ['authorization', `bEARER  ${token} `])).status,
    201,
    'schemes have no case',
  );
  t.equal(upstream.requests.length, 6);
  t.equal(upstream.requests[0]?.headers.authorization, `Bearer ${token}`);
  t.ok(issuer.asked() <= workerCount);
});

t.test('no token at all, on every route', async (t) => {
  const { upstream, send } = await open(t);
  const routes: [method: string, path: string, scope: string][] = [
    ['GET', '/v2/', ''],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ['HEAD', '/v2/a/manifests/v1', 'repository:a:pull'],
    ['GET', `/v2/host:5000/a/blobs/${digest}`, 'repository:host:5000/a:pull'],
    ['POST', `/v2/a/blobs/uploads/?mount=${digest}&from=b`, 'repository:a:pull,push'],
    ['PATCH', '/v2/a/blobs/uploads/u?_state=s', 'repository:a:pull,push'],
    ['PUT', '/v2/a/manifests/v1', 'repository:a:pull,push'],
    ['DELETE', `/v2/a/manifests/${digest}`, 'repository:a:delete'],
    ['DELETE', `/v2/a/blobs/${digest}`, 'repository:a:delete'],
    ['GET', '/v2/_oci/ext/discover', ''],
  ];
  for (const [method, path, scope] of routes) {
    const answer = await send(method, path, []);
    if (method === 'HEAD') t.same([answer.status, answer.body], [401, '']);
    else refused(t, answer, { scope }, `${method} ${path}`);
    t.equal(challengeOf(answer).parameters.scope ?? '', scope);
  }
  t.same(upstream.requests, []);
});

t.test('forged signatures', async (t) => {
  const { issuer, upstream, tagwarden, send } = await open(t);
  const [key] = issuer.keys;
  if (!key) throw new Error('no key');
  const claims = JSON.parse(
    Buffer.from(issuer.sign({ access: full }).split('.')[1] ?? '', 'base64url').toString(),
  ) as object;
  const unsigned = (alg: string): string =>
    `${encode({ alg, typ: 'JWT', kid: key.libtrustId })}.${encode(claims)}`;
  const hmac = (secret: string | Buffer, alg = 'HS256'): string => {
    const hash = alg.replace('HS', 'sha');
    return `${unsigned(alg)}.${createHmac(hash, secret).update(unsigned(alg)).digest('base64url')}`;
  };
  const spki = key.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const der = key.publicKey.export({ type: 'spki', format: 'der' });
  const attacker = newKey('RS256');
  const evil = await startIssuer(t, { keys: [attacker] });
  const brought: object[] = [
    { jwk: jwkOf(attacker) },
    { jku: evil.jwksUrl },
    { x5u: evil.jwksUrl },
    { jwk: jwkOf(attacker), kid: undefined },
    { jku: evil.jwksUrl, kid: attacker.libtrustId },
    { x5u: evil.jwksUrl, kid: undefined },
    { x5c: [der.toString('base64')] },
  ];
  const tokens: [string, string][] = [
    ...['none', 'None', 'NONE', 'nOnE', ''].map((alg): [string, string] => [
      `alg ${alg}`,
      `${unsigned(alg)}.`,
    ]),
    ['alg none with a signature', `${unsigned('none')}.${issuer.sign().split('.')[2] ?? ''}`],
    ['HMAC with the PEM', hmac(spki)],
    ['HMAC with the PEM, no last line', hmac(spki.trim())],
    ['HMAC with the DER', hmac(der)],
    ['HMAC with PKCS 1', hmac(key.publicKey.export({ type: 'pkcs1', format: 'pem' }))],
    ['HMAC with the JWK', hmac(JSON.stringify(jwkOf(key)))],
    ['HMAC with the modulus', hmac(Buffer.from(String(jwkOf(key).n), 'base64url'))],
    ['HMAC with nothing', hmac('')],
    ['HS512', hmac(spki, 'HS512')],
    [
      'another key with a copied kid',
      issuer.sign({ access: full, key: attacker, header: { kid: key.libtrustId } }),
    ],
    [
      'another kind of key',
      issuer.sign({ access: full, key: newKey('ES256'), header: { kid: key.libtrustId, alg: 'RS256' } }),
    ],
    ['an algorithm that is not listed', issuer.sign({ access: full, header: { alg: 'RS512' } })],
    ['no kid', issuer.sign({ access: full, key: attacker, header: { kid: undefined } })],
    ...brought.map((header): [string, string] => [
      Object.keys(header).join(),
      issuer.sign({ access: full, key: attacker, header: { kid: key.libtrustId, ...header } }),
    ]),
    ['another payload', issuer.sign().replace(/\.[^.]+\./, `.${encode(claims)}.`)],
    ['no JWT', 'opaque'],
    ['a JWE', `${encode({ alg: 'dir', enc: 'A128GCM' })}..${encode('x')}.${encode('x')}.${encode('x')}`],
  ];
  for (const [what, token] of tokens) {
    for (const [method, body] of [
      ['PUT', '{}'],
      ['GET', undefined],
    ] as const) {
      const scope = method === 'PUT' ? 'repository:a:pull,push' : 'repository:a:pull';
      refused(
        t,
        await send(method, '/v2/a/manifests/v1', bearer(token), body),
        { scope, error: 'invalid_token' },
        what,
      );
    }
  }
  t.same(upstream.requests, []);
  t.equal(evil.asked(), 0, 'nobody follows an address of the bearer');
  t.ok(issuer.asked() <= 2 * workerCount, `unknown keys do not make us ask all the time: ${issuer.asked()}`);
  await logged(tagwarden, ({ code, status }) => code === 'UNAUTHORIZED' && status === 401);
});

t.test('claims that are wrong', async (t) => {
  const { issuer, upstream, send } = await open(t);
  const now = Math.floor(Date.now() / 1000);
  const good = { iss: 'gitlab-issuer', aud: 'container_registry', sub: 'dev', exp: now + 300, access: full };
  const twice = (more: string): TokenKnobs => ({ payload: JSON.stringify(good).replace(/}$/, `,${more}}`) });
  const cases: [string, TokenKnobs][] = [
    ['another issuer', { claims: { iss: 'gitlab' } }],
    ['no issuer', { claims: { iss: undefined } }],
    ['another audience', { claims: { aud: 'dependency_proxy' } }],
    ['no audience', { claims: { aud: undefined } }],
    ['minted for another service', { claims: { aud: ['other', 'container_registry refresh'] } }],
    ['expired', { claims: { exp: now - 61 } }],
    ['not yet valid', { claims: { nbf: now + 90 } }],
    ['no exp', { claims: { exp: undefined } }],
    ['exp as text', { claims: { exp: String(now + 300) } }],
    ['duplicate sub', twice('"sub":"root"')],
    ['duplicate access', twice(`"access":${JSON.stringify([on('a', '*')])}`)],
    ['duplicate exp, escaped', twice(`"e\\u0078p":${now + 3000}`)],
  ];
  for (const [what, knobs] of cases) {
    const token = issuer.sign({ access: full, ...knobs });
    refused(
      t,
      await send('PUT', '/v2/a/manifests/v1', bearer(token), '{}'),
      { error: 'invalid_token' },
      what,
    );
  }
  t.same(upstream.requests, []);
});

t.test('a token of 1 MiB', async (t) => {
  const { issuer, upstream, tagwarden } = await open(t);
  const token = issuer.sign({ access: full, claims: { padding: 'x'.repeat(1024 * 1024) } });
  // The server may hang up while the token is still being sent.
  const status = await ask(`${tagwarden.url}/v2/`, { headers: bearer(token) }).then(
    (answer) => answer.status,
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  );
  t.ok([431, 'ECONNRESET', 'EPIPE'].includes(status ?? ''), String(status));
  t.same(upstream.requests, []);
});

t.test('Authorization twice, or not a bearer', async (t) => {
  const { issuer, upstream, send } = await open(t);
  const good = bearer(issuer.sign({ access: full }));
  for (const headers of [
    [...good, ...good],
    [...good, 'authorization', 'Bearer x'],
    [...basic('a', 'b'), ...good],
  ]) {
    const answer = await send('PUT', '/v2/a/manifests/v1', headers, '{}');
    t.same([answer.status, ociError(answer).code], [400, 'NAME_INVALID']);
  }
  for (const value of ['Basic ZGV2OnB3', 'Negotiate abc', 'x', 'Bearerx y']) {
    const answer = await send('PUT', '/v2/a/manifests/v1', ['Authorization', value], '{}');
    refused(t, answer, {}, `${value}: none of a bearer's errors (RFC 6750, section 3.1)`);
  }
  const token = issuer.sign({ access: full });
  for (const value of [
    'Bearer',
    'Bearer a b',
    `Bearer ${token},${token}`,
    `Bearer ${token} ${token}`,
    `Bearer\t${token}`,
    `Bearer "${token}"`,
  ]) {
    const answer = await send('PUT', '/v2/a/manifests/v1', ['Authorization', value], '{}');
    refused(t, answer, { error: 'invalid_token' }, value.slice(0, 12));
  }
  t.same(upstream.requests, []);
});
