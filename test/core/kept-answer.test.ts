import fc from 'fast-check';
import t from 'tap';
import { isKnownTo, parseNoneMatch } from '../../src/core/entity-tag.ts';
import { headerValues, type HeaderList } from '../../src/core/header-list.ts';
import { describingHeaders, freshened, keepable } from '../../src/core/kept-answer.ts';
import type { Digest, Repository, Tag } from '../../src/core/reference.ts';
import { RepositoryChanges } from '../../src/core/repository-changes.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const other = `sha256:${'b'.repeat(64)}` as Digest;
const byTag = { tag: 'v1' as Tag };
const plain = ['Content-Type', 'application/json', 'Docker-Content-Digest', digest];

t.test('what may be kept of an answer', (t) => {
  const lifetimes: [what: string, more: HeaderList, seconds: number | undefined][] = [
    ['an answer that says nothing of it', [], Infinity],
    ['max-age', ['Cache-Control', 'max-age=30'], 30],
    ['max-age in quotes, and more', ['cache-control', 'public, MAX-AGE="30" , must-revalidate'], 30],
    ['for caches that many share', ['Cache-Control', 'max-age=30, s-maxage=7'], 7],
    ['the least of several', ['Cache-Control', 'max-age=30', 'Cache-Control', 'max-age=20'], 20],
    ['older than it may become', ['Cache-Control', 'max-age=30', 'Age', '30'], undefined],
    ['old, and not too old', ['Cache-Control', 'max-age=30', 'Age', '29'], 30],
    ['of an age that nobody can read', ['Cache-Control', 'max-age=30', 'Age', '-1'], undefined],
    ['of an age that nobody can read, without a limit', ['Age', 'old'], undefined],
    ['no number', ['Cache-Control', 'max-age=soon'], undefined],
    ['nothing', ['Cache-Control', 'max-age='], undefined],
    ['not a second', ['Cache-Control', 'max-age=0'], undefined],
    ['not at all', ['Cache-Control', 'public, no-store'], undefined],
    ['only if asked again', ['Cache-Control', 'No-Cache'], undefined],
    ['for one alone', ['Cache-Control', 'private="Set-Cookie", max-age=9'], undefined],
    ['HTTP/1.0', ['Pragma', 'no-cache'], undefined],
    ['a time of day', ['Expires', 'Thu, 01 Dec 2044 16:00:00 GMT'], undefined],
    ['a time of day that does not count', ['Expires', '0', 'Cache-Control', 'max-age=5'], 5],
    ['something else', ['Cache-Control', 'immutable, stale-while-revalidate=60'], Infinity],
    ['chosen by what the key has', ['Vary', 'Accept', 'vary', 'accept-encoding,, '], Infinity],
    ['chosen by what nobody sent', ['Vary', 'Origin, Cookie'], Infinity],
    ['chosen by anything', ['Vary', '*'], undefined],
    ['chosen by who asks', ['Vary', 'Accept, Authorization'], undefined],
    ['a cookie', ['Set-Cookie', 'a=b'], undefined],
    ['encoded', ['Content-Encoding', 'gzip'], undefined],
    ['a part', ['Content-Range', 'bytes 0-1/2'], undefined],
    ['two entity tags', ['ETag', '"a"', 'ETag', '"b"'], undefined],
    ['two types', ['Content-Type', 'text/plain'], undefined],
    ['two digests', ['docker-content-digest', digest], undefined],
  ];
  for (const [what, more, seconds] of lifetimes) {
    const found = keepable({ status: 200, headers: [...plain, ...more] }, byTag);
    t.equal(found?.lifetimeSeconds, seconds, what);
  }
  t.end();
});

