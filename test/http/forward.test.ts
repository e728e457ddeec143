import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { headerValues } from '../../src/core/header-list.ts';
import { ask, headerOf, refusalOf } from '../fixtures/ask.ts';
import { answerRaw, blob, manifest, session, startFront, uploads } from '../fixtures/front.ts';
import type { Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

t.test('request headers', async (t) => {
  const { upstream, tagwarden, url } = await startFront(t);
  await ask(`${url}${blob}`, {
    headers: [
      ...['Accept', 'a/b', 'accept', 'c/d', 'X-Meta', 'caf\u00e9', 'Authorization', 'Basic eA=='],
      ...['Connection', 'X-Hop, close', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'TE', 'trailers'],
      ...[
        'X-Forwarded-Host',
        'evil.example',
        'Forwarded',
        'host=evil.example',
        'X-HTTP-Method-Override',
        'PUT',
      ],
      ...['Upgrade', 'h2c', 'HTTP2-Settings', 'AAMAAABk'],
    ],
  });
  const { rawHeaders, target } = upstream.requests[0] ?? { rawHeaders: [] };
  t.equal(target, blob);
  t.same(headerValues(rawHeaders, 'accept'), ['a/b', 'c/d'], 'repeated ones stay repeated');
  t.same(headerValues(rawHeaders, 'x-meta'), ['caf\u00e9'], 'bytes over 127');
  t.same(headerValues(rawHeaders, 'authorization'), ['Basic eA==']);
  const address = `${tagwarden.host}:${tagwarden.port}`;
  t.same(headerValues(rawHeaders, 'host'), [address], 'the Host that the client used');
  t.same(headerValues(rawHeaders, 'x-forwarded-host'), [address]);
  t.same(headerValues(rawHeaders, 'x-forwarded-for'), ['127.0.0.1']);
  for (const name of [
    'x-hop',
    'keep-alive',
    'te',
    'forwarded',
    'x-http-method-override',
    'upgrade',
    'http2-settings',
  ]) {
    t.same(headerValues(rawHeaders, name), [], name);
  }
});

t.test('response headers, and a reason in any language', async (t) => {
  const { upstream, url } = await startFront(
    t,
    answerRaw(
      'HTTP/1.1 200 Sehr wohl',
      ...['Link: <a>; rel="next"', 'link: <b>', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Meta: caf\u00e9'],
      ...[
        'OCI-Tag: v1',
        'Connection: X-Hop',
        'X-Hop: 1',
        'Alt-Svc: h3=":443"',
        'Content-Length: 2',
        '',
        'ok',
      ],
    ),
  );
  const answer = await ask(`${url}${blob}`);
  t.equal(answer.reason, 'Sehr wohl');
  t.same(headerValues(answer.headers, 'link'), ['<a>; rel="next"', '<b>']);
  t.same(headerValues(answer.headers, 'set-cookie'), ['a=1', 'b=2']);
  t.same(headerValues(answer.headers, 'x-meta'), ['caf\u00e9']);
  t.ok(answer.headers.includes('OCI-Tag'), 'case is kept');
  t.same(headerValues(answer.headers, 'x-hop'), []);
  t.same(headerValues(answer.headers, 'alt-svc'), []);
  t.equal(answer.body.toString(), 'ok');

  for (const reason of ['', 'D\u00e9sol\u00e9', Buffer.from('失败').toString('latin1')]) {
    upstream.script = answerRaw(`HTTP/1.1 404 ${reason}`, 'Content-Length: 4', '', 'gone');
    t.match(await ask(`${url}${blob}`), { status: 404, body: Buffer.from('gone') }, `reason ${reason}`);
  }
});

t.test('answers of every kind', async (t) => {
  const { upstream, url } = await startFront(t);
  const cases: [what: string, method: string, lines: string[], expected: object][] = [
    [
      'part of a blob',
      'GET',
      ['HTTP/1.1 206 Partial Content', 'Content-Range: bytes 2-5/10', 'Content-Length: 4', '', 'cdef'],
      { status: 206, body: Buffer.from('cdef') },
    ],
    [
      'a range outside',
      'GET',
      ['HTTP/1.1 416 Range Not Satisfiable', 'Content-Range: bytes */10', 'Content-Length: 0', '', ''],
      { status: 416, body: Buffer.alloc(0) },
    ],
    [
      'a redirect to object storage',
      'GET',
      [
        'HTTP/1.1 307 Temporary Redirect',
        'Location: https://s3.example/x?sig=a%2Fb',
        'Content-Length: 0',
        '',
        '',
      ],
      { status: 307 },
    ],
    [
      'not modified',
      'GET',
      ['HTTP/1.1 304 Not Modified', 'ETag: "x"', 'Content-Length: 7', '', ''],
      { status: 304 },
    ],
    ['no content', 'GET', ['HTTP/1.1 204 No Content', 'Content-Length: 0', '', ''], { status: 204 }],
    ['HEAD with length', 'HEAD', ['HTTP/1.1 200 OK', 'Content-Length: 1234567', '', ''], { status: 200 }],
    [
      'HEAD of what is absent',
      'HEAD',
      ['HTTP/1.1 404 Not Found', 'Content-Length: 89', '', ''],
      { status: 404 },
    ],
    [
      'an empty body',
      'GET',
      ['HTTP/1.1 200 OK', 'Content-Length: 0', '', ''],
      { status: 200, body: Buffer.alloc(0) },
    ],
    [
      'chunks with an extension and a trailer',
      'GET',
      [
        'HTTP/1.1 200 OK',
        'Transfer-Encoding: chunked',
        'Trailer: X-T',
        '',
        '2;a=b',
        'ok',
        '0',
        'X-T: 1',
        '',
        '',
      ],
      { status: 200, body: Buffer.from('ok') },
    ],
    [
      'early hints before it',
      'GET',
      ['HTTP/1.1 103 Early Hints', 'Link: <x>', '', 'HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok'],
      { status: 200, body: Buffer.from('ok') },
    ],
  ];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => {
    agent.destroy();
  });
  const headersOf = { 304: ['content-length', '7'], 416: ['content-range', 'bytes */10'] } as const;
  for (const [what, method, lines, expected] of cases) {
    upstream.script = answerRaw(...lines);
    const answer = await ask(`${url}${blob}`, { method, agent, headers: ['Range', 'bytes=2-5'] });
    t.match(answer, expected, what);
    for (const [status, [name, value]] of Object.entries(headersOf)) {
      if (answer.status === Number(status)) t.equal(headerOf(answer, name), value, `${what}: ${name}`);
    }
    if (what === 'HEAD with length') t.equal(headerOf(answer, 'content-length'), '1234567', what);
    if (answer.status === 204) t.equal(headerOf(answer, 'content-length'), undefined, what);
    if (answer.status === 307) t.equal(headerOf(answer, 'location'), 'https://s3.example/x?sig=a%2Fb', what);
    t.equal(upstream.requests.at(-1)?.headers.range, 'bytes=2-5');
  }
});

t.test('connections to the upstream are used again', async (t) => {
  const { upstream, url } = await startFront(t, (_, res) => void res.end('ok'));
  const sockets = new Set<object>();
  upstream.script = (req, res) => {
    sockets.add(req.socket);
    res.end('ok');
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.teardown(() => {
    agent.destroy();
  });
  await Promise.all(Array.from({ length: 200 }, () => ask(`${url}${blob}`, { agent })));
  t.equal(upstream.requests.length, 200);
  t.ok(sockets.size <= 5, `${sockets.size} connections for 200 requests over 4`);
});

t.test('pipelined requests are answered in their order, and each once', async (t) => {
  const { tagwarden } = await startFront(t, async (req, res) => {
    const place = Number(new URL(req.url ?? '', 'http://x').searchParams.get('n'));
    await sleep(60 - 10 * place);
    res.end(`<${place}>`);
  });
  const wire = await Wire.open(t, tagwarden);
  const request = (place: number): string => `GET ${blob}?n=${place} HTTP/1.1\r\nHost: x\r\n`;
  const all = [0, 1, 2, 3, 4].map(
    (place) => `${request(place)}${place === 4 ? 'Connection: close\r\n' : ''}\r\n`,
  );
  await wire.send(all.join(''));
  t.same((await wire.untilClosed()).match(/<\d>/g), ['<0>', '<1>', '<2>', '<3>', '<4>']);
});

t.test('HTTP/1.0 clients', async (t) => {
  const { upstream, tagwarden } = await startFront(t);
  upstream.script = (_, res) => {
    res.write('in ');
    res.end('chunks');
  };
  const plain = await Wire.open(t, tagwarden);
  await plain.send(`GET ${blob} HTTP/1.0\r\n\r\n`);
  const text = await plain.untilClosed();
  t.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nin chunks$/);
  t.notMatch(text, /transfer-encoding/i);
  t.equal(upstream.requests[0]?.headers.host, `${tagwarden.host}:${tagwarden.port}`, 'it sent no Host');

  upstream.script = (_, res) => void res.writeHead(200, { 'Content-Length': 2 }).end('ok');
  const lasting = await Wire.open(t, tagwarden);
  for (let count = 1; count <= 2; count++) {
    await lasting.send(`GET ${blob} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
    await lasting.until(new RegExp(`^(?:HTTP[^]*?\r\n\r\nok){${count}}$`));
  }
});

t.test('an upstream that closes a connection which waited in the pool', async (t) => {
  const { upstream, url } = await startFront(t);
  let failures = 0;
  let served = 0;
  const failing: Script = (req, res) => {
    if (failures > 0) {
      failures--;
      req.socket.destroy();
    } else {
      served++;
      res.end('ok');
    }
  };
  upstream.script = failing;
  await ask(`${url}${blob}`);
  for (const method of ['GET', 'HEAD']) {
    failures = 1;
    t.match(await ask(`${url}${blob}`, { method }), { status: 200 }, `${method} is sent once more`);
    failures = 2;
    const failed = await ask(`${url}${blob}`, { method });
    t.match(failed.status, 502, `${method} is not sent a third time`);
    if (method === 'GET') t.match(refusalOf(failed), /^502 UNAVAILABLE: /);
    t.equal(failures, 0);
  }
  for (const [method, path] of [
    ['POST', uploads],
    ['PATCH', session],
    ['PUT', session],
    ['PUT', manifest],
    ['DELETE', session],
    ['DELETE', manifest],
  ] as const) {
    failures = 1;
    const before = served;
    const answer = await ask(`${url}${path}`, {
      method,
      ...(method !== 'DELETE' && { body: Buffer.from('x') }),
    });
    t.match(refusalOf(answer), /^502 UNAVAILABLE: /, `${method} ${path} is never sent again`);
    t.equal(served, before);
  }
});
