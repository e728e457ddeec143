import t, { type Test } from 'tap';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { inChunks } from '../fixtures/front.ts';
import { digestOf, imageOf, pushImage, putManifest, storedManifest } from '../fixtures/image.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const rules = `tag_rules:
  - id: releases
    tag_name_pattern: ^v
    immutable: true
`;
const repository = 'team/app';
const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const limit = 4 * 2 ** 20;
const first = imageOf('first');
const second = imageOf('second');

async function start(t: Test): Promise<{ direct: string; url: string; put: typeof put }> {
  const registry = await startRegistry(t);
  const { url } = await startTagwarden(t, { upstream: registry.url, rules });
  await pushImage(url, repository, 'v1.0', first);
  await pushImage(url, repository, 'latest', first);
  return { direct: registry.url, url, put };
}

function put(
  url: string,
  reference: string,
  body: Buffer | AsyncIterable<Buffer>,
  type = ociManifest,
): Promise<Answer> {
  const headers = ['Content-Type', type];
  return ask(`${url}/v2/${repository}/manifests/${reference}`, { method: 'PUT', headers, body });
}

/** A manifest that is right but for being so long. */
function padded(length: number): Buffer {
  const text = first.bytes.toString();
  const start = `${text.slice(0, -1)},"annotations":{"a":"`;
  return Buffer.from(`${start}${'x'.repeat(length - start.length - 3)}"}}`);
}

async function isUnchanged(t: Test, direct: string, what: string): Promise<void> {
  for (const tag of ['v1.0', 'latest']) {
    const stored = await storedManifest(direct, repository, tag);
    t.ok(stored.bytes.equals(first.bytes), `${what}: ${tag} is what it was`);
  }
  const { body } = await ask(`${direct}/v2/${repository}/tags/list`);
  t.same(
    JSON.parse(body.toString()),
    { name: repository, tags: ['latest', 'v1.0'] },
    `${what}: no tag was made`,
  );
}

t.test('a manifest of more than 4 MiB is refused, and one of just 4 MiB is not', async (t) => {
  const { direct, url } = await start(t);
  for (const reference of ['v1.0', 'v2.0', 'latest', 'new', first.descriptor.digest]) {
    for (const length of [limit + 1, 3 * limit]) {
      for (const body of [padded(length), inChunks(padded(length), [60_000])]) {
        const answer = await put(url, reference, body);
        t.equal(refusalOf(answer), `413 SIZE_INVALID: a manifest has at most ${limit} bytes`, reference);
        t.equal(headerOf(answer, 'connection'), 'close');
      }
    }
  }
  await isUnchanged(t, direct, '413');
  const bytes = padded(limit);
  t.equal(bytes.length, limit);
  for (const [tag, body] of [
    ['v2.0', bytes],
    ['new', inChunks(bytes, [60_000, 1])],
  ] as const) {
    const pushed = await put(url, tag, body);
    t.equal(pushed.status, 201, 'fixed and chunked');
    t.equal((await storedManifest(direct, repository, tag)).digest, digestOf(bytes));
  }
});

const bad: Record<string, { body: Buffer; type?: string }> = {
  'an empty body': { body: Buffer.alloc(0) },
  'no JSON': { body: Buffer.from('this is no manifest') },
  'half of a manifest': { body: first.bytes.subarray(0, first.bytes.length / 2) },
  'no UTF-8': { body: Buffer.from([0xff, 0xfe, 0x00]) },
  'JSON of another kind': { body: Buffer.from('{}') },
  null: { body: Buffer.from('null') },
  'a list': { body: Buffer.from('[]') },
  'a manifest with something behind it': { body: Buffer.concat([first.bytes, Buffer.from('{}')]) },
  'an unknown type': { body: first.bytes, type: 'application/x-unknown' },
  'a type that is not its own': { body: first.bytes, type: 'application/vnd.oci.image.index.v1+json' },
  'a form': { body: first.bytes, type: 'application/x-www-form-urlencoded' },
  'a type that is none': { body: first.bytes, type: 'a/b/c; =' },
  'blobs that are not there': { body: second.bytes },
};

t.test('what is no manifest gets the registry’s own answer, and changes nothing', async (t) => {
  const { direct, url } = await start(t);
  const absent = digestOf(Buffer.from('absent'));
  for (const [place, [what, { body, type }]] of Object.entries(bad).entries()) {
    // A tag of its own: distribution answers 500 to some of this, which leaves the outcome, and so the claim, open.
    for (const reference of [`v2.${place}`, 'new', absent]) {
      const [through, directly] = [
        await put(url, reference, body, type),
        await put(direct, reference, body, type),
      ];
      t.same(
        [through.status, through.body.toString(), headerOf(through, 'content-type')],
        [directly.status, directly.body.toString(), headerOf(directly, 'content-type')],
        `${what}, as ${reference.slice(0, 10)}: ${refusalOf(directly).slice(0, 60)}`,
      );
      t.ok(through.status >= 400, 'it is an error');
    }
    const denied = await put(url, 'v1.0', body, type);
    if (!body.equals(first.bytes)) t.match(refusalOf(denied), /^403 DENIED: tag is immutable; /, what);
    await isUnchanged(t, direct, what);
  }
  await pushImage(url, repository, 'v2.0', second);
  t.equal(
    (await storedManifest(direct, repository, 'v2.0')).digest,
    second.descriptor.digest,
    'no claim is in the way',
  );
});

t.test('a digest that does not match its manifest', async (t) => {
  const { direct, url } = await start(t);
  await pushImage(direct, 'elsewhere', 'x', second);
  const others = ['md5:d41d8cd98f00b204e9800998ecf8427e', `sha512:${'0'.repeat(128)}`];
  for (const reference of [second.descriptor.digest, ...others]) {
    const through = refusalOf(await put(url, reference, first.bytes));
    t.equal(through, refusalOf(await put(direct, reference, first.bytes)), reference);
    t.match(through, /^(?:400 DIGEST_INVALID|500 UNKNOWN): /);
    await isUnchanged(t, direct, reference);
  }
  // The registry answers 500 to these.
  for (const reference of [
    second.descriptor.digest.toUpperCase().replace('SHA256', 'sha256'),
    'sha256:abc',
  ]) {
    t.match(refusalOf(await put(url, reference, first.bytes)), /^400 NAME_INVALID: invalid tag or digest /);
    await isUnchanged(t, direct, reference);
  }
  const withTag = await put(url, `${second.descriptor.digest}?tag=v1.0`, first.bytes);
  t.ok(withTag.status >= 400, `with a tag: ${refusalOf(withTag)}`);
  await isUnchanged(t, direct, 'with a tag');
  t.equal(
    (await putManifest(url, repository, first.descriptor.digest, first)).status,
    201,
    'one that does is taken',
  );
});
