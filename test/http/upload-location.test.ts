import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { digestOf, incompressible } from '../fixtures/image.ts';
import { startRedis } from '../fixtures/redis.ts';
import { rulesElsewhere, startTagwarden } from '../fixtures/tagwarden.ts';
import { startUploadRegistry, type Locate, type UploadRegistry } from '../fixtures/upload-registry.ts';

const repository = 'team/app';
const uploads = `/v2/${repository}/blobs/uploads/`;
const sealed = /^\/v2\/team\/app\/blobs\/uploads\/sealed\.[\w-]+$/;
const chunks = [incompressible(3000).subarray(0, 1000), incompressible(3000).subarray(1000)];
const blob = incompressible(3000);
const digest = digestOf(blob);
const longState = Array.from({ length: 60 }, (_, at) => `X-Amz-${at}=a%2Fb+c~d!e%7e;${at}`).join('&');

/** What the client is told, without its origin: `plain` is as the upstream wrote it. */
const shapes: [registry: string, locate: Locate, told: 'plain' | 'sealed', isAbsolute: boolean][] = [
  ['zot', ({ repository, id }) => `/v2/${repository}/blobs/uploads/${id}`, 'plain', false],
  ['Quay', ({ host, id }) => `http://${host}${uploads}${id}`, 'plain', true],
  ['Harbor', ({ origin, id }) => `${origin}${uploads}${id}?_state=a-b_${id}%3D%3D`, 'plain', true],
  ['relative to the request', ({ id }) => id, 'plain', false],
  ['GHCR', ({ repository, id }) => `/v2/${repository}/blobs/upload/${id}`, 'sealed', false],
  ['relative, upwards', ({ id }) => `../upload/./x/../${id}`, 'sealed', false],
  [
    'Google',
    ({ origin, id }) => `${origin}/artifacts-uploads/namespaces/p/repositories/r/uploads/AF%2F${id}%3D`,
    'sealed',
    true,
  ],
  ['ECR', ({ host, id }) => `https://${host}${uploads}${id}?${longState}`, 'sealed', true],
  ['Nexus', ({ host, id }) => `//${host}/repository/hosted/v2/app/blobs/uploads/${id}`, 'sealed', true],
  [
    'Artifactory',
    ({ origin, id }) => `${origin}/artifactory/api/docker/local/v2/team/app/blobs/uploads/${id}?key`,
    'sealed',
    true,
  ],
  ['a name like ours', ({ id }) => `${uploads}sealed.${id}`, 'sealed', false],
];

/** Uploads as a client does that knows nothing of registries but the spec. */
class Client {
  readonly #url: string;
  readonly locations: string[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async send(method: string, body?: Buffer, added = ''): Promise<Answer> {
    const at = this.locations.at(-1) ?? uploads;
    const target = added === '' ? at : `${at}${at.includes('?') ? '&' : '?'}${added}`;
    const answer = await ask(this.#url + target, { method, ...(body && { body }) });
    const location = headerOf(answer, 'location');
    if (location !== undefined) {
      const { origin, pathname, search } = new URL(location, this.#url + at);
      if (origin !== this.#url) throw new Error(`${location} leads away`);
      this.locations.push(pathname + search);
    }
    return answer;
  }
}

for (const [registry, locate, told, isAbsolute] of shapes) {
  t.test(`an upload goes on at an address of ${registry}'s form, ${told}`, async (t) => {
    const upstream = await startUploadRegistry(t, locate);
    const { url } = await startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere });
    const client = new Client(url);
    const started = await client.send('POST');
    t.equal(started.status, 202, refusalOf(started));
    t.equal(/^http:/.test(headerOf(started, 'location') ?? ''), isAbsolute);
    for (const chunk of chunks) t.equal((await client.send('PATCH', chunk)).status, 202);
    const status = await client.send('GET');
    t.same([status.status, headerOf(status, 'range')], [204, '0-2999']);
    for (const location of client.locations) {
      if (told === 'sealed') t.match(location, sealed);
      else
        t.match(
          upstream.requests.map(({ target }) => target),
          [uploads, ...client.locations.slice(0, -1)],
        );
    }
    const finished = await client.send('PUT', undefined, `digest=${encodeURIComponent(digest)}`);
    t.equal(finished.status, 201, refusalOf(finished));
    t.equal(headerOf(finished, 'location'), `/v2/stored/blobs/${digest}`, "the blob's address is not sealed");
    t.ok(upstream.blobs.get(digest)?.equals(blob));

    const cancelled = new Client(url);
    await cancelled.send('POST');
    t.equal((await cancelled.send('DELETE')).status, 204);
    const gone = await cancelled.send('GET');
    t.match(refusalOf(gone), /^404 BLOB_UPLOAD_UNKNOWN/);
  });
}

t.test('what is on another host is left alone', async (t) => {
  const upstream = await startUploadRegistry(t, () => '');
  const { url } = await startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere });
  const elsewhere = [
    'https://storage.example/bucket/o?X-Amz-Signature=%2F',
    'https://storage.example/v2/bucket/o?uploadId=1~2',
    'http://127.0.0.1:1/upload/x',
    'urn:upload:1',
  ];
  for (const location of elsewhere) {
    upstream.script = (_, res) => void res.writeHead(202, { Location: location }).end();
    t.equal(headerOf(await ask(url + uploads, { method: 'POST' }), 'location'), location);
  }
  // A name of the upstream's that we do not know.
  const own = `http://registry.internal/v2/${repository}/blobs/upload/x`;
  upstream.script = (_, res) => void res.writeHead(202, { Location: own }).end();
  const brought = headerOf(await ask(url + uploads, { method: 'POST' }), 'location') ?? '';
  t.match(new URL(brought).pathname, sealed);
  t.equal(new URL(brought).origin, url);
});

