import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { wallClock } from '../../src/adapters/clock.ts';
import { TokenIssuer } from '../../src/adapters/token/issuer.ts';
import { openSigningKey } from '../../src/adapters/token/signing-key.ts';
import { parseScopes } from '../../src/core/access.ts';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { imageOf, type Image } from '../fixtures/image.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { distribution2, startRegistry } from '../fixtures/registry.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { readScan, runScan } from '../fixtures/scan.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';
import { startUpstream } from '../fixtures/upstream.ts';

const service = 'registry.example';
const rightPassword = 'only-tagwarden-knows';
const repository = 'team/app';

interface Scene {
  readonly registry: string;
  /** `upstream.username` and its password. */
  readonly config: string;
  /** The scopes that our own account has asked for. */
  readonly asked: readonly string[];
  readonly tokenFor: (...scopes: readonly string[]) => Promise<string>;
}

/** distribution with `auth.token`, and a token server that gives our own account what it asks for. */
async function open(t: Test, password = rightPassword): Promise<Scene> {
  const directory = temporaryDirectory(t);
  const signingKeyFile = join(directory, 'signing.key');
  const key = await openSigningKey(signingKeyFile);
  const issuer = new TokenIssuer(key, { issuer: 'somebody', service, lifetimeSeconds: 300 }, wallClock);
  const asked: string[] = [];
  const tokenFor: Scene['tokenFor'] = async (...scopes) =>
    (await issuer.issue('somebody', parseScopes(scopes))).token;
  const realm = await startUpstream(t, async (req, res) => {
    const { searchParams } = new URL(req.url ?? '', 'http://realm');
    const scope = searchParams.get('scope') ?? '';
    const basic = Buffer.from(`tagwarden:${rightPassword}`).toString('base64');
    if (req.headers.authorization !== `Basic ${basic}` || searchParams.get('service') !== service) {
      res.writeHead(401).end();
      return;
    }
    asked.push(scope);
    res.end(JSON.stringify({ token: await tokenFor(scope), expires_in: 300 }));
  });
  const settings = { realm: `${realm.url}/token`, service, issuer: 'somebody' };
  const auth = { token: { ...settings, ...distribution2.trust(signingKeyFile) } };
  const registry = await startRegistry(t, distribution2, auth);
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, password);
  const config = `upstream: { username: tagwarden, password_file: ${passwordFile} }\n`;
  return { registry: registry.url, config, asked, tokenFor };
}

/** To distribution, who pushes must be allowed to pull too, but not who deletes. */
async function push(url: string, token: string, tag: string, image: Image): Promise<Answer> {
  const headers = ['Authorization', `Bearer ${token}`];
  for (const { descriptor, bytes } of image.blobs) {
    const started = await ask(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers });
    const session = headerOf(started, 'location') ?? '';
    const digest = encodeURIComponent(descriptor.digest);
    const stored = await ask(`${session}&digest=${digest}`, { method: 'PUT', headers, body: bytes });
    if (stored.status !== 201) throw new Error(refusalOf(stored));
  }
  return ask(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: [...headers, 'Content-Type', image.descriptor.mediaType],
    body: image.bytes,
  });
}

function remove(url: string, token: string, image: Image): Promise<Answer> {
  const headers = ['Authorization', `Bearer ${token}`];
  return ask(`${url}/v2/${repository}/manifests/${image.descriptor.digest}`, { method: 'DELETE', headers });
}

const [released, other] = [imageOf('released'), imageOf('another')];

/** Two tags, of which one is immutable. */
async function openPushed(
  t: Test,
  password?: string,
): Promise<Scene & { url: string; logs: readonly object[] }> {
  const scene = await open(t, password);
  const config = password === undefined ? {} : { config: scene.config };
  const tagwarden = await startTagwarden(t, { upstream: scene.registry, rules: immutable('^v'), ...config });
  const pusher = await scene.tokenFor(`repository:${repository}:pull,push`);
  for (const [tag, image] of [
    ['v1', released],
    ['latest', other],
  ] as const)
    t.equal((await push(tagwarden.url, pusher, tag, image)).status, 201);
  t.match(refusalOf(await push(tagwarden.url, pusher, 'v1', other)), /^403 DENIED: tag is immutable/);
  t.same(scene.asked, [], 'as the caller, who may pull');
  return { ...scene, url: tagwarden.url, logs: tagwarden.logs };
}

t.test('a registry that takes only tokens is asked with one of our own account', async (t) => {
  const { url, asked, tokenFor } = await openPushed(t, rightPassword);
  const deleter = await tokenFor(`repository:${repository}:delete`);
  t.match(
    refusalOf(await remove(url, deleter, released)),
    /^403 DENIED: manifest is needed by immutable tag team\/app:v1/,
  );
  t.equal((await remove(url, deleter, other)).status, 202);
  t.same(asked, [`repository:${repository}:pull`], 'one token for all look-ups');

  const unknown = await remove(url, 'none', released);
  t.equal(unknown.status, 401, 'a client without a good token is told where to get one');
  t.match(headerOf(unknown, 'www-authenticate'), /^Bearer realm="http:.*\/token",/);
  t.equal(asked.length, 1);
});

for (const [what, password] of [
  ['no', undefined],
  ['a wrong password for an', 'wrong'],
] as const) {
  t.test(`with ${what} account of our own a client is sent for a token that may pull`, async (t) => {
    const { url, asked, tokenFor, logs } = await openPushed(t, password);
    const refused = await remove(url, await tokenFor(`repository:${repository}:delete`), other);
    t.equal(refused.status, 401);
    t.match(
      headerOf(refused, 'www-authenticate'),
      /,scope="repository:team\/app:pull",error="insufficient_scope"$/,
    );
    const both = await tokenFor(`repository:${repository}:pull,delete`);
    t.equal((await remove(url, both, other)).status, 202);
    t.same(asked, []);
    const told = logs.filter((line) => 'msg' in line && line.msg === 'no look-up with our own account');
    t.match(told, password === undefined ? [] : [{ cause: /answered 401$/ }]);
  });
}

t.test('scan reads such a registry too', async (t) => {
  const { registry, config, asked, tokenFor } = await open(t);
  await push(registry, await tokenFor(`repository:${repository}:pull,push`), 'v1', released);
  const { exitCode, out, err } = await runScan(t, {
    ...{ upstream: registry, rules: immutable('^v'), config, args: ['--json'] },
  });
  t.equal(exitCode, 0, err.text);
  t.match(readScan(out).repositories, [{ repository, tags: [{ tag: 'v1', immutable: [/./] }] }]);
  t.same(asked, ['registry:catalog:*', `repository:${repository}:pull`]);
});
