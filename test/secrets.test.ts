import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { dev, openBuiltin, passwords, service, tokenOf, writeUsers } from './fixtures/builtin.ts';
import { ask, askForm, basic, bearer } from './fixtures/client.ts';
import { fail, hang, on, signGitlab, startIssuer, tokenConfig } from './fixtures/issuer.ts';
import { rulesElsewhere, startTagwarden, type Tagwarden } from './fixtures/tagwarden.ts';
import { certify, encode, jwkOf, newKey } from './fixtures/token-key.ts';
import { startUpstream, type Script } from './fixtures/upstream.ts';

const immutable = 'tag_rules:\n  - { tag_name_pattern: ^locked$, immutable: true }\n';
const digest = `sha256:${'a'.repeat(64)}`;

/** What must not be in a log, with every part of it that alone would be too much. */
class Secrets {
  readonly #texts = new Set<string>();

  add(text: string): string {
    this.#texts.add(text);
    // The signature of a token, and its claims; the credentials of `Basic`.
    for (const part of text.split(/[. ]/)) if (part.length >= 16) this.#texts.add(part);
    return text;
  }

  addHeaders(headers: readonly string[]): readonly string[] {
    this.add(String(headers[1]).replace(/^\w+ /, ''));
    return headers;
  }

  addPem(pem: string): void {
    for (const line of pem.split('\n')) if (!line.startsWith('-') && line.length >= 16) this.add(line);
  }

  /** Those that a line has. */
  in(line: string): string[] {
    return [...this.#texts].filter(
      (text) => line.includes(text) || line.includes(JSON.stringify(text).slice(1, -1)),
    );
  }

  get size(): number {
    return this.#texts.size;
  }
}

function search(
  t: Test,
  secrets: Secrets,
  { logs }: Tagwarden,
  { lines, told }: { lines: number; told: RegExp[] },
): void {
  const texts = logs.map((line) => JSON.stringify(line));
  t.same(
    texts.filter((line) => secrets.in(line).length > 0),
    [],
    `none of ${secrets.size} secrets`,
  );
  t.ok(texts.length >= lines, `${texts.length} lines were looked through`);
  for (const pattern of told)
    t.ok(
      texts.some((line) => pattern.test(line)),
      `the log tells ${pattern.source}`,
    );
}

/** Everything that can be asked at the door, with whatever credentials. */
async function knock({ url }: Tagwarden, headers: readonly string[], repository = 'a'): Promise<void> {
  const at = `${url}/v2/${repository}`;
  await ask(`${url}/v2/`, { headers });
  await ask(`${url}/v2/?access_token=${encodeURIComponent(String(headers[1]))}`, { headers });
  await ask(`${at}/manifests/v1`, { headers });
  await ask(`${at}/blobs/uploads/?mount=${digest}&from=b`, { method: 'POST', headers });
  await ask(`${at}/blobs/uploads/u?_state=upload-state-secret`, { method: 'PATCH', headers, body: 'x' });
  await ask(`${at}/manifests/v1`, { method: 'PUT', headers, body: '{}' });
  await ask(`${at}/manifests/v1`, { method: 'DELETE', headers });
  await ask(`${at}/manifests/v1`, { headers: [...headers, ...headers] });
  await ask(`${url}/elsewhere?token=${encodeURIComponent(String(headers[1]))}`, { headers });
}

