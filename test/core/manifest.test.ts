import { ok } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { digestsNamedIn, readNeeds, type ManifestNeeds } from '../../src/core/manifest.ts';
import { isDigest } from '../../src/core/reference.ts';

const digests = ['1', '2', '3', '4'].map((digit) => `sha256:${digit.repeat(64)}`);
const [config = '', layer = '', twice = '', annotation = ''] = digests;

t.test('a digest counts wherever it stands: parsers differ in what they read', (t) => {
  const document = `{
    "config": { "digest": "${config}" },
    "layers": [{ "digest": "${layer}", "DIGEST": "${twice}" }],
    "layers": [],
    "annotations": { "a \\" quote": "${annotation}" }
  }`;
  t.same([...digestsNamedIn(document)].sort(), digests);
  t.end();
});

t.test('escapes are read as a JSON parser reads them', (t) => {
  t.same(digestsNamedIn(`{"digest":"\\u0073ha256:${'1'.repeat(64)}"}`), [config]);
  t.same(digestsNamedIn(`{"digest":"\\xha256:${'1'.repeat(64)}"}`), []);
  t.end();
});

t.test('what is no digest is nothing that can be needed', (t) => {
  t.same(digestsNamedIn('{"digest":"sha256:1"} "'), []);
  t.same(digestsNamedIn('not json'), []);
  t.end();
});

t.test('a text that is all escapes takes time by its length', (t) => {
  const start = process.cpuUsage();
  t.same(digestsNamedIn(`"${config}"${'"\\x"'.repeat(2_000_000)}`), [config]);
  t.same(digestsNamedIn(`"${config}""${'\\"'.repeat(1_000_000)}`), [config]);
  t.ok(process.cpuUsage(start).user < 10_000_000, 'microseconds');
  t.end();
});

const image = 'application/vnd.oci.image.manifest.v1+json';
const imageLayer = 'application/vnd.oci.image.layer.v1.tar+gzip';
const manifestTypes = [
  image,
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
];
const blobTypes = [
  imageLayer,
  'application/vnd.docker.image.rootfs.diff.tar.gzip',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.buildkit.cacheconfig.v0',
];

/** Names for digests: `1` stands for `sha256:111…`, in what is written and in what is read. */
function digest(name: string): string {
  return `sha256:${name.repeat(64)}`;
}

function withDigests(text: string): string {
  return text.replace(/@([1-9])/g, (_, name: string) => digest(name));
}

/** As `child 12, blob 3, subject 4`. */
function words({ children, blobs, subjects }: ManifestNeeds): string {
  return Object.entries({ child: children, blob: blobs, subject: subjects })
    .filter(([, list]) => list.length > 0)
    .map(
      ([kind, list]) =>
        `${kind} ${list
          .map((it) => it.charAt(7))
          .sort()
          .join('')}`,
    )
    .join(', ');
}

function wordsFor(text: string): string {
  return words(readNeeds(withDigests(text)));
}

t.test('what each kind of manifest needs', (t) => {
  const table: [kind: string, text: string, needs: string][] = [
    [
      'image',
      `{"config":{"mediaType":"${blobTypes[3] ?? ''}","digest":"@1"},"layers":[{"digest":"@2"},{"mediaType":"x","digest":"@3"},{"digest":"@2"}]}`,
      'blob 123',
    ],
    ['artifact', '{"blobs":[{"digest":"@1"}],"subject":{"digest":"@2"}}', 'blob 1, subject 2'],
    ['schema 1', '{"fsLayers":[{"blobSum":"@1"},{"blobSum":"@2"}],"signatures":[{"x":"@3"}]}', 'blob 12'],
    [
      'index, of which some platforms may be absent',
      `{"manifests":[{"mediaType":"${image}","digest":"@1","platform":{"os":"linux"}},{"mediaType":"${image}","digest":"@2"}]}`,
      'child 12',
    ],
    [
      'cache index of BuildKit',
      `{"manifests":[{"mediaType":"${imageLayer}","digest":"@1"},{"mediaType":"application/vnd.buildkit.cacheconfig.v0","digest":"@2"}]}`,
      'blob 12',
    ],
    ['no object', '["@1",{"digest":"@2"}]', 'blob 2'],
    ['a digest and nothing else', '"@1"', ''],
    ['what is no digest', '{"digest":"sha256:1","config":{"digest":[1,null,{}]}}', ''],
  ];
  for (const [kind, text, needs] of table) t.equal(wordsFor(text), needs, kind);
  t.end();
});

