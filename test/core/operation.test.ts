import { deepStrictEqual, doesNotMatch } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { RegistryError } from '../../src/core/errors.ts';
import { isWrite, printOperation, type Operation } from '../../src/core/operation.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import { parseTarget } from '../../src/core/target.ts';
import { operations } from '../fixtures/arbitrary.ts';

const sha256 = `sha256:${'a'.repeat(64)}`;
const sha512 = `sha512:${'b'.repeat(128)}`;

function parse(method: string, raw: string): Operation {
  return parseOperation(method, parseTarget(raw));
}

function codeOf(method: string, raw: string): string {
  try {
    return `parsed as ${parse(method, raw).kind}`;
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
}

t.test('every endpoint of the distribution-spec', (t) => {
  const endpoints: [id: string, method: string, target: string, kind: Operation['kind'], printed?: string][] =
    [
      ['end-1', 'GET', '/v2/', 'ping'],
      ['end-2', 'GET', `/v2/a/b/blobs/${sha256}`, 'getBlob'],
      ['end-2', 'HEAD', `/v2/a/b/blobs/${sha256}`, 'getBlob'],
      ['end-3', 'GET', '/v2/a/b/manifests/v1.0', 'getManifest'],
      ['end-3', 'HEAD', `/v2/a/b/manifests/${sha512}`, 'getManifest'],
      ['end-4a', 'POST', '/v2/a/b/blobs/uploads/', 'startUpload'],
      ['end-4a, without its slash', 'POST', '/v2/a/b/blobs/uploads', 'startUpload', '/v2/a/b/blobs/uploads/'],
      ['end-4b', 'POST', `/v2/a/b/blobs/uploads/?digest=${encodeURIComponent(sha256)}`, 'startUpload'],
      ['end-4c', 'POST', '/v2/a/b/blobs/uploads/?digest-algorithm=sha512', 'startUpload'],
      ['end-5', 'PATCH', '/v2/a/b/blobs/uploads/0-9_a.Z=?_state=x%3D', 'upload'],
      ['end-6', 'PUT', `/v2/a/b/blobs/uploads/u?_state=x&digest=${encodeURIComponent(sha256)}`, 'upload'],
      ['end-7a', 'PUT', '/v2/a/b/manifests/v1.0', 'putManifest'],
      ['end-7a', 'PUT', `/v2/a/b/manifests/${sha256}`, 'putManifest'],
      ['end-7b', 'PUT', `/v2/a/b/manifests/${sha256}?tag=1&tag=2&tag=3`, 'putManifest'],
      ['end-8a', 'GET', '/v2/a/b/tags/list', 'listTags'],
      ['end-8b', 'GET', '/v2/a/b/tags/list?n=10&last=v1', 'listTags'],
      ['end-9', 'DELETE', '/v2/a/b/manifests/v1.0', 'deleteTag'],
      ['end-9', 'DELETE', `/v2/a/b/manifests/${sha256}`, 'deleteManifest'],
      ['end-10', 'DELETE', `/v2/a/b/blobs/${sha256}`, 'deleteBlob'],
      [
        'end-11',
        'POST',
        `/v2/a/b/blobs/uploads/?mount=${encodeURIComponent(sha256)}&from=c%2Fd`,
        'startUpload',
      ],
      ['end-12a', 'GET', `/v2/a/b/referrers/${sha256}`, 'listReferrers'],
      ['end-12b', 'GET', `/v2/a/b/referrers/${sha256}?artifactType=a%2Fb`, 'listReferrers'],
      ['end-13', 'GET', '/v2/a/b/blobs/uploads/u?_state=x', 'upload'],
      ['end-14', 'DELETE', '/v2/a/b/blobs/uploads/u', 'upload'],
      ['catalog', 'GET', '/v2/_catalog?n=5', 'catalog'],
      ['GitLab before 4.0', 'DELETE', '/v2/a/b/tags/reference/v1.0', 'deleteTag'],
      ["a registry's extension", 'GET', '/v2/_oci/ext/discover', 'otherRead'],
      ['what cannot exist', 'GET', '/v2/a/b/manifests/.INVALID_MANIFEST_NAME', 'otherRead'],
      ['a preflight of a web page', 'OPTIONS', '/v2/a/b/manifests/v1.0', 'otherRead'],
    ];
  for (const [id, method, target, kind, printed = target] of endpoints) {
    const operation = parse(method, target);
    t.equal(operation.kind, kind, `${id}: ${method} ${target}`);
    t.same(printOperation(operation), { method, target: printed }, 'printed as it was sent');
  }
  t.end();
});

t.test('repositories whose components are called like routes', (t) => {
  const routed: [string, string, Partial<Record<string, unknown>>][] = [
    ['GET', '/v2/foo/manifests/tags/list', { kind: 'listTags', repository: 'foo/manifests' }],
    ['PUT', '/v2/a/manifests/manifests/v1', { kind: 'putManifest', repository: 'a/manifests', tags: ['v1'] }],
    ['PUT', '/v2/a/blobs/uploads/manifests/v1', { kind: 'putManifest', repository: 'a/blobs/uploads' }],
    ['POST', '/v2/a/manifests/blobs/uploads/', { kind: 'startUpload', repository: 'a/manifests' }],
    [
      'GET',
      '/v2/a/tags/manifests/list',
      { kind: 'getManifest', repository: 'a/tags', reference: { tag: 'list' } },
    ],
    ['PUT', '/v2/Host.COM:8080/foo/manifests/x', { kind: 'putManifest', repository: 'Host.COM:8080/foo' }],
    ['PUT', '/v2/a/manifests/uploads', { kind: 'putManifest', repository: 'a', tags: ['uploads'] }],
  ];
  for (const [method, target, expected] of routed) t.match(parse(method, target), expected, target);
  t.end();
});

t.test('the colon of a digest may be encoded, and is printed plain', (t) => {
  const operation = parse('PUT', `/v2/a/manifests/${sha256.replace(':', '%3a')}?%74ag=x&tag=v1&tag=v1`);
  t.match(operation, { kind: 'putManifest', reference: { digest: sha256 }, tags: ['v1', 'x'] });
  t.equal(printOperation(operation).target, `/v2/a/manifests/${sha256}?tag=v1&tag=x`);
  t.end();
});

t.test('what has a second spelling is refused', (t) => {
  const spellings = [
    '/v2/prod%2Fapp/manifests/latest',
    '/%76%32/prod/app/manifests/latest',
    '/v2/prod/app/%6danifests/latest',
    '/v2/prod/app/manifests/l%61test',
    '/v2//prod/app/manifests/latest',
    '//v2/prod/app/manifests/latest',
    '/v2/prod/./app/manifests/latest',
    '/v2/prod/x/../app/manifests/latest',
    '/v2/prod/app/manifests/latest;x',
    '/v2/prod/app/manifests/latest#x',
    '/v2/prod/app\\manifests/latest',
    '/v2/prod/app/manifests/latest%3Ax',
    '/v2/host%3A5000/app/manifests/latest',
    '/ui/../v2/prod/app/manifests/latest',
    'http://evil/v2/prod/app/manifests/latest',
    'ftp://evil/v2/prod/app/manifests/latest',
    '*',
    '',
    `/v2/a/manifests/${sha256}?tag=v1;tag=v2`,
    `/v2/a/manifests/${sha256}?tag=%zz`,
    `/v2/a/manifests/${sha256}?tag=%ff`,
    '/v2/a/blobs/uploads/?from=a&from=b',
    `/v2/a/blobs/uploads/?mount=${sha256}&mount=${sha512}`,
    `/v2/a/blobs/uploads/u?digest=${sha256}&digest=${sha512}`,
  ];
  for (const raw of spellings) t.equal(codeOf('PUT', raw), 'NAME_INVALID', raw);
  t.end();
});

t.test('tags are taken from where the specification has them, and nowhere else', (t) => {
  t.equal(codeOf('PUT', '/v2/a/manifests/v1?tag=v2'), 'TAG_INVALID');
  t.equal(codeOf('DELETE', `/v2/a/manifests/${sha256}?tag=v2`), 'TAG_INVALID');
  t.equal(codeOf('DELETE', '/v2/a/manifests/v1?TAG=v2'), 'TAG_INVALID');
  t.equal(codeOf('PUT', `/v2/a/manifests/${sha256}?tag=%20v1`), 'TAG_INVALID', 'zot trims blanks');
  t.equal(codeOf('PUT', `/v2/a/manifests/${sha256}?tag=`), 'TAG_INVALID');
  t.equal(
    printOperation(parse('PUT', '/v2/a/manifests/v1?x=1')).target,
    '/v2/a/manifests/v1',
    'unknown keys go',
  );
  t.end();
});

t.test('unknown writes are refused', (t) => {
  const writes: [string, string][] = [
    ['POST', '/v2/a/manifests/v1'],
    ['PATCH', '/v2/a/manifests/v1'],
    ['PUT', `/v2/a/blobs/${sha256}`],
    ['PUT', '/v2/a/blobs/uploads/'],
    ['POST', '/v2/a/blobs/uploads/u'],
    ['DELETE', '/v2/a/tags/list'],
    ['PUT', '/v2/a/tags/reference/v1'],
    ['DELETE', '/v2/_catalog'],
    ['PUT', '/v2/'],
    ['DELETE', '/v2/a'],
    ['MKCOL', '/v2/a/manifests/v1'],
    ['TRACE', '/v2/a/manifests/v1'],
    ['PUT', '/v2/manifests/v1'],
    ['PUT', '/v2/a/manifests/v1/'],
  ];
  for (const [method, target] of writes) {
    t.match(codeOf(method, target), /^(UNSUPPORTED|NAME_INVALID)$/, `${method} ${target}`);
  }
  t.end();
});

t.test('parse(print(operation)) = operation', (t) => {
  fc.assert(
    fc.property(operations(), (operation) => {
      const { method, target } = printOperation(operation);
      deepStrictEqual(parse(method, target), operation);
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

t.test(
  'whatever is accepted is printed as it is judged: printing it and parsing again changes nothing',
  (t) => {
    const piece = fc.constantFrom(
      'a',
      'v1',
      '%2F',
      '%61',
      '.',
      '..',
      '/',
      '?',
      '=',
      '&',
      'tag',
      ':',
      sha256,
      '+',
      ';',
      '#',
    );
    const raw = fc
      .tuple(
        fc.constantFrom('/v2/', '/v2/a/manifests/', '/v2/a/blobs/uploads/', '/'),
        fc.array(piece, { maxLength: 8 }),
      )
      .map(([start, pieces]) => start + pieces.join(''));
    fc.assert(
      fc.property(fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'PATCH'), raw, (method, text) => {
        try {
          const operation = parse(method, text);
          const printed = printOperation(operation);
          deepStrictEqual(parse(printed.method, printed.target), operation);
          doesNotMatch(printed.target.replace(/\?.*/, ''), /%|\/\/|\/\.\.?(\/|$)|[;#\\]/);
        } catch (error) {
          if (!(error instanceof RegistryError)) throw error;
        }
      }),
      { numRuns: 5_000 },
    );
    t.end();
  },
);

t.test('reads and writes are told apart', (t) => {
  t.notOk(isWrite(parse('GET', '/v2/a/manifests/v1')));
  t.notOk(isWrite(parse('OPTIONS', '/v2/a/manifests/v1')));
  for (const [method, target] of [
    ['PUT', '/v2/a/manifests/v1'],
    ['POST', '/v2/a/blobs/uploads/'],
    ['PATCH', '/v2/a/blobs/uploads/u'],
    ['GET', '/v2/a/blobs/uploads/u'],
    ['DELETE', `/v2/a/blobs/${sha256}`],
  ] as const) {
    t.ok(isWrite(parse(method, target)), `${method} ${target}`);
  }
  t.end();
});
