import { equal, ok } from 'node:assert/strict';
import { posix } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { RegistryError } from '../../src/core/errors.ts';
import { resolveTarget, splitReference } from '../../src/core/location.ts';
import { printOperation } from '../../src/core/operation.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import type { Repository } from '../../src/core/reference.ts';
import { parseTarget, withQuery } from '../../src/core/target.ts';
import { sealSession, type UploadSeals } from '../../src/core/upload-seals.ts';
import { whyNoUpload } from '../../src/core/upload-target.ts';
import { uploadLocation } from '../../src/http/upload-location.ts';

const repository = 'team/app' as Repository;

/** Opens what it has sealed. */
function memorySeals(): UploadSeals {
  const sealed = new Map<string, string>();
  return {
    seal: (repository, target) => {
      const name = `n${sealed.size}`;
      sealed.set(`${repository} ${name}`, target);
      return name;
    },
    open: (repository, name) => sealed.get(`${repository} ${name}`),
  };
}

t.test('references are resolved as RFC 3986, section 5.4, has it', (t) => {
  const examples: [reference: string, target: string][] = [
    ['g', '/b/c/g'],
    ['./g', '/b/c/g'],
    ['g/', '/b/c/g/'],
    ['/g', '/g'],
    ['//g', '/'],
    ['http://h/a/./b/../c?x=../y', '/a/c?x=../y'],
    ['?y', '/b/c/d;p?y'],
    ['g?y', '/b/c/g?y'],
    ['#s', '/b/c/d;p?q'],
    ['g?y#s', '/b/c/g?y'],
    [';x', '/b/c/;x'],
    ['', '/b/c/d;p?q'],
    ['.', '/b/c/'],
    ['./', '/b/c/'],
    ['..', '/b/'],
    ['../g', '/b/g'],
    ['../../g', '/g'],
    ['../../../g', '/g'],
    ['/./g', '/g'],
    ['/../g', '/g'],
    ['g.', '/b/c/g.'],
    ['..g', '/b/c/..g'],
    ['./g/.', '/b/c/g/'],
    ['g;x=1/../y', '/b/c/y'],
    ['%2e%2E/g', '/b/c/%2e%2E/g'],
    ['g?a=%2f+~&&b;c', '/b/c/g?a=%2f+~&&b;c'],
  ];
  for (const [reference, target] of examples)
    t.equal(resolveTarget(splitReference(reference), '/b/c/d;p?q'), target, reference);
  t.end();
});

t.test('what is an upload of the repository, wherever it is', (t) => {
  const good = [
    '/v2/team/app/blobs/upload/3c1f',
    '/v2/team/app/blobs/uploads/3c1f?a=%2f',
    '/v2/team/app/blobs/uploads/3c1f/parts/2',
    '/artifacts-uploads/namespaces/p/repositories/r/uploads/AF%2B%2f=/',
    '/repository/hosted/v2/app/blobs/uploads/x',
    '/artifactory/api/docker/local/v2/team/app/blobs/uploads/x?y=/v2/prod/app/manifests/latest',
    '/manifests-of/uploads/x',
  ];
  for (const target of good) t.equal(whyNoUpload(repository, target, ['/ui']), undefined, target);
  const bad: [target: string, why: string][] = [
    ['/v2/app/blobs/upload/x', 'names another repository'],
    ['/v2/team/app/blobs', 'names another repository'],
    ['/v2/team/app', 'names another repository'],
    ['/v2/_catalog', 'names another repository'],
    ['/v2/team/app/tags/list', 'names another repository'],
    ['/v2/team%2fapp/blobs/upload/x', 'names another repository'],
    ['/V2/team/app/Manifests/v1', 'names a manifest, a blob or a tag'],
    ['/team/app/manifests;x=1/v1;y', 'names a manifest, a blob or a tag'],
    ['/x/manifests/v1/', 'names a manifest, a blob or a tag'],
    ['/x/tags/reference/v1', 'names a manifest, a blob or a tag'],
    ['/ui/x', 'names something else than an upload'],
    ['/Ui', 'names something else than an upload'],
    ['/%75i/x', 'names something else than an upload'],
    ['/API/v2.0/projects', 'names something else than an upload'],
    ['/jwt/auth', 'names something else than an upload'],
    ['/files//x', 'can be read in several ways'],
    ['/files/..;/x', 'can be read in several ways'],
    ['/files/%2e%2e/x', 'can be read in several ways'],
    ['/files/a%2f/x', 'can be read in several ways'],
    ['/files/a%3fx', 'can be read in several ways'],
    ['/files/%00', 'can be read in several ways'],
    ['/files/%zz', 'can be read in several ways'],
    ['/files/x?y#z', 'does not fit into a request line'],
    ['/files/\\x', 'does not fit into a request line'],
    ['/files/é', 'does not fit into a request line'],
    ['files', 'does not fit into a request line'],
    [`/${'x'.repeat(8192)}`, 'is too long'],
  ];
  for (const [target, why] of bad)
    t.equal(whyNoUpload(repository, target, ['/uI']), why, target.slice(0, 60));
  const named: [Repository, string, boolean][] = [
    ['blobs/uploads', '/v2/blobs/uploads/blobs/upload/x', true],
    ['a/blobs', '/v2/a/blobs/blobs/upload/x', true],
    ['a', '/v2/a/blobs/blobs/upload/x', false],
    ['a', '/v2/a/blobs/x/blobs/upload/x', false],
    ['a', '/v2/a/blobs/x', false],
    ['v2', '/v2/v2/blobs/upload/x', true],
    ['v2/v2', '/p/v2/v2/blobs/upload/x', true],
    ['Host.COM:80/a', '/v2/Host.COM:80/a/blobs/upload/x', true],
    ['Host.COM:80/a', '/v2/host.com:80/a/blobs/upload/x', false],
    ['team/app', '/p/v2/am/app/blobs/upload/x', false],
  ].map(([name, target, isGood]) => [name as Repository, String(target), isGood === true]);
  for (const [name, target, isGood] of named)
    t.equal(whyNoUpload(name, target) === undefined, isGood, `${target} of ${name}`);
  t.match(whyNoUpload(repository, `/u/${'%25'.repeat(2000)}`), 'can be read in several ways');
  t.end();
});

