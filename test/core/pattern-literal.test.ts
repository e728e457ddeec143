import { ok, strictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import {
  hasLiteral,
  literalThatIsAll,
  requiredLiteral,
  type Literal,
} from '../../src/core/pattern-literal.ts';
import { checkedTagPattern } from '../../src/core/pattern.ts';

function words({ place, text }: Literal): string {
  return `${place} ${text}`;
}

t.test('the literal that a pattern requires', (t) => {
  const table: [source: string, literal: string][] = [
    ['^v\\d+\\.\\d+', 'start v'],
    ['^release-17-\\d+$', 'start release-17-'],
    ['^v.*-release-17$', 'anywhere -release-17'],
    ['^(dev|test)-17-.*', 'anywhere -17-'],
    ['nightly[0-9]+', 'anywhere nightly'],
    ['a(b|c)?de+f', 'anywhere de'],
    ['(?P<name>a|b)\\|c', 'anywhere |c'],
    ['[]|(]foo', 'anywhere foo'],
  ];
  for (const [source, literal] of table) t.equal(words(requiredLiteral(source)), literal, source);
  for (const source of ['.*', 'a|b', '^a|b', '(?i)^V', 'a(?i)b', 'a*', 'a{0}', '\\x61b', '\\Qa|b\\E', 'ä']) {
    t.equal(words(requiredLiteral(source)), 'start ', `${source} requires nothing that can be told`);
  }
  t.equal(words(requiredLiteral('^*ab')), 'anywhere ab', 'a start that may be absent');
  t.equal(words(requiredLiteral('a😀?')), 'anywhere a', 'a character of two units');
  t.end();
});

t.test('patterns that are a literal and nothing else', (t) => {
  const table: [source: string, literal: string][] = [
    ['^latest$', 'whole latest'],
    ['^v1\\.', 'start v1.'],
    ['-rc$', 'end -rc'],
    ['stable', 'anywhere stable'],
    ['\\^\\$', 'anywhere ^$'],
  ];
  for (const [source, literal] of table) {
    const found = literalThatIsAll(source);
    t.equal(found && words(found), literal, source);
  }
  for (const source of ['', '^', '^$', '.', 'a.', 'a+', 'a\\d', '\\Qa', 'a|b', 'a\\', 'ä', 'a\n']) {
    t.equal(literalThatIsAll(source), undefined, JSON.stringify(source));
  }
  t.end();
});

// Pieces of RE2's syntax, thrown together: most that compile mean something odd.
const pieces = [
  ...['a', 'b', 'ab', '-', '1', '.', ',', ']', '}', ' ', '_'],
  ...['\\.', '\\-', '\\|', '\\(', '\\[', '\\\\', '\\_', '\\d', '\\W', '\\b', '\\B', '\\A', '\\z', '\\pL'],
  ...['\\x61', '\\x{62}', '\\141', '\\Q', '\\E', '\\Qa|\\E', '😀', 'ä', 'ſ', '\n'],
  ...[
    '[ab]',
    '[^a]',
    '[]a]',
    '[^]a]',
    '[[:alpha:]]',
    '[^[:digit:]-]',
    '[|(]',
    '[\\]a]',
    '[)]',
    '[a&&b]',
    '[😀a]',
  ],
  ...['^', '$', '|', '(', '(?:', '(?i)', '(?i:', '(?s)', '(?-i)', '(?P<n>', '(?<m>', ')', '()'],
  ...['*', '+', '?', '??', '+?', '{0}', '{0,1}', '{1}', '{2,}', '{,2}', '{', '{a}'],
];
const soup = fc
  .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 8 })
  .map((parts) => parts.join(''));
/** What is more likely to compile: atoms with quantifiers, in groups, with alternatives. */
const { grown } = fc.letrec<{ grown: string; atom: string; part: string }>((tie) => ({
  atom: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...pieces.slice(0, pieces.indexOf('^'))) },
    fc.tuple(fc.constantFrom('(', '(?:', '(?i:'), tie('grown')).map(([open, inner]) => `${open}${inner})`),
  ),
  part: fc
    .tuple(tie('atom'), fc.constantFrom('', '', '', '*', '+', '?', '{0}', '{2}', '*?', '{0,1}'))
    .map((part) => part.join('')),
  grown: fc
    .tuple(
      fc.constantFrom('', '^'),
      fc.array(tie('part'), { maxLength: 5 }).map((parts) => parts.join('')),
      fc.constantFrom('', '$', '|', '|a'),
    )
    .map((part) => part.join('')),
}));
const text = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'A', '1', '-', '.', '_', '|', '(', ',', ']', '}', ' '), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));

function compiled(source: string): RE2JS | undefined {
  try {
    return RE2JS.compile(source);
  } catch {
    return undefined;
  }
}

t.test('no literal is required that RE2 does without; and a pattern means what it means to RE2', (t) => {
  let [valid, matched, told] = [0, 0, 0];
  const property = fc.property(
    fc.oneof(soup, grown),
    fc.array(text, { minLength: 5, maxLength: 20 }),
    (source, texts) => {
      const program = compiled(source);
      if (!program) return;
      valid += 1;
      const literal = requiredLiteral(source);
      if (literal.text !== '') told += 1;
      const pattern = checkedTagPattern(source);
      for (const text of texts) {
        const matches = program.test(text);
        if (matches) matched += 1;
        ok(!matches || hasLiteral(text, literal), `${source} matches ${text} without ${words(literal)}`);
        ok(
          !matches || hasLiteral(text, pattern.literal),
          `${source} matches ${text}, not found by its literal`,
        );
        strictEqual(pattern.matches(text), matches, `${source} on ${text}`);
      }
    },
  );
  fc.assert(property, { numRuns: 10_000 });
  t.ok(valid > 3_000 && told > 500 && matched > 10_000, `${valid} valid, ${told} told, ${matched} matches`);
  t.end();
});

t.test('what is but a literal is valid RE2, and means the same', (t) => {
  const plain = fc
    .tuple(
      fc.constantFrom('', '^'),
      fc.array(fc.constantFrom('a', 'b', '1', '-', '_', '\\.', '\\-', '\\_', '\\|', '\\^', '\\$', '\\\\'), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.constantFrom('', '$'),
    )
    .map(([start, parts, end]) => `${start}${parts.join('')}${end}`);
  let matched = 0;
  fc.assert(
    fc.property(plain, fc.array(text, { minLength: 10, maxLength: 20 }), (source, texts) => {
      const literal = literalThatIsAll(source);
      ok(literal, source);
      const program = RE2JS.compile(source);
      for (const candidate of [...texts, literal.text, `a${literal.text}`, `${literal.text}a`]) {
        if (program.test(candidate)) matched += 1;
        strictEqual(hasLiteral(candidate, literal), program.test(candidate), `${source} on ${candidate}`);
      }
    }),
    { numRuns: 3_000 },
  );
  t.ok(matched > 3_000, `${matched} matches`);
  t.end();
});