/** What a PUT would do at the upstream that nobody judged. */
const detours = [
  '/v2/prod/app/manifests/latest',
  `/v2/${repository}/manifests/latest`,
  `/v2/${repository}/manifests/latest?x=%7e`,
  `/v2/${repository}/%6danifests/latest`,
  `/v2/${repository}/%256danifests/latest`,
  `/v2/${repository}/blobs/uploads/..%2f..%2fmanifests/latest`,
  `/v2/${repository}/blobs/uploads/%2e%2e/%2e%2e/manifests/latest`,
  `/v2/${repository}/Manifests;x/latest`,
  '/.//v2/prod/app/manifests/latest',
  `/v2/${repository}/blobs/${digest}`,
  `/v2/${repository}/tags/reference/v1`,
  `/v2/prod/app/blobs/upload/x`,
  `/v2/prod/app/blobs/uploads/x?y=%7e`,
  `/v2/${repository}/b/blobs/uploads/x?y=%7e`,
  `/v2/team/blobs/upload/x`,
  `/mirror/v2/prod/app/manifests/latest`,
  `/mirror/V2/prod/app/blobs/uploads/x`,
  '/gitlab/v1/repositories/team/app/',
  '/api/v2.0/projects/1',
  '/ui/account',
  `${uploads}x y`,
  `${uploads}x\\..\\manifests`,
  `${uploads}x?y=%7e${'x'.repeat(9000)}`,
  uploads,
  '/v2/',
  '',
];

t.test('an address that is no upload of the repository is refused, and nothing is sent there', async (t) => {
  const upstream = await startUploadRegistry(t, () => '');
  const { url } = await startTagwarden(t, {
    upstream: upstream.url,
    rules: rulesElsewhere,
    flags: ['--passthrough', '/ui'],
  });
  for (const detour of detours) {
    for (const location of [
      detour,
      ...(detour.startsWith('/') ? [upstream.url + detour, url + detour] : []),
    ]) {
      upstream.script = (_, res) => void res.writeHead(202, { Location: location }).end();
      const answer = await ask(url + uploads, { method: 'POST' });
      t.match(refusalOf(answer), /^502 UNAVAILABLE: the upstream gave an address/, location.slice(0, 120));
      t.equal(headerOf(answer, 'location'), undefined);
    }
  }
  // Of distribution's form it names what it is: whoever goes there is judged there.
  upstream.script = (_, res) => void res.writeHead(202, { Location: '/v2/prod/app/blobs/uploads/u' }).end();
  t.equal(headerOf(await ask(url + uploads, { method: 'POST' }), 'location'), '/v2/prod/app/blobs/uploads/u');
});

const frozen = `repository_rules:
  - { id: frozen, repository_path_pattern: '*', minimum_access_level_for_push: no_access }
`;
const ghcr: Locate = ({ repository, id }) => `/v2/${repository}/blobs/upload/${id}?a=1&Digest=`;

async function startSealed(
  t: Test,
  locate = ghcr,
): Promise<{ upstream: UploadRegistry; url: string; rulesFile: string }> {
  const upstream = await startUploadRegistry(t, locate);
  const tagwarden = await startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere });
  return { upstream, ...tagwarden };
}