const answers: Script[] = [
  (_, res) => void res.writeHead(201).end(),
  (_, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end(),
  (_, res) =>
    void res.writeHead(302, { Location: 'http://storage.example/blob?X-Amz-Signature=storage-secret' }).end(),
  (req) => void req.socket.destroy(),
];

t.test('builtin: passwords, tokens, refresh tokens, the key that signs and the hashes', async (t) => {
  const secrets = new Secrets();
  for (const password of Object.values(passwords)) secrets.add(password);
  for (const text of ['upload-state-secret', 'storage-secret']) secrets.add(text);
  const scene = await openBuiltin(t, immutable);
  const { tagwarden, upstream, get, post, keyFile, usersFile } = scene;
  secrets.addPem(readFileSync(keyFile, 'utf8'));
  const hashes = readFileSync(usersFile, 'utf8').match(/\$2b\S+/g) ?? [];
  for (const hash of hashes) secrets.add(hash);
  secrets.addHeaders(dev);
  const scope = 'scope=repository:a:pull,push&scope=repository:a:delete';
  const { access_token: token, refresh_token: refresh = '' } = tokenOf(
    await get(`service=${service}&offline_token=true&${scope}`, dev),
  );
  secrets.add(token);
  secrets.add(refresh);
  for (const script of answers) {
    upstream.script = script;
    await knock(tagwarden, bearer(token));
  }
  await knock(tagwarden, dev);
  await knock(tagwarden, bearer(refresh));
  await knock(tagwarden, bearer(secrets.add(`${token}tampered-with-secret`)));

  const wrong = secrets.add('a-wrong-password');
  const form = { service, grant_type: 'password', username: 'dev', password: wrong };
  await post(form);
  await post({ ...form, grant_type: secrets.add('a-grant-that-is-a-secret') });
  await post({ service, grant_type: 'refresh_token', refresh_token: refresh });
  await post({ service, grant_type: 'refresh_token', refresh_token: secrets.add(`${refresh}x`) });
  await get(`service=${service}`, secrets.addHeaders(basic('dev', wrong)));
  await get(`service=${service}`, ['Authorization', `Basic ${secrets.add('no-base64-but-a-secret***')}`]);
  await get(`service=${secrets.add('a-password-in-the-wrong-place')}`, dev);
  await get(`service=${service}&password=${wrong}&scope=${wrong}`, dev);
  const url = `${tagwarden.url}/jwt/auth`;
  await ask(url, {
    method: 'POST',
    headers: ['Content-Type', 'application/json'],
    body: `{"password":"${wrong}`,
  });
  await askForm(url, { ...form, scope: 'x'.repeat(70_000) });
  writeFileSync(usersFile, `dev:${secrets.add('a-plain-password')}\n${secrets.add('a-line-of-a-secret')}`);
  await get(`service=${service}`, dev);
  writeUsers(scene, passwords);
  for (let at = 0; at < 12; at += 1)
    await get(`service=${service}`, secrets.addHeaders(basic('dev', `${wrong}${at}`)));
  const told = [/"caller":"dev"/, /wrong user name or password/, /TOOMANYREQUESTS/, /users file refused/];
  search(t, secrets, tagwarden, { lines: 60, told });
});

t.test('token: good, forged and malformed ones, and the addresses of keys', async (t) => {
  const secrets = new Secrets();
  const root = await certify({ name: 'root' });
  const issuer = await startIssuer(t);
  const upstream = await startUpstream(t, answers[0]);
  const config = tokenConfig(issuer).replace(
    issuer.jwksUrl,
    `${issuer.jwksUrl}?token=${secrets.add('query-secret')}`,
  );
  const bad = await startTagwarden(t, { upstream: upstream.url, rules: immutable, config });
  const good = await startTagwarden(t, {
    upstream: upstream.url,
    rules: immutable,
    config: tokenConfig(issuer),
  });
  const access = [on('a', 'pull,push,delete')];
  const now = Math.floor(Date.now() / 1000);
  const key = newKey('RS256');
  const tokens = [
    issuer.sign({ access }),
    issuer.sign({ access: [on('a', '*', { tag_immutable_patterns: ['('] })] }),
    issuer.sign({ access, claims: { exp: now - 100 } }),
    issuer.sign({ access, claims: { aud: 'other' } }),
    issuer.sign({ access, claims: { exp: 'soon' } }),
    issuer.sign({ access, key, header: { jwk: { ...key.privateKey.export({ format: 'jwk' }) } } }),
    issuer.sign({ access, key: root.key, header: { x5c: [root.base64] } }),
    issuer.sign({ payload: '{"password":"inside-of-a-payload' }),
    `${encode({ alg: 'none' })}.${encode({ sub: 'a-subject-of-a-forged-token' })}.`,
    `${encode('{"alg":"RS256", "inside-of-a-header"')}.${encode('x')}.${encode('y')}`,
    'an-opaque-token-that-is-a-secret',
  ];
  for (const text of ['inside-of-a-payload', 'inside-of-a-header', 'a-subject-of-a-forged-token'])
    secrets.add(text);
  for (const token of tokens) await knock(good, bearer(secrets.add(token)));
  await knock(good, ['Authorization', `Bearer ${secrets.add('a secret with blanks')}`]);
  await knock(good, secrets.addHeaders(basic('dev', 'a-password-at-the-door')));
  for (const script of answers) {
    upstream.script = script;
    await knock(good, bearer(tokens[0] ?? ''));
  }
  await knock(bad, bearer(tokens[0] ?? ''));
  search(t, secrets, good, {
    lines: 100,
    told: [/"caller":"dev"/, /signed with a key that is not trusted/, /exp.. claim/],
  });
  search(t, secrets, bad, { lines: 5, told: [/keys could not be read/] });
});

t.test('token: an endpoint of keys that answers private ones, or with what is no key at all', async (t) => {
  const secrets = new Secrets();
  const key = newKey('ES256');
  const { d } = key.privateKey.export({ format: 'jwk' });
  secrets.add(String(d));
  for (const text of ['session-of-an-operator', 'shared-secret-of-a-hmac']) secrets.add(text);
  const hmac = { kty: 'oct', k: 'shared-secret-of-a-hmac', kid: 'h' };
  const upstream = await startUpstream(t);
  for (const body of [
    '<html>session-of-an-operator',
    'session-of-an-operator',
    JSON.stringify({ keys: [hmac] }),
    JSON.stringify({ keys: [{ ...jwkOf(key), d, x: 'session-of-an-operator' }] }),
    JSON.stringify({ keys: 'session-of-an-operator' }),
  ]) {
    const issuer = await startIssuer(t);
    issuer.answer = (res) => void res.end(body);
    const tagwarden = await startTagwarden(t, {
      upstream: upstream.url,
      rules: rulesElsewhere,
      config: tokenConfig(issuer),
    });
    await knock(tagwarden, bearer(secrets.add(issuer.sign({ key }))));
    search(t, secrets, tagwarden, { lines: 5, told: [/keys could not be read/] });
  }
  for (const answer of [fail, hang]) {
    const issuer = await startIssuer(t);
    issuer.answer = answer;
    const tagwarden = await startTagwarden(t, {
      upstream: upstream.url,
      rules: rulesElsewhere,
      config: tokenConfig(issuer),
    });
    await knock(tagwarden, bearer(secrets.add(issuer.sign())));
    search(t, secrets, tagwarden, { lines: 5, told: [/keys could not be read/] });
  }
});

t.test('upstream and anonymous: whatever goes through, and our own account', async (t) => {
  const secrets = new Secrets();
  const own = secrets.add('password-of-our-own');
  const file = join(t.testdir({ password: own }), 'password');
  secrets.addHeaders(basic('tagwarden', own));
  for (const text of ['upload-state-secret', 'storage-secret']) secrets.add(text);
  const flags = ['--upstream-username', 'tagwarden', '--upstream-password-file', file];
  for (const mode of ['anonymous', 'upstream\n  trust_basic_username: true']) {
    const upstream = await startUpstream(t, (_, res) => void res.writeHead(401).end());
    const config = `auth:\n  mode: ${mode}\n`;
    const tagwarden = await startTagwarden(t, { upstream: upstream.url, rules: immutable, config, flags });
    const token = secrets.add(signGitlab(newKey(), Date.now(), { access: [on('a', '*')] }));
    const credentials = [
      ...[
        bearer(token),
        bearer(secrets.add('an-opaque-token-for-upstream')),
        secrets.addHeaders(basic('dev', 'pw-for-upstream')),
      ],
      ...[
        ['Authorization', `Bearer\t${token}`],
        ['Authorization', `Negotiate ${secrets.add('negotiated-secret-text')}`],
      ],
    ];
    for (const headers of credentials) {
      await ask(`${tagwarden.url}/v2/a/manifests/locked`, { method: 'PUT', headers, body: '{}' });
    }
    for (const script of [
      ...answers,
      (_: unknown, res: Parameters<Script>[1]) => void res.writeHead(403).end(),
    ]) {
      upstream.script = script;
      for (const headers of credentials)
        await knock(tagwarden, [...headers, 'Cookie', `s=${secrets.add('session-cookie-secret')}`]);
    }
    search(t, secrets, tagwarden, {
      lines: 100,
      told: [mode === 'anonymous' ? /"failed"/ : /"caller":"dev"/],
    });
  }
});
