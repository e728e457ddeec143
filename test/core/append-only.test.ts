import fc from 'fast-check';
import t from 'tap';
import { judgeGrowth } from '../../src/core/append-only.ts';
import type { Digest, Tag } from '../../src/core/reference.ts';
import { parseReferrerTag, type ReferrerTag } from '../../src/core/referrer-tag.ts';

type Document = Readonly<Record<string, unknown>>;

const named = `sha256:${'a'.repeat(64)}` as Digest;
const indexType = 'application/vnd.oci.image.index.v1+json';
const imageType = 'application/vnd.oci.image.manifest.v1+json';
const dockerType = 'application/vnd.docker.distribution.manifest.v2+json';

function descriptor(digit: string, more: Document = {}): Document {
  return { mediaType: 'application/x', digest: `sha256:${digit.repeat(64)}`, size: 7, ...more };
}

function index(manifests: unknown, more: Document = {}): Document {
  return { schemaVersion: 2, mediaType: indexType, manifests, ...more };
}

function cosign(layers: unknown, more: Document = {}): Document {
  return { schemaVersion: 2, mediaType: imageType, config: descriptor('c'), layers, ...more };
}

function signedBy(signature: string): Document {
  return descriptor('1', { annotations: { 'dev.cosignproject.cosign/signature': signature, x: '1' } });
}

function judge(kind: ReferrerTag['kind'], before: unknown, after: unknown): string | undefined {
  const [old, now] = [before, after].map((it) => (typeof it === 'string' ? it : JSON.stringify(it)));
  return judgeGrowth(kind, named, old, now ?? '');
}

const one = descriptor('1');
const two = descriptor('2');
const titled = index([one], { annotations: { title: 't' } });

t.test('a tag may grow by its whole name alone', (t) => {
  const [short, long] = ['a'.repeat(64), 'b'.repeat(128)];
  const parse = (tag: string): ReferrerTag | undefined => parseReferrerTag(tag as Tag);
  t.same(parse(`sha256-${short}`), { named, kind: 'index' });
  t.same(parse(`sha512-${long}`), { named: `sha512:${long}`, kind: 'index' });
  for (const suffix of ['.sig', '.att', '.sbom'])
    t.same(parse(`sha256-${short}${suffix}`), { named, kind: 'cosign' }, suffix);
  const others = [
    ...['latest', 'sha256-', `sha256-${short.slice(1)}`, `sha256-${short}a`, `sha256-${short.toUpperCase()}`],
    ...[`SHA256-${short}`, `sha512-${short}`, `sha256-${long}`, `sha512-${long}.sig`, `sha384-${short}`],
    ...[`sha256-${short}.`, `sha256-${short}.SIG`, `sha256-${short}.sigs`, `sha256-${short}.sig.att`],
    ...[`sha256-${short}.dockerfile`, `sha256-${short}sig`, `sha256-${short}-sig`, `xsha256-${short}`],
    ...[`sha256_${short}`, `sha256-${'g'.repeat(64)}`, `sha256-${short}\n`],
  ];
  for (const tag of others) t.equal(parse(tag), undefined, tag);
  t.end();
});

t.test('an index may grow', (t) => {
  t.equal(judge('index', undefined, index([])), undefined, 'an empty one may come first');
  t.equal(judge('index', undefined, index([one], { mediaType: undefined })), undefined);
  t.equal(judge('index', index([]), index([one])), undefined);
  t.equal(judge('index', index([one]), index([two, one])), undefined, 'in any order');
  t.equal(judge('index', index([one, one]), index([one, two, one])), undefined);
  t.equal(judge('index', index([one]), titled), undefined, 'annotations may be added');
  t.equal(judge('index', titled, index([one], { annotations: { a: 'b', title: 't' } })), undefined);
  const { size, ...rest } = two;
  t.equal(judge('index', index([two]), index([{ size, ...rest }])), undefined, 'in any order of keys');
  const escaped = JSON.stringify(index([one])).replace('sha256', '\\u0073ha256');
  t.equal(judge('index', index([one]), escaped), undefined, 'however it is escaped');
  t.end();
});