t.test('the digest is the one that was asked for, and that of the bytes', (t) => {
  const kept = (headers: HeaderList, asked: Parameters<typeof keepable>[1], of?: Digest): boolean =>
    keepable({ status: 200, headers }, asked, of && ((it) => it === of)) !== undefined;
  t.ok(kept(plain, { digest }), 'to HEAD');
  t.ok(kept(plain, { digest }, digest));
  t.ok(kept(plain, byTag, digest));
  t.notOk(kept(plain, { digest: other }), 'another one than was asked for');
  t.notOk(kept(plain, { digest: other }, digest));
  t.notOk(kept(plain, byTag, other), 'another one than that of the bytes: signed schema 1');
  t.notOk(kept(['Content-Type', 'a/b'], { digest }, digest), 'none');
  t.notOk(kept(['Content-Type', 'a/b', 'Docker-Content-Digest', 'sha256:1'], byTag), 'no digest at all');
  t.notOk(kept(['Docker-Content-Digest', digest], byTag), 'no type');
  for (const status of [201, 203, 206, 304, 307, 401, 404, 500])
    t.equal(keepable({ status, headers: plain }, byTag), undefined, String(status));
  t.end();
});

t.test('what is shown to others describes the manifest', (t) => {
  const personal = ['X-Harbor-CSRF-Token', 'RateLimit-Remaining', 'Docker-RateLimit-Source', 'X-Request-Id'];
  const headers = [...plain, 'Age', '3', 'Content-Length', '5', ...personal.flatMap((name) => [name, 'x'])];
  t.strictSame(describingHeaders([...headers, 'Warning', '1', 'warning', '2']), [
    ...plain,
    'Warning',
    '1',
    'warning',
    '2',
  ]);
  const before = ['ETag', '"a"', 'Date', 'yesterday', 'Content-Length', '5', 'Warning', '1'];
  t.strictSame(
    freshened(before, ['date', 'today', 'warning', '2', 'warning', '3']),
    ['ETag', '"a"', 'Content-Length', '5', 'date', 'today', 'warning', '2', 'warning', '3'],
    'what is said later replaces what was said before, field by field',
  );
  t.end();
});

t.test('If-None-Match', (t) => {
  const cases: [values: readonly string[], tags: '*' | readonly string[] | undefined][] = [
    [['"a"'], ['"a"']],
    [['W/"a"'], ['W/"a"']],
    [['"a", "b"'], ['"a"', '"b"']],
    [
      ['"a"', 'W/"b"'],
      ['"a"', 'W/"b"'],
    ],
    [[' ,, "a" ,\t"b,c" ,'], ['"a"', '"b,c"']],
    [['""'], ['""']],
    [['"\xe9"'], ['"\xe9"']],
    [['*'], '*'],
    [[' * '], '*'],
    [['*', '"a"'], undefined],
    [['"a", *'], undefined],
    [['"a" "b"'], undefined],
    [['"a""b"'], undefined],
    [['a'], undefined],
    [[digest], undefined],
    [['"a'], undefined],
    [['w/"a"'], undefined],
    [['W/ "a"'], undefined],
    [['"a b"'], undefined],
    [['"a";q=1'], undefined],
    [[''], undefined],
    [[' , '], undefined],
  ];
  for (const [values, tags] of cases) t.strictSame(parseNoneMatch(values), tags, JSON.stringify(values));
  const knows = (value: string, entityTag: string): boolean | undefined => {
    const condition = parseNoneMatch([value]);
    return condition && isKnownTo(condition, entityTag);
  };
  t.equal(knows('"a"', '"a"'), true);
  t.equal(knows('W/"a"', '"a"'), true, 'the comparison is the weak one');
  t.equal(knows('"a"', 'W/"a"'), true);
  t.equal(knows('"b", "a"', '"a"'), true);
  t.equal(knows('"b"', '"a"'), false);
  t.equal(knows('"A"', '"a"'), false);
  t.equal(knows('*', '"a"'), true);
  t.end();
});

