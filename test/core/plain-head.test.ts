import fc from 'fast-check';
import t from 'tap';
import { parsePlainHead } from '../../src/core/plain-head.ts';

const head = (...lines: readonly string[]): string => ['HTTP/1.1 200 OK', ...lines].join('\r\n');

t.test('what is plain', (t) => {
  const plain = parsePlainHead(
    head('Content-Length: 12', 'Docker-Content-Digest:sha256:ab ', 'X: ', 'X: b\tc'),
  );
  t.same(plain, {
    status: 200,
    reason: 'OK',
    headers: ['Content-Length', '12', 'Docker-Content-Digest', 'sha256:ab', 'X', '', 'X', 'b\tc'],
    length: 12,
    isReusable: true,
  });
  const others = {
    'HTTP/1.1 206 Partial Content\r\ncontent-length: 0\r\nConnection: keep-alive': [206, 0, true],
    'HTTP/1.1 307 \r\nContent-Length: 7\r\nConnection: close': [307, 7, false],
    'HTTP/1.1 404 Not Found\r\nConnection: keep-alive, X-Y\r\nContent-Length: 000000000000009': [
      404,
      9,
      false,
    ],
  };
  for (const [text, expected] of Object.entries(others)) {
    const { status, length, isReusable } = parsePlainHead(text) ?? {};
    t.same([status, length, isReusable], expected, JSON.stringify(text));
  }
  t.end();
});

t.test('what somebody else has to read', (t) => {
  const length = 'Content-Length: 5';
  const refused = [
    '',
    ...['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.10', 'http/1.1', ' HTTP/1.1'].map(
      (version) => `${version} 200 OK\r\n${length}`,
    ),
    ...['100', '101', '199', '600', '20', '2000', '+200', 'OK'].map((it) => `HTTP/1.1 ${it}\r\n${length}`),
    ...['204', '205', '304'].map((status) => `HTTP/1.1 ${status} x\r\n${length}`),
    ...['\x0b', '\x00', '\n', '\r', 'é', '\x7f'].map((odd) => `HTTP/1.1 200 O${odd}K\r\n${length}`),
    head(),
    head(length, length),
    head(length, 'content-length: 6'),
    ...['', '+5', '-5', '5, 5', '5 5', '0x5', '5.0', '1'.repeat(16), 'five', '5\x0b'].map((it) =>
      head(`Content-Length: ${it}`),
    ),
    head('Content-Length : 5'),
    head(' Content-Length: 5'),
    head(length, ' folded'),
    head(length, '\tfolded'),
    head(length, ''),
    head(length, 'no colon'),
    head(length, ': no name'),
    head(length, 'X\x00: y'),
    head(length, 'X Y: z'),
    head(length, 'X: y\nTransfer-Encoding: chunked'),
    head(length, 'X: y\rTransfer-Encoding: chunked'),
    head(length, 'X: é'),
    head(length, 'X: \x00'),
    head(length, 'Transfer-Encoding: chunked'),
    head('Transfer-Encoding: identity', length),
    head(length, 'Trailer: X'),
    head(length, 'Upgrade: h2c'),
  ];
  for (const text of refused) t.equal(parsePlainHead(text), undefined, JSON.stringify(text));
  t.end();
});

t.test('whatever is put into a plain head, it is read as it is written, or not at all', (t) => {
  const odd = fc.constantFrom(
    '\r',
    '\n',
    '\r\n',
    '\0',
    ':',
    ' ',
    '\t',
    ',',
    ';',
    '5',
    'Content-Length: 1',
    'é',
    '\x0b',
  );
  const text = fc
    .array(fc.oneof(odd, fc.string({ maxLength: 4 })), { maxLength: 8 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, text, (name, value) => {
      const text = head('Content-Length: 5', `${name}:${value}`, 'X-Last: 1');
      const plain = parsePlainHead(text);
      if (!plain) return;
      const { length, headers } = plain;
      t.equal(length, 5);
      t.ok(
        headers.every((it) => /^[\t -~]*$/.test(it)),
        'nothing that ends a line',
      );
      t.equal(headers.length, 2 * (text.split('\r\n').length - 1), 'as many headers as there are lines');
    }),
    { numRuns: 2_000 },
  );
  t.end();
});
