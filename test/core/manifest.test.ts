import t from 'tap';
import { digestsNamedIn } from '../../src/core/manifest.ts';

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
