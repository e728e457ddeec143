import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { isJsonArray, isJsonObject, readJson, type JsonNode } from '../../src/core/json-document.ts';

/** What a plain reader makes of it: the last of several equal keys wins. */
function plain(node: JsonNode): unknown {
  if (isJsonArray(node)) return node.items.map(plain);
  if (isJsonObject(node)) return Object.fromEntries(node.members.map(([key, value]) => [key, plain(value)]));
  return typeof node === 'object' && node !== null ? Number(node.number) : node;
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function sameAsJsonParse(text: string): void {
  const node = readJson(text);
  deepStrictEqual(node === undefined ? undefined : { value: plain(node) }, parsed(text), text);
}

t.test('keys stay as they are written, however often', (t) => {
  t.same(readJson(' { "a" : 1, "A":[ ], "\\u0061":{}, "__proto__": null }\n'), {
    members: [
      ['a', { number: '1' }],
      ['A', { items: [] }],
      ['a', { members: [] }],
      ['__proto__', null],
    ],
  });
  t.same(readJson('[true,false,"\\ud83d\\ude00\\/",-0.50E+7,1e400]'), {
    items: [true, false, '😀/', { number: '-0.50E+7' }, { number: '1e400' }],
  });
  t.equal(readJson('null'), null, 'a value, not the lack of one');
  t.equal(readJson('""'), '');
  t.end();
});

t.test('what is not one JSON value as a whole is refused', (t) => {
  const texts = [
    ...[
      '',
      ' ',
      '{',
      '[',
      '}',
      ']',
      '{]',
      '[}',
      '[1',
      '[1 2]',
      '[1,]',
      '[,1]',
      '[1,,2]',
      '[]]',
      '1 2',
      '{}{}',
    ],
    ...['{"a"}', '{"a":}', '{"a":1,}', '{,}', '{a:1}', '{1:1}', '{"a":1 "b":2}', '{"a",1}', '["a":1]', ':'],
    ...['01', '-', '+1', '1.', '.5', '1e', '1e+', '0x1', '--1', 'NaN', 'Infinity', '１'],
    ...['tru', 'True', 'nulll', 'truefalse', 'undefined'],
    ...['"', '"a', '"\\"', '"\\', '"\\x"', '"\\u12"', '"\\u12g4"', '"\n"', '"\t"', '"\0"', '"a" "b"', "'a'"],
    ...['\ufeff{}', '{}\ufeff', '{}\0', '\v{}', '\f1', '\u00a01', '\u20281', '[1]//', '/**/1', '{"\\q":1}'],
  ];
  for (const text of texts) {
    t.equal(readJson(text), undefined, encodeURI(text));
    t.equal(parsed(text), undefined, 'nor does JSON.parse take it');
  }
  t.end();
});

t.test('200 levels and no more, of arrays and of objects', (t) => {
  const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  const objects = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
  for (const nested of [arrays, objects]) {
    t.not(readJson(nested(200)), undefined);
    t.equal(readJson(nested(201)), undefined);
    t.equal(readJson(nested(500_000)), undefined, 'nor does the stack overflow');
  }
  t.not(readJson(`[${`${arrays(199)},`.repeat(9)}1]`), undefined, 'depth, not count');
  t.end();
});

t.test('long texts take time by their length, and no stack', (t) => {
  const times = 4_000_000;
  const start = process.cpuUsage();
  t.equal(readJson(`"${'\\n'.repeat(times)}"`), '\n'.repeat(times));
  t.equal(readJson(`"${'\\"'.repeat(times)}`), undefined, 'left open');
  t.equal(readJson(`${' '.repeat(times)}x`), undefined);
  t.equal(readJson(`${'1'.repeat(times)}x`), undefined);
  t.same(readJson('1'.repeat(times)), { number: '1'.repeat(times) });
  t.ok(process.cpuUsage(start).user < 20_000_000, 'microseconds');
  t.end();
});

const pieces = fc.constantFrom(
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '""',
    '"a"',
    '"A"',
    '"\\u0061"',
    '\\u',
    '\\n',
    '\\"',
    '\n',
    ' ',
  ],
  ...[
    '0',
    '1',
    '-',
    '+',
    '.',
    'e',
    'E',
    '12',
    'true',
    'false',
    'null',
    '{}',
    '[]',
    '"a":',
    '{"a":1}',
    '\ufeff',
  ],
);
const thrownTogether = fc.array(pieces, { maxLength: 12 }).map((list) => list.join(''));
const jsonTexts = fc
  .tuple(fc.jsonValue({ noUnicodeString: false }), fc.constantFrom('', '\t', ' \n\r'))
  .map(([value, indent]) => JSON.stringify(value, null, indent));

t.test('it takes the same texts as JSON.parse, and makes the same of them', (t) => {
  fc.assert(fc.property(jsonTexts, sameAsJsonParse));
  fc.assert(fc.property(thrownTogether, sameAsJsonParse), { numRuns: 3_000 });
  fc.assert(fc.property(fc.string({ unit: 'binary' }), sameAsJsonParse));
  t.end();
});

t.test('so it does where one piece of a text is replaced', (t) => {
  const damaged = fc
    .tuple(jsonTexts, fc.nat(), fc.nat({ max: 2 }), pieces)
    .map(([text, at, length, piece]) => {
      const start = at % (text.length + 1);
      return text.slice(0, start) + piece + text.slice(start + length);
    });
  fc.assert(fc.property(damaged, sameAsJsonParse), { numRuns: 3_000 });
  t.end();
});

t.test('where keys are there twice the last is what a plain reader takes', (t) => {
  const keys = fc.constantFrom('a', 'A', 'b', '', '__proto__', 'constructor');
  const written = fc
    .array(fc.tuple(keys, fc.jsonValue({ maxDepth: 1 })), { maxLength: 6 })
    .map((pairs) => pairs.map(([key, value]): [string, string] => [key, JSON.stringify(value)]));
  fc.assert(
    fc.property(written, (pairs) => {
      const text = `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
      sameAsJsonParse(text);
      const node = readJson(text) ?? null;
      strictEqual(isJsonObject(node) && node.members.length, pairs.length);
    }),
  );
  t.end();
});