t.test('If-None-Match: what is printed is read, and a long one in no time', (t) => {
  const etagc = fc
    .integer({ min: 0x21, max: 0xff })
    .filter((code) => code !== 0x22 && code !== 0x7f && !(code > 0x7f && code < 0x80));
  const tag = fc
    .tuple(fc.boolean(), fc.array(etagc, { maxLength: 8 }))
    .map(([isWeak, codes]) => `${isWeak ? 'W/' : ''}"${String.fromCharCode(...codes)}"`);
  const gap = fc.constantFrom(',', ' , ', ',\t', ',,', ' ,, ');
  fc.assert(
    fc.property(fc.array(fc.tuple(tag, gap), { minLength: 1, maxLength: 6 }), (parts) => {
      const printed = parts.map(([one, between]) => one + between).join('');
      t.strictSame(
        parseNoneMatch([printed]),
        parts.map(([one]) => one),
      );
    }),
  );
  fc.assert(
    fc.property(
      fc.string({ maxLength: 30, unit: fc.constantFrom('"', 'W', '/', ',', ' ', 'a', '*') }),
      (text) => {
        const tags = parseNoneMatch([text]);
        if (tags === undefined || tags === '*') return;
        t.strictSame(tags.join('').replace(/\s|,/g, ''), text.replace(/\s|,/g, ''), 'nothing is skipped');
      },
    ),
  );
  for (const long of [
    '"a",'.repeat(8_000),
    `${' ,'.repeat(16_000)}x`,
    'W/'.repeat(16_000),
    '"'.repeat(32_000),
  ]) {
    const startMs = performance.now();
    parseNoneMatch([long]);
    t.ok(performance.now() - startMs < 200, long.slice(0, 4));
  }
  t.end();
});

t.test('what is changed is known as changed, whatever is forgotten', (t) => {
  const names = fc.constantFrom(...['a', 'b', 'c', 'd', 'e', 'f'].map((name) => name as Repository));
  const steps = fc.array(fc.oneof(names, fc.constant('ask' as const), fc.constant('all' as const)), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), steps, (limit, all) => {
      const changes = new RepositoryChanges(limit);
      const asked: { readonly at: number; readonly moment: number }[] = [];
      all.forEach((step, at) => {
        if (step === 'ask') asked.push({ at, moment: changes.now() });
        else changes.note(step === 'all' ? undefined : step);
        for (const { at: since, moment } of asked) {
          const later = all.slice(since + 1, at + 1);
          for (const name of later.filter((it) => it !== 'ask' && it !== 'all'))
            if (!changes.hasChangedSince(name as Repository, moment)) throw new Error(`${name} was changed`);
          if (later.includes('all') && !changes.hasChangedSince('z' as Repository, moment))
            throw new Error('any may have been changed');
        }
      });
    }),
  );
  const changes = new RepositoryChanges(2);
  changes.note('a' as Repository);
  const moment = changes.now();
  t.notOk(changes.hasChangedSince('a' as Repository, moment));
  changes.note('b' as Repository);
  t.notOk(changes.hasChangedSince('a' as Repository, moment), 'another one');
  changes.note('a' as Repository);
  t.ok(changes.hasChangedSince('a' as Repository, moment));
  for (const name of ['c', 'd', 'e']) changes.note(name as Repository);
  t.ok(changes.hasChangedSince('b' as Repository, moment), 'forgotten is changed');
  t.notOk(changes.hasChangedSince('x' as Repository, changes.now()), 'what is asked now is not');
  t.end();
});

t.test('headers have no case, and values no order but theirs', (t) => {
  const list = ['A', '1', 'b', '2', 'a', '3', 'AB', '4', 'B', '5'];
  t.strictSame(headerValues(list, 'a'), ['1', '3']);
  t.strictSame(headerValues(list, 'b'), ['2', '5']);
  t.strictSame(headerValues(list, 'c'), []);
  t.strictSame(headerValues(['a'], 'a'), [], 'a name without a value');
  t.end();
});