t.test('what is listed is told by its type, and is both where that does not tell', (t) => {
  const listed = (members: string): string => wordsFor(`{"manifests":[{${members}"digest":"@1"}]}`);
  const typed = (type: string): string => `"mediaType":"${type}",`;
  for (const type of manifestTypes) t.equal(listed(typed(type)), 'child 1', type);
  for (const type of blobTypes) t.equal(listed(typed(type)), 'blob 1', type);
  const both = 'child 1, blob 1';
  t.equal(listed(''), both, 'no type');
  for (const type of ['', 'application/json', `${image};a=b`, image.toUpperCase(), 'image.layer.']) {
    t.equal(listed(typed(type)), both, type);
  }
  t.equal(listed('"mediaType":null,'), both);
  t.equal(listed(typed(image) + typed(imageLayer)), both, 'two types');
  t.equal(listed(typed(imageLayer) + typed(image)), both, 'two types, turned around');
  t.equal(listed(typed(imageLayer) + typed('x')), both, 'one of two is unknown');
  t.equal(listed(typed(image) + typed('x')), both, 'one of two is unknown');
  t.equal(listed(typed(imageLayer) + typed('a.image.rootfs.b')), 'blob 1', 'two types of blobs');
  t.equal(listed(typed(imageLayer) + '"MEDIATYPE":"x",'), both, 'in another case');
  t.equal(listed(`"MediaType":"${imageLayer}",`), both, 'no type for a reader that minds the case');
  t.equal(listed(`"MediaType":"${image}",`), both);
  t.equal(listed(`"\\u006dediaType":"${imageLayer}",`), 'blob 1', 'an escaped key is the key');
  t.end();
});

t.test('elsewhere it is a blob, and a manifest too where its type says so', (t) => {
  for (const type of manifestTypes) {
    t.equal(
      wordsFor(`{"manifests":[],"x":[{"digest":"@1","mediaType":"${type}"}]}`),
      'child 1, blob 1',
      type,
    );
  }
  const table: [place: string, text: string, needs: string][] = [
    ['below what is listed', '{"manifests":[{"x":{"digest":"@1"}}]}', 'blob 1'],
    ['in a list in the list', '{"manifests":[[{"digest":"@1"}]]}', 'blob 1'],
    ['in no list', '{"manifests":{"digest":"@1"}}', 'blob 1'],
    ['not at the top', '{"x":{"manifests":[{"digest":"@1"}]}}', 'blob 1'],
    ['of two types', `{"x":{"digest":"@1","mediaType":"${image}","mediaType":"x"}}`, 'child 1, blob 1'],
    ['at the top', `{"digest":"@1","mediaType":"${image}"}`, 'child 1, blob 1'],
    ['here a blob, there a manifest', `{"manifests":[{"digest":"@1","mediaType":"${image}"}],"config":{"digest":"@1"}}`, 'child 1, blob 1'], // prettier-ignore
  ];
  for (const [place, text, needs] of table) t.equal(wordsFor(text), needs, place);
  t.end();
});

t.test('keys in any case, escaped and twice', (t) => {
  const table: [text: string, needs: string][] = [
    ['{"layers":[{"digest":"@1"}],"LAYERS":[{"digest":"@2"}],"layers":[]}', 'blob 12'],
    ['{"config":{"digest":"@1","digest":"@2","DIGEST":"@3"}}', 'blob 123'],
    ['{"config":{"d\\u0069gest":"\\u0073ha256:' + '1'.repeat(64) + '"}}', 'blob 1'],
    ['{"fslayers":[{"BLOBSUM":"@1"}],"x":{"blob\u017fum":"@2","dige\u017ft":"@3"}}', 'blob 123'],
    ['{"x":{"d\u0131gest":"@1","d\u0130gest":"@2"}}', ''],
    [`{"MANIFE\u017fT\u017f":[{"mediaType":"${image}","digest":"@1"}]}`, 'child 1'],
    [
      `{"manifests":[{"mediaType":"${image}","digest":"@1"}],"Manifests":[{"mediaType":"${imageLayer}"}]}`,
      'child 1, blob 1',
    ],
    [
      `{"manifests":[{"mediaType":"${imageLayer}","digest":"@1"}],"manifests":[{"mediaType":"${image}"}]}`,
      'child 1, blob 1',
    ],
  ];
  for (const [text, needs] of table) t.equal(wordsFor(text), needs, encodeURI(text));
  t.end();
});

t.test('the subject is no need, and annotations name nothing', (t) => {
  const table: [text: string, needs: string][] = [
    [
      `{"subject":{"digest":"@1","mediaType":"${image}"},"\u017fUBJECT":[{"x":{"digest":"@2"}}]}`,
      'subject 12',
    ],
    ['{"subject":{"digest":"@1"},"subject":{"digest":"@2","annotations":{"digest":"@3"}}}', 'subject 12'],
    ['{"subject":{"digest":"@1"},"config":{"digest":"@1"}}', 'blob 1, subject 1'],
    ['{"config":{"subject":{"digest":"@1"}}}', 'blob 1'],
    ['{"annotations":{"digest":"@1","x":{"digest":"@2"}}}', ''],
    ['{"manifests":[{"digest":"@1","Annotations":{"digest":"@2"}}]}', 'child 1, blob 1'],
    ['{"annotations":[{"digest":"@1"}]}', 'blob 1'],
  ];
  for (const [text, needs] of table) t.equal(wordsFor(text), needs, encodeURI(text));
  t.end();
});