t.test('every request at a sealed address is judged as an upload', async (t) => {
  const { upstream, url, rulesFile } = await startSealed(t);
  const client = new Client(url);
  await client.send('POST');
  writeFileSync(rulesFile, frozen);
  const refusal = async (): Promise<string> => refusalOf(await client.send('PATCH', chunks[0]));
  await eventually('it is refused', async () =>
    (await refusal()).startsWith('403 DENIED: container protected'),
  );
  const before = upstream.requests.length;
  for (const method of ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'])
    t.equal((await client.send(method, method === 'GET' ? undefined : chunks[1])).status, 403, method);
  t.equal(upstream.requests.length, before, 'nothing of it went upstream');
});

t.test('nobody else can name an upload', async (t) => {
  const { upstream, url } = await startSealed(t);
  const client = new Client(url);
  await client.send('POST');
  const location = client.locations[0] ?? '';
  const name = location.slice(uploads.length);
  const flipped = name.at(-9) === 'A' ? 'B' : 'A';
  const forged = [
    `${uploads}${name.slice(0, -9)}${flipped}${name.slice(-8)}`,
    `${uploads}${name}=`,
    `${uploads}${name.replace('sealed.', 'sealed.=')}`,
    `${uploads}${name.slice(0, -1)}`,
    `${uploads}sealed.`,
    `${uploads}sealed.${Buffer.from('/v2/prod/app/manifests/latest').toString('base64url')}`,
    `/v2/team/blobs/uploads/${name}`,
    `/v2/prod/app/blobs/uploads/${name}`,
    `/v2/${repository}/x/blobs/uploads/${name}`,
  ];
  const before = upstream.requests.length;
  for (const target of forged) {
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const answer = await ask(url + target, {
        method,
        ...(method !== 'GET' && { body: chunks[0] ?? blob }),
      });
      t.match(refusalOf(answer), /^404 BLOB_UPLOAD_UNKNOWN/, `${method} ${target}`);
    }
  }
  t.equal((await ask(url + location, { method: 'POST' })).status, 405);
  t.equal(upstream.requests.length, before, 'nothing of it went upstream');
});

t.test("a client adds the digest, and nothing else, behind the upstream's own words", async (t) => {
  const { upstream, url } = await startSealed(t, ({ id }) => `/files/${id}?_state=a%2fb&a=1&`);
  const client = new Client(url);
  await client.send('POST');
  const sent = upstream.requests;
  const own = '/files/00000001?_state=a%2fb&a=1&';
  await client.send('PUT', undefined, `_state=mine&a=2&digest=${digest}&tag=latest&A=3&_method=DELETE`);
  t.equal(sent.at(-1)?.target, `${own}digest=${encodeURIComponent(digest)}`);
  const other = digestOf(Buffer.from('other'));
  t.match(
    refusalOf(await client.send('PUT', undefined, `digest=${digest}&digest=${other}`)),
    /^400 NAME_INVALID/,
  );

  // An upstream that has the digest in its address already.
  upstream.locate = ({ id }) => `/files/${id}?Digest=${digest}`;
  const again = new Client(url);
  await again.send('POST');
  t.match(
    refusalOf(await again.send('PUT', undefined, `digest=${other}`)),
    /^400 NAME_INVALID: this upload is of another/,
  );
  await again.send('PUT', undefined, `digest=${digest}`);
  t.equal(sent.at(-1)?.target, `/files/00000002?Digest=${digest}`);
});

t.test('uploads outlive a restart, where the key is in a file', async (t) => {
  const upstream = await startUploadRegistry(t, ghcr);
  const flags = ['--uploads-seal-key-file', join(t.testdir(), 'state/uploads.key')];
  const start = (): ReturnType<typeof startTagwarden> =>
    startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere, flags });
  const [one, two] = [await start(), await start()];
  const stranger = await startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere });
  const client = new Client(one.url);
  await client.send('POST');
  await one.app.close();
  const location = client.locations[0] ?? '';
  t.equal((await ask(two.url + location)).status, 204);
  t.match(refusalOf(await ask(stranger.url + location)), /^404 BLOB_UPLOAD_UNKNOWN/, 'with another key');
});

t.test('an upload goes on through another replica, also after Redis has lost its data', async (t) => {
  const upstream = await startUploadRegistry(t, ghcr);
  const redis = await startRedis(t);
  const flags = ['--redis', redis.url, '--rules-publish', 'true'];
  const start = (): ReturnType<typeof startTagwarden> =>
    startTagwarden(t, { upstream: upstream.url, rules: rulesElsewhere, flags });
  const [one, two] = await Promise.all([start(), start()]);
  const client = new Client(one.url);
  await client.send('POST');
  const through = async (url: string): Promise<number> => {
    const answer = await ask(url + (client.locations.at(-1) ?? ''));
    const location = headerOf(answer, 'location');
    if (location !== undefined) client.locations.push(location);
    return answer.status;
  };
  for (const { url } of [two, one, two]) t.equal(await through(url), 204);
  await redis.restart({ withData: false });
  for (const { url } of [one, two]) t.equal(await through(url), 204, 'what is known stays known');
  const three = await start();
  await eventually('a new replica knows it', async () => (await through(three.url)) === 204, 10_000);
  for (const { url } of [one, two, three]) t.equal(await through(url), 204);
  // One more, where the third was there before the others had given back what they know.
  t.match(await redis.cli('LLEN', '{tagwarden}:seal-keys'), /^[12]$/);
  t.equal(await redis.cli('TTL', '{tagwarden}:seal-keys'), '-1');
});
