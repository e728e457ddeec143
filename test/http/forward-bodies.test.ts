import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { ask, headerOf, refusalOf } from '../fixtures/ask.ts';
import {
  answerRaw,
  blob,
  digest,
  inChunks,
  manifest,
  session,
  startFront,
  uploads,
} from '../fixtures/front.ts';
import { answerOci } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

t.test('bodies of requests arrive as they were sent, in the framing in which they were sent', async (t) => {
  const bytes = randomBytes(5_000_011);
  const { upstream, url } = await startFront(t, (req, res) => {
    req.on('end', () => res.writeHead(202).end());
  });
  await ask(`${url}${session}`, { method: 'PATCH', body: bytes });
  await ask(`${url}${session}`, { method: 'PATCH', body: inChunks(bytes, [1, 70_000, 13, 4096]) });
  await ask(`${url}${session}?digest=${digest}`, { method: 'PUT' });
  await ask(`${url}${uploads}`, { method: 'POST' });
  const [fixed, chunked, put, post] = upstream.requests;
  t.equal(fixed?.headers['content-length'], String(bytes.length));
  t.equal(fixed?.headers['transfer-encoding'], undefined);
  t.equal(chunked?.headers['transfer-encoding'], 'chunked');
  t.equal(chunked?.headers['content-length'], undefined);
  for (const recorded of [fixed, chunked]) t.equal(sha256(recorded?.body ?? Buffer.alloc(0)), sha256(bytes));
  for (const recorded of [put, post]) t.equal(recorded?.headers['content-length'], '0');
});

t.test('bodies of answers arrive as they were sent', async (t) => {
  const bytes = randomBytes(5_000_011);
  const { upstream, url } = await startFront(t);
  upstream.script = (_, res) => void res.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
  const fixed = await ask(`${url}${blob}`);
  t.equal(headerOf(fixed, 'content-length'), String(bytes.length));
  upstream.script = async (_, res) => {
    for await (const chunk of inChunks(bytes, [1, 70_000, 13, 200_000])) res.write(chunk);
    res.end();
  };
  const chunked = await ask(`${url}${blob}`);
  t.equal(headerOf(chunked, 'transfer-encoding'), 'chunked');
  upstream.script = (req) => {
    req.socket.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\n'), bytes]));
  };
  const untilClose = await ask(`${url}${blob}`);
  for (const answer of [fixed, chunked, untilClose]) t.equal(sha256(answer.body), sha256(bytes));
});

t.test('what a read or a delete carries as a body stays here', async (t) => {
  const { upstream, tagwarden } = await startFront(t);
  const hidden = 'PUT /v2/team/app/manifests/latest HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n';
  for (const [method, path] of [
    ['GET', blob],
    ['DELETE', manifest],
  ] as const) {
    for (const body of [
      `Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
    ]) {
      const wire = await Wire.open(t, tagwarden);
      await wire.send(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${body}`);
      t.match(await wire.untilClosed(), /^HTTP\/1\.1 200 /, method);
      t.match(upstream.requests.at(-1), { method, target: path, body: Buffer.alloc(0), complete: true });
    }
  }
  t.equal(upstream.requests.length, 4);
});

t.test('a form is not forwarded as one: the registry would read the query from it', async (t) => {
  const { upstream, url } = await startFront(t, (_, res) => void res.writeHead(202).end());
  const body = Buffer.from('mount=x&from=secret');
  await ask(`${url}${uploads}`, {
    method: 'POST',
    body,
    headers: ['Content-Type', 'application/x-www-form-urlencoded'],
  });
  t.match(upstream.requests[0], { body, headers: { 'content-type': 'application/octet-stream' } });
});

t.test('Expect: 100-continue is answered here, and not sent on', async (t) => {
  const { upstream, tagwarden } = await startFront(t, (req, res) => {
    req.on('end', () => res.writeHead(202, { 'Content-Length': 0 }).end());
  });
  const wire = await Wire.open(t, tagwarden);
  await wire.send(
    `PATCH ${session} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
  );
  await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  await wire.send('hello');
  t.match(await wire.until(/202 Accepted[^]*\r\n\r\n/), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202 /);
  t.match(upstream.requests[0], { body: Buffer.from('hello'), headers: { 'content-length': '5' } });
  t.equal(upstream.requests[0]?.headers.expect, undefined);
});

t.test('a length that is not that of the body', async (t) => {
  const { upstream, url } = await startFront(t);
  upstream.script = answerRaw('HTTP/1.1 200 OK', 'Content-Length: 3', '', 'abcdef');
  const long = await ask(`${url}${blob}`);
  t.same([headerOf(long, 'content-length'), long.body.toString()], ['3', 'abc'], 'too much is left out');
  upstream.script = answerRaw('HTTP/1.1 200 OK', 'Content-Length: 2', '', 'ok');
  t.equal((await ask(`${url}${blob}`)).body.toString(), 'ok', 'and no beginning of the next answer');
  upstream.script = (req) => {
    req.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
  };
  await t.rejects(ask(`${url}${blob}`), { code: 'ECONNRESET' }, 'too little: the client sees a cut');
  upstream.script = answerRaw('HTTP/1.1 200 OK', 'Content-Length: 3', 'Content-Length: 4', '', 'abcd');
  t.match(refusalOf(await ask(`${url}${blob}`)), /^502 UNAVAILABLE: /, 'two lengths');
  upstream.script = answerRaw(
    'HTTP/1.1 200 OK',
    'Content-Length: 3',
    'Transfer-Encoding: chunked',
    '',
    '0',
    '',
    '',
  );
  t.match(refusalOf(await ask(`${url}${blob}`)), /^502 UNAVAILABLE: /, 'a length and chunks');
  upstream.script = answerRaw('ICY 200 OK', '', '');
  t.match(refusalOf(await ask(`${url}${blob}`)), /^502 UNAVAILABLE: /, 'no HTTP');
  upstream.script = answerRaw('HTTP/1.1 200 OK', `X: ${'x'.repeat(100_000)}`, '', '');
  t.match(refusalOf(await ask(`${url}${blob}`)), /^502 UNAVAILABLE: /, 'headers without end');
});

t.test('a redirect of a write is not relayed, and an answer before the end of the body is', async (t) => {
  const { upstream, url } = await startFront(t);
  const body = randomBytes(20_000_000);
  for (const status of [301, 302, 303, 307, 308]) {
    upstream.script = (_, res) => void res.writeHead(status, { Location: 'https://elsewhere/v2/' }).end();
    for (const [method, path] of [
      ['POST', uploads],
      ['PATCH', session],
      ['PUT', manifest],
      ['DELETE', manifest],
    ] as const) {
      const answer = await ask(`${url}${path}`, {
        method,
        ...(method === 'PUT' && { body: Buffer.from('{}') }),
      });
      t.match(refusalOf(answer), /^502 UNAVAILABLE: /, `${status} to ${method}`);
      t.equal(headerOf(answer, 'location'), undefined);
    }
  }
  upstream.script = (_, res) => {
    answerOci(res, 401, 'UNAUTHORIZED');
  };
  for (const sent of [body, inChunks(body, [60_000])]) {
    t.match(refusalOf(await ask(`${url}${session}`, { method: 'PATCH', body: sent })), /^401 UNAUTHORIZED/);
  }
});