t.test('what was sealed is sent as it was written, and what is added stands behind it', (t) => {
  const printable = fc.stringMatching(/^[!-"$-~]{1,60}$/);
  fc.assert(
    fc.property(printable, fc.constantFrom('GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'), (text, method) => {
      const target = `/files/${text}`;
      if (whyNoUpload(repository, target) !== undefined) return;
      const seals = memorySeals();
      const raw = `/v2/${repository}/blobs/uploads/${sealSession(seals, repository, target)}`;
      const operation = parseOperation(method, parseTarget(raw), seals);
      equal(operation.kind, 'upload');
      equal(printOperation(operation).target, target);
      const added = parseOperation(method, parseTarget(`${raw}?digest=a%3Ab&x=y`), seals);
      if (!/digest/i.test(target))
        equal(printOperation(added).target, withQuery(target, [['digest', 'a:b']]));
    }),
  );
  t.end();
});

t.test('who has the key still names nothing but uploads', (t) => {
  const seals = memorySeals();
  for (const target of ['/v2/prod/app/manifests/latest', '/v2/prod/app/blobs/upload/x']) {
    const raw = `/v2/${repository}/blobs/uploads/${sealSession(seals, repository, target)}`;
    t.throws(() => parseOperation('PUT', parseTarget(raw), seals), {
      code: 'BLOB_UPLOAD_UNKNOWN',
      status: 404,
    });
  }
  t.end();
});

t.test('an upload goes nowhere but to an upload, whatever address the upstream gives', (t) => {
  const parts = fc.constantFrom(
    ...[
      'v2',
      'V2',
      '%76%32',
      'team',
      'app',
      'prod',
      'manifests',
      '%6danifests',
      '%256Danifests',
      'Manifests',
    ],
    ...[
      'latest',
      '..',
      '.',
      '%2e%2e',
      '%252e%252e',
      '%2f',
      '%2F..%2f',
      'blobs',
      'uploads',
      'upload',
      'x',
      ';a',
    ],
    ...['..;', '%5c', '%25', '', 'x?y=%7e', '#', 'tags', 'reference', 'sealed.n0', 'manifests;x', 'a%3fb'],
  );
  const hosts = fc.constantFrom(
    '',
    '',
    '',
    'http://up.example:5000',
    'https://front.example',
    '//up.example:5000',
  );
  const locations = fc
    .tuple(hosts, fc.array(parts, { minLength: 1, maxLength: 9 }), fc.constantFrom('/', '', '..'))
    .map(([host, segments, start]) => host + (host === '' ? start : '/') + segments.join('/'));
  const addressed = { client: '', forwardedFor: '', protocol: 'https', host: 'front.example' } as const;
  const rewriting = { addressed, upstreamOrigin: 'http://up.example:5000', isWrite: true };
  let sealedOnes = 0;
  fc.assert(
    fc.property(
      locations,
      fc.constantFrom('/v2/team/app/blobs/uploads/', '/files/u?a'),
      (location, askedTarget) => {
        const seals = memorySeals();
        const upload = { repository, askedTarget, seals, closedPrefixes: ['/ui'] };
        const told = orRefused(() => uploadLocation(location, upload, rewriting));
        const isElsewhere = told === location && /^\/\/(?!up\.example:5000)/.test(location);
        if (told === undefined || isElsewhere) return;
        const path = told.replace(/^https:\/\/front\.example(?=\/)/, '');
        ok(path.startsWith('/v2/'), `${told} leads to us`);
        const operation = parseOperation('PUT', parseTarget(path), seals);
        ok(operation.kind === 'upload');
        const { target } = printOperation(operation);
        if (operation.location !== undefined) {
          sealedOnes += 1;
          equal(operation.repository, repository);
          for (const reading of readings(target)) {
            ok(!/\/(?:manifests|blobs|tags\/reference)\/[^/]*$/i.test(reading), reading);
            ok(!/^\/v2\//i.test(reading) || /^\/v2\/team\/app\/blobs\/[\w%]/i.test(reading), reading);
          }
        }
      },
    ),
    { numRuns: 3_000 },
  );
  t.ok(sealedOnes > 100, `${sealedOnes} were sealed`);
  t.end();
});

function orRefused(tell: () => string): string | undefined {
  try {
    return tell();
  } catch (error) {
    if (error instanceof RegistryError && error.status === 502) return undefined;
    throw error;
  }
}

/** As servers that decode none, once, twice … read it, with or without parameters, cleaned. */
function* readings(target: string): Generator<string> {
  let path = target.replace(/\?.*$/, '');
  for (let times = 0; times < 4; times += 1) {
    for (const read of [path, path.replace(/;[^/]*/g, ''), path.replaceAll('\\', '/')])
      yield posix.normalize(read.replace(/[?#].*$/, '')).replace(/\/$/, '');
    path = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
}
