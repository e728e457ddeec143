import { strictEqual } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import {
  checkedTagPattern,
  compileRepositoryPattern,
  compileTagPattern,
  tagPatternLanguage,
} from '../../src/core/pattern.ts';

t.test('repository patterns: * is any run of characters, in any case, on the whole path', (t) => {
  const table: [pattern: string, matching: string[], others: string[]][] = [
    [
      'flightjs/flight',
      ['flightjs/flight', 'FlightJS/Flight'],
      ['flightjs/flight2', 'a/flightjs/flight', 'flightjs'],
    ],
    ['group/container-*', ['group/container-', 'group/container-prod/x'], ['group/container']],
    ['group/*container', ['group/container', 'group/a/container'], ['group/containers']],
    ['*', ['a', 'a/b/c'], []],
    ['a*a', ['aa', 'aba', 'a/a'], ['a']],
    ['a*b*b', ['abb', 'axbxb'], ['ab', 'abxbx']],
    ['a.b', ['a.b'], ['axb']],
    ['Host.COM:8080/*', ['host.com:8080/x'], ['host.com/x']],
  ];
  for (const [source, matching, others] of table) {
    const pattern = compileRepositoryPattern(source);
    for (const path of matching) t.ok(pattern.matches(path), `${source} matches ${path}`);
    for (const path of others) t.notOk(pattern.matches(path), `${source} does not match ${path}`);
  }
  t.end();
});

t.test('a repository pattern means what its regular expression would', (t) => {
  const text = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 8 }).map((pieces) => pieces.join(''));
  const source = fc
    .array(fc.constantFrom('a', 'b', '*', 'a/b'), { minLength: 1, maxLength: 6 })
    .map((p) => p.join(''));
  fc.assert(
    fc.property(source, text, (pattern, path) => {
      const expected = new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(path);
      strictEqual(compileRepositoryPattern(pattern).matches(path), expected);
    }),
    { numRuns: 5_000 },
  );
  t.end();
});

t.test('a pattern that does not compile is an error, never a rule that matches nothing', (t) => {
  for (const source of ['', '/a', 'a/', 'a//b', '^a', 'a b', 'a?', 'ä', 'a'.repeat(256)]) {
    t.throws(() => compileRepositoryPattern(source), { name: 'PatternError' }, `repository ${source}`);
  }
  for (const source of ['', '(', '[a', '(?=a)', '\\1', 'a'.repeat(1001), '(?<!a)b']) {
    t.throws(() => compileTagPattern(source), { name: 'PatternError' }, `tag ${source}`);
  }
  t.end();
});

t.test('tag patterns are RE2, unanchored and case-sensitive', (t) => {
  const table: [string, string, boolean][] = [
    ['ta', 'tag1', true],
    ['^latest$', 'latest', true],
    ['^latest$', 'latest2', false],
    ['stable|release', 'my-release-1', true],
    ['^v\\d+\\.\\d+', 'v1.0.2', true],
    ['^V', 'v1', false],
    ['(?i)^V', 'v1', true],
  ];
  for (const [source, tag, expected] of table)
    t.equal(compileTagPattern(source).matches(tag), expected, source);
  t.end();
});

t.test('fix: a pattern that backtracks for minutes elsewhere takes linear time', (t) => {
  const pattern = compileTagPattern('(a+)+$');
  const startedAt = performance.now();
  t.notOk(pattern.matches(`${'a'.repeat(120)}!`));
  t.ok(performance.now() - startedAt < 2_000, 'native regular expressions would not return in this process');
  t.end();
});

t.test('what was checked by another version of the language must be checked again', (t) => {
  const path = join(import.meta.dirname, '../../node_modules/re2js/package.json');
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
  t.equal(tagPatternLanguage, `re2js ${version}`, 'the constant names what is installed');
  t.throws(
    () => checkedTagPattern('a(').matches('a'),
    { name: 'PatternError' },
    'it never just does not match',
  );
  t.end();
});