t.test('what is no JSON to us may be to another reader: all that it names counts', (t) => {
  const deep = '{"a":'.repeat(201) + '{"digest":"@1"}' + '}'.repeat(201);
  for (const text of ['{"subject":{"digest":"@1"}} x', '\ufeff{"digest":"@1"}', '"@1', deep]) {
    const needs = text === '"@1' ? '' : 'child 1, blob 1';
    t.equal(wordsFor(text), needs, encodeURI(text.slice(0, 30)));
  }
  t.end();
});

/** A member of an object, of which the key may be spelt in several ways. */
interface Member {
  readonly key: string;
  readonly spelt: string;
  readonly value: Written;
}
type Written = string | readonly Written[] | { readonly members: readonly Member[] };

function printed(written: Written, keyOf: (member: Member) => string): string {
  if (typeof written === 'string') return JSON.stringify(written);
  if (!('members' in written)) return `[${written.map((item) => printed(item, keyOf)).join(',')}]`;
  const members = written.members.map((it) => `${JSON.stringify(keyOf(it))}:${printed(it.value, keyOf)}`);
  return `{${members.join(',')}}`;
}

function object(...fields: readonly [key: string, value: fc.Arbitrary<Written>][]): fc.Arbitrary<Written> {
  const member = fc.oneof(
    ...fields.map(([key, value]) => fc.record({ key: fc.constant(key), spelt: spellings(key), value })),
  );
  return fc.array(member, { maxLength: fields.length * 2 }).map((members) => ({ members }));
}

/** As written three times of four, so that some readings agree. */
function spellings(key: string): fc.Arbitrary<string> {
  const odd = fc.constantFrom(key.toUpperCase(), key.replaceAll('s', '\u017f'));
  return fc.oneof({ weight: 3, arbitrary: fc.constant(key) }, { weight: 1, arbitrary: odd });
}

const named = fc.integer({ min: 1, max: 9 }).map((name) => digest(`${name}`));
const types = fc.constantFrom(...manifestTypes, ...blobTypes, 'application/json');
const descriptor = object(
  ['digest', named],
  ['mediaType', types],
  ['annotations', object(['digest', named])],
);
const descriptors = fc.array(descriptor, { maxLength: 3 });
const manifests = object(
  ['config', descriptor],
  ['layers', descriptors],
  ['blobs', descriptors],
  ['manifests', descriptors],
  ['subject', descriptor],
  ['fsLayers', fc.array(object(['blobSum', named]), { maxLength: 2 })],
);

interface Descriptor {
  readonly digest?: string;
  readonly blobSum?: string;
  readonly mediaType?: string;
}
interface Manifest extends Partial<Record<'layers' | 'blobs' | 'manifests' | 'fsLayers', Descriptor[]>> {
  readonly config?: Descriptor;
  readonly subject?: Descriptor;
}

/** What a client pulls that reads with JSON.parse, where the last of several equal keys wins. */
function holdsAllThat(needs: ManifestNeeds, text: string): void {
  const {
    config,
    layers = [],
    blobs = [],
    manifests = [],
    fsLayers = [],
    subject,
  } = JSON.parse(text) as Manifest;
  const digestIn = ({ digest, blobSum }: Descriptor): string => digest ?? blobSum ?? '';
  const holds = (list: readonly string[], it: Descriptor): void => {
    ok(digestIn(it) === '' || list.includes(digestIn(it)), `${digestIn(it)}, ${text}`);
  };
  for (const it of [...(config ? [config] : []), ...layers, ...blobs, ...fsLayers]) holds(needs.blobs, it);
  for (const it of manifests) {
    if (!blobTypes.includes(it.mediaType ?? '')) holds(needs.children, it);
    if (!manifestTypes.includes(it.mediaType ?? '')) holds(needs.blobs, it);
  }
  if (subject) holds(needs.subjects, subject);
}

t.test('a superset of what readers take that mind the case of keys, and of those that do not', (t) => {
  fc.assert(
    fc.property(manifests, (manifest) => {
      const needs = readNeeds(printed(manifest, ({ spelt }) => spelt));
      holdsAllThat(
        needs,
        printed(manifest, ({ spelt }) => spelt),
      );
      holdsAllThat(
        needs,
        printed(manifest, ({ key }) => key),
      );
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

t.test('any text is answered, with digests, each once', (t) => {
  const quoted = manifests.map((manifest) => printed(manifest, ({ spelt }) => spelt));
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.tuple(quoted, fc.nat()).map(([text, length]) => text.slice(0, length % (text.length + 1))),
    fc.tuple(quoted, quoted).map(([one, other]) => one + other),
  );
  fc.assert(
    fc.property(texts, (text) => {
      for (const list of Object.values(readNeeds(text)) as (readonly string[])[]) {
        ok(list.every(isDigest) && new Set(list).size === list.length);
      }
    }),
    { numRuns: 1_000 },
  );
  t.end();
});