t.test('an index loses nothing', (t) => {
  const [gone, changed] = [
    'it drops sha256:111111111111…, which is there',
    'it drops or changes a descriptor of',
  ];
  const refused: [unknown, unknown, string][] = [
    [index([one]), index([]), gone],
    [index([one, two]), index([two]), gone],
    [index([one, one]), index([one, two]), changed],
    [index([one]), index([{ ...one, size: 8 }]), changed],
    [index([one]), index([{ ...one, mediaType: 'application/y' }]), changed],
    [index([one]), index([{ ...one, annotations: {} }]), changed],
    [index([one]), index([{ ...one, artifactType: 'application/z' }]), changed],
    [index([{ ...one, urls: ['a', 'b'] }]), index([{ ...one, urls: ['b', 'a'] }]), changed],
    [titled, index([one]), 'it drops or changes the annotation "title", which is there'],
    [titled, index([one], { annotations: { title: 'T' } }), 'it drops or changes the annotation "title"'],
    [index([one]), index([one], { mediaType: undefined }), 'its media type changes'],
    [index([one], { mediaType: undefined }), index([one]), 'its media type changes'],
    [index([one], { artifactType: 'a' }), index([one], { artifactType: 'b' }), 'its "artifactType" changes'],
    [index([one], { artifactType: 'a' }), index([one]), 'its "artifactType" changes'],
    [index([one]), index([one], { subject: descriptor('a') }), 'its "subject" changes'],
    [
      cosign([one]),
      index([one]),
      'what is there cannot be added to: it is not an OCI index by its media type',
    ],
    ['{', index([one]), 'what is there cannot be added to: it is no valid JSON'],
  ];
  for (const [before, after, reason] of refused) {
    const words = judge('index', before, after);
    t.ok(words?.startsWith(reason), `${JSON.stringify(after)}: ${words ?? 'allowed'}`);
  }
  t.end();
});

t.test('signatures of one payload differ in their annotations alone, and each must stay', (t) => {
  const [first, second] = [signedBy('MEU='), signedBy('MEY=')];
  t.equal(judge('cosign', undefined, cosign([])), undefined);
  t.equal(judge('cosign', cosign([first]), cosign([first, second], { config: descriptor('d') })), undefined);
  const docker = { mediaType: dockerType };
  t.equal(judge('cosign', cosign([first], docker), cosign([first, second], docker)), undefined);
  const reason = 'it drops or changes a descriptor of sha256:111111111111…, which is there';
  t.equal(judge('cosign', cosign([first]), cosign([second])), reason, 'as --replace would');
  t.equal(judge('cosign', cosign([first, second]), cosign([second, second])), reason);
  t.equal(judge('cosign', cosign([first]), cosign([first], docker)), 'its media type changes');
  const subject = { subject: descriptor('a') };
  t.equal(judge('cosign', cosign([first]), cosign([first], subject)), 'its "subject" changes');
  t.equal(judge('cosign', cosign([first], subject), cosign([first, second], subject)), undefined);
  t.end();
});

t.test('what comes first must be what the tag is for', (t) => {
  const refused: [ReferrerTag['kind'], unknown, string][] = [
    ['index', '', 'it is no valid JSON'],
    ['index', '[]', 'it is not an OCI index of schema version 2'],
    ['index', 'null', 'it is not an OCI index of schema version 2'],
    ['index', index([], { schemaVersion: 1 }), 'it is not an OCI index of schema version 2'],
    ['index', index([], { schemaVersion: '2' }), 'it is not an OCI index of schema version 2'],
    ['index', index(null), 'it is not an OCI index: it has no manifests'],
    ['index', index({}), 'it is not an OCI index: it has no manifests'],
    ['index', cosign([one]), 'it is not an OCI index by its media type'],
    ['index', index([], { mediaType: null }), 'it is not an OCI index by its media type'],
    ['index', index([one], { layers: [] }), 'it is not an OCI index to everybody: it has layers'],
    ['cosign', index([one]), 'it is not an image manifest by its media type'],
    ['cosign', cosign(undefined), 'it is not an image manifest: it has no layers'],
    ['cosign', cosign([], { manifests: [] }), 'it is not an image manifest to everybody: it has manifests'],
    ['cosign', cosign([], { config: undefined }), 'it has something that is no descriptor'],
    ['cosign', cosign([], { config: {} }), 'it has something that is no descriptor'],
    ['index', index([], { annotations: { a: 1 } }), 'it has annotations that are no strings'],
    ['index', index([], { annotations: null }), 'it has annotations that are no strings'],
    ['index', index([], { subject: one }), 'its subject is not sha256:aaaaaaaaaaaa…, which the tag names'],
    ['index', index([], { subject: 'a' }), 'its subject is not sha256:aaaaaaaaaaaa…, which the tag names'],
  ];
  for (const [kind, after, reason] of refused)
    t.equal(judge(kind, undefined, after), reason, JSON.stringify(after));
  t.equal(judge('index', undefined, index([], { subject: descriptor('a') })), undefined);
  const noDescriptors = [
    ...[1, null, [], {}, 'sha256:1', { ...one, digest: 'sha256:1' }, { ...one, digest: 1 }],
    ...[
      { ...one, size: -1 },
      { ...one, size: '7' },
      { ...one, size: 1.5 },
      { ...one, size: 1e21 },
    ],
    ...[
      { ...one, size: undefined },
      { ...one, mediaType: undefined },
      { ...one, annotations: { a: null } },
    ],
  ];
  for (const it of noDescriptors)
    t.equal(
      judge('index', undefined, index([two, it])),
      'it has something that is no descriptor',
      JSON.stringify(it),
    );
  t.end();
});

