import t, { type Test } from 'tap';
import type { Content } from '../../config/oci-image.mjs';
import { ask, refusalOf, type Answer } from '../fixtures/ask.ts';
import { digestOf, imageOf, pushImage, pushParts, storedManifest, type Image } from '../fixtures/image.ts';
import { startRedis } from '../fixtures/redis.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const repository = 'team/app';
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';

interface Scene {
  /** The registry itself. */
  readonly direct: string;
  readonly doors: readonly string[];
  readonly image: Image;
  /** What every signature is made of: a config and a layer that are in the registry. */
  readonly parts: Image;
}

async function startScene(t: Test, rules: string, { replicas = 1 } = {}): Promise<Scene> {
  const registry = await startRegistry(t);
  const redis = replicas > 1 ? await startRedis(t) : undefined;
  const config = redis && `redis: { url: '${redis.url}' }\nrules: { publish: true }`;
  const doors: string[] = [];
  while (doors.length < replicas) {
    const options = { upstream: registry.url, rules, ...(config !== undefined && { config }) };
    doors.push((await startTagwarden(t, options)).url);
  }
  const image = imageOf('signed');
  const parts = imageOf('a signature');
  await pushParts(registry.url, repository, parts);
  t.equal((await pushImage(doors[0] ?? '', repository, 'v1', image)).status, 201);
  return { direct: registry.url, doors, image, parts };
}

const releases = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
`;

function tagOf({ descriptor }: Image, suffix = '.sig'): string {
  return descriptor.digest.replace(':', '-') + suffix;
}

/** As cosign writes it: a layer for each signature, which is in its annotations. */
function signatures({ parts }: Scene, names: readonly string[]): Content {
  const manifest = JSON.parse(parts.bytes.toString()) as { layers: readonly object[] };
  const [layer] = manifest.layers;
  const layers = names.map((name) => ({
    ...layer,
    annotations: { 'dev.cosignproject.cosign/signature': name },
  }));
  return content({ ...manifest, layers }, manifestType);
}

function content(document: object, mediaType: string): Content {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } };
}

function put(door: string, reference: string, { bytes, descriptor }: Content): Promise<Answer> {
  return ask(`${door}/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    headers: ['Content-Type', descriptor.mediaType],
    body: bytes,
  });
}

function remove(door: string, reference: string): Promise<Answer> {
  return ask(`${door}/v2/${repository}/manifests/${reference}`, { method: 'DELETE' });
}

t.test(
  'signatures of an immutable image may be added to, and never dropped, altered or deleted',
  async (t) => {
    const scene = await startScene(t, releases);
    const [door = ''] = scene.doors;
    const tag = tagOf(scene.image);
    t.equal((await put(door, tag, signatures(scene, ['ann']))).status, 201);
    const both = signatures(scene, ['bob', 'ann']);
    t.equal((await put(door, tag, both)).status, 201);
    t.equal((await put(door, tag, both)).status, 201, 'the same once more');
    for (const names of [[], ['bob'], ['ann'], ['bob', 'eve']]) {
      t.match(
        refusalOf(await put(door, tag, signatures(scene, names))),
        /^403 DENIED: what refers to an immutable image may grow and not shrink; .*it drops .*\(rule releases\)/,
      );
    }
    t.match(
      refusalOf(await remove(door, tag)),
      /^403 DENIED: tag sha256-\S+ belongs to immutable tag team\/app:v1/,
    );
    t.match(
      refusalOf(await remove(door, both.descriptor.digest)),
      /^403 DENIED: manifest belongs to immutable tag team\/app:v1/,
    );
    const aside = `${both.descriptor.digest}?tag=v2&tag=${tag}`;
    t.match(
      refusalOf(
        await put(
          door,
          `${signatures(scene, []).descriptor.digest}?tag=v2&tag=${tag}`,
          signatures(scene, []),
        ),
      ),
      /^403 DENIED: .*push it alone/,
      aside,
    );
    t.equal((await storedManifest(scene.direct, repository, tag)).digest, both.descriptor.digest);
  },
);

t.test('of an image that no rule protects signatures come and go', async (t) => {
  const scene = await startScene(t, releases);
  const [door = ''] = scene.doors;
  const other = imageOf('nobody needs it');
  await pushImage(door, repository, 'dev', other);
  const tag = tagOf(other);
  t.equal((await put(door, tag, signatures(scene, ['ann']))).status, 201);
  const empty = signatures(scene, []);
  t.equal((await put(door, tag, empty)).status, 201);
  t.equal((await remove(door, empty.descriptor.digest)).status, 202);
  t.match(
    (await remove(door, tag)).status,
    /40[045]/,
    'distribution 2.8 deletes no tags: its own answer passes',
  );
});