t.test('what two readers could read differently is refused, wherever it stands', (t) => {
  const listed = JSON.stringify(index([one]));
  const refused: [string, string][] = [
    [listed.replace('}]', '}],"manifests":[]'), 'has the key "manifests" twice'],
    [listed.replace('}]', '}],"Manifests":[]'), 'has the key "Manifests", which some read as "manifests"'],
    [listed.replace('"manifests"', '"MANIFESTS"'), 'has the key "MANIFESTS", which some read as "manifests"'],
    [
      listed.replace('}]', '}],"manife\u017fts":[]'),
      'has the key "manife\u017fts", which some read as "manifests"',
    ],
    [listed.replace('}]', '}],"\\u006danifests":[]'), 'has the key "manifests" twice'],
    [listed.replace('"size"', '"digest":"","size"'), 'has the key "digest" twice'],
    [listed.replace('"size"', '"annotations":{"a":"1","a":"2"},"size"'), 'has the key "a" twice'],
    [
      listed.replace('"size"', '"Annotations":{},"size"'),
      'has the key "Annotations", which some read as "annotations"',
    ],
    [listed.replace('"size"', '"x":[{"y":1,"Y":2}],"size"'), 'has the key "Y", which some read as "y"'],
    [
      listed.replace('"size"', '"annotations":{"\\ud800":"1"},"size"'),
      'has the key "\\ud800", which is no text',
    ],
    [
      listed.replace('"size"', `"${'x'.repeat(99)}":1,"${'x'.repeat(99)}":1,"size"`),
      `has the key "${'x'.repeat(60)}…" twice`,
    ],
  ];
  for (const [text, reason] of refused) {
    t.equal(judge('index', undefined, text), `it ${reason}`, text);
    t.equal(judge('index', index([one]), text), `it ${reason}`);
    t.equal(judge('index', text, index([one])), `what is there cannot be added to: it ${reason}`);
  }
  const annotated = index([{ ...one, annotations: { a: '1', A: '2', layers: '3', Layers: '4' } }]);
  t.equal(judge('index', annotated, annotated), undefined, 'the keys of annotations are free');
  t.end();
});

const anyDescriptor = (digits: readonly string[]): fc.Arbitrary<Document> =>
  fc
    .record({
      digit: fc.constantFrom(...digits),
      size: fc.nat(1),
      annotations: fc.option(fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('1', '2')), {
        nil: undefined,
      }),
    })
    .map(({ digit, ...rest }) => descriptor(digit, rest));

const kindOf = { index, cosign };
const anyGrowth = fc.record({
  kind: fc.constantFrom('index' as const, 'cosign' as const),
  before: fc.array(anyDescriptor(['1', '2']), { minLength: 1, maxLength: 6 }),
  added: fc.array(anyDescriptor(['3', '4']), { maxLength: 3 }),
  annotations: fc.dictionary(fc.constantFrom('x', 'y'), fc.string()),
  order: fc.array(fc.nat(), { minLength: 9, maxLength: 9 }),
});

function reordered<Item>(items: readonly Item[], order: readonly number[]): Item[] {
  return items
    .map((item, place) => ({ item, by: order[place % order.length] ?? 0 }))
    .sort((a, b) => a.by - b.by)
    .map(({ item }) => item);
}

/** With its keys in another order, at every depth. */
function respelt(value: unknown, order: readonly number[]): unknown {
  if (Array.isArray(value)) return value.map((item) => respelt(item, order));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, respelt(inner, order)] as const);
  return Object.fromEntries(reordered(entries, order));
}

t.test('whatever is added, in whatever order, may be', (t) => {
  fc.assert(
    fc.property(anyGrowth, ({ kind, before, added, annotations, order }) => {
      const grown = kindOf[kind](reordered([...before, ...added], order), { annotations });
      return judge(kind, kindOf[kind](before), respelt(grown, order)) === undefined;
    }),
  );
  t.end();
});

const alterations: Readonly<Record<string, (descriptor: Document) => readonly Document[]>> = {
  drop: () => [],
  grow: (it) => [{ ...it, size: 9 }],
  rename: (it) => [{ ...it, digest: descriptor('5')['digest'] }],
  retype: (it) => [{ ...it, mediaType: 'application/y' }],
  annotate: (it) => [{ ...it, annotations: { ...(it['annotations'] as Document | undefined), c: '1' } }],
  extend: (it) => [{ ...it, data: '' }],
};

t.test('whatever else is added, nothing may be dropped or altered', (t) => {
  const anyAlteration = fc.record({
    growth: anyGrowth,
    at: fc.nat(),
    by: fc.constantFrom(...Object.keys(alterations)),
  });
  fc.assert(
    fc.property(anyAlteration, ({ growth: { kind, before, added, order }, at, by }) => {
      const hit = at % before.length;
      const left = before.flatMap((it, place) => (place === hit ? (alterations[by]?.(it) ?? []) : [it]));
      const shrunk = kindOf[kind](reordered([...left, ...added], order));
      return judge(kind, kindOf[kind](before), respelt(shrunk, order))?.startsWith('it drops') === true;
    }),
  );
  t.end();
});