t.test('a rule may let signatures alone, or make them immutable too', async (t) => {
  const scene = await startScene(
    t,
    `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true, referrers: mutable }
`,
  );
  const [door = ''] = scene.doors;
  const tag = tagOf(scene.image);
  t.equal((await put(door, tag, signatures(scene, ['ann']))).status, 201);
  t.equal((await put(door, tag, signatures(scene, []))).status, 201);

  const fixed = await startScene(
    t,
    `tag_rules:
  - { id: all, tag_name_pattern: .*, immutable: true, referrers: immutable }
`,
  );
  const [fixedDoor = ''] = fixed.doors;
  t.equal((await put(fixedDoor, tag, signatures(fixed, ['ann']))).status, 201);
  t.match(
    refusalOf(await put(fixedDoor, tag, signatures(fixed, ['ann', 'bob']))),
    /^403 DENIED: tag is immutable/,
  );

  const byImage = await startScene(
    t,
    `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true, referrers: immutable }
`,
  );
  const [byImageDoor = ''] = byImage.doors;
  t.equal((await put(byImageDoor, tag, signatures(byImage, ['ann']))).status, 201);
  t.match(
    refusalOf(await put(byImageDoor, tag, signatures(byImage, ['ann', 'bob']))),
    /^403 DENIED: .*nothing may be added/,
  );
});

t.test('an index of referrers holds what refers to its image, and nothing else', async (t) => {
  const scene = await startScene(t, releases);
  const [door = ''] = scene.doors;
  const tag = tagOf(scene.image, '');
  const referrerOf = async (image: Image, name: string): Promise<Content> => {
    const manifest = JSON.parse(scene.parts.bytes.toString()) as object;
    const referrer = content({ ...manifest, subject: image.descriptor, annotations: { name } }, manifestType);
    t.equal((await put(door, referrer.descriptor.digest, referrer)).status, 201);
    return referrer;
  };
  const index = (...referrers: readonly Content[]): Content =>
    content(
      { schemaVersion: 2, mediaType: indexType, manifests: referrers.map(({ descriptor }) => descriptor) },
      indexType,
    );
  const one = await referrerOf(scene.image, 'one');
  const two = await referrerOf(scene.image, 'two');
  const foreign = await referrerOf(imageOf('another'), 'foreign');
  t.equal((await put(door, tag, index(one))).status, 201);
  t.equal((await put(door, tag, index(one, two))).status, 201);
  t.match(refusalOf(await put(door, tag, index(two))), /^403 DENIED: .*it drops/);
  t.match(
    refusalOf(await put(door, tag, index(one, two, foreign))),
    /^403 DENIED: .*alone, and sha256:\S+ does not/,
  );
  t.match(refusalOf(await put(door, tag, scene.image)), /^403 DENIED: .*is not an OCI index/);
  t.match(
    refusalOf(await remove(door, one.descriptor.digest)),
    /^403 DENIED: manifest belongs to immutable tag/,
  );
  t.equal((await remove(door, foreign.descriptor.digest)).status, 202);
});

t.test('eight who sign at the same time through two replicas: what was acknowledged stays', async (t) => {
  const scene = await startScene(t, releases, { replicas: 2 });
  const tag = tagOf(scene.image);
  const read = async (): Promise<readonly string[]> => {
    const answer = await ask(`${scene.direct}/v2/${repository}/manifests/${tag}`, {
      headers: ['Accept', manifestType],
    });
    if (answer.status === 404) return [];
    const { layers } = JSON.parse(answer.body.toString()) as {
      layers: { annotations: Record<string, string> }[];
    };
    return layers.map(({ annotations }) => annotations['dev.cosignproject.cosign/signature'] ?? '');
  };
  const told: string[] = [];
  const sign = async (signer: number): Promise<void> => {
    for (;;) {
      const answer = await put(
        scene.doors[signer % 2] ?? '',
        tag,
        signatures(scene, [...(await read()), `signer ${signer}`]),
      );
      if (answer.status === 201) return;
      told.push(refusalOf(answer));
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, signer) => sign(signer)));
  t.same(
    [...(await read())].sort(),
    Array.from({ length: 8 }, (_, signer) => `signer ${signer}`),
  );
  t.ok(
    told.every((refusal) => /^403 DENIED: .*it drops|^429 TOOMANY/.test(refusal)),
    told.join('\n'),
  );
  t.ok(told.length > 0, 'some met others');
});
