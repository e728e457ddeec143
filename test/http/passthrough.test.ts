import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { headerValues } from '../../src/core/header-list.ts';
import { ask, headerOf, refusalOf } from '../fixtures/ask.ts';
import { climbs } from '../fixtures/climbs.ts';
import { startNginx } from '../fixtures/nginx.ts';
import { sendRaw } from '../fixtures/raw.ts';
import { rawMessage } from '../fixtures/raw-message.ts';
import { rulesElsewhere, startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import { bodyOf, startUpstream, type Script, type ScriptedUpstream } from '../fixtures/upstream.ts';

const allMethods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'];
const configuration = `passthrough:
  - /ui
  - { prefix: /auth, methods: [${allMethods.join(', ')}] }
`;

async function startPassing(
  t: Test,
  script?: Script,
): Promise<{ upstream: ScriptedUpstream; tagwarden: Tagwarden; url: string }> {
  const upstream = await startUpstream(t, script);
  const tagwarden = await startTagwarden(t, {
    ...{ upstream: upstream.url, rules: rulesElsewhere, config: configuration },
  });
  return { upstream, tagwarden, url: tagwarden.url };
}

function answerAndClose(...lines: readonly string[]): Script {
  return (req) => void req.socket.end(Buffer.from(lines.join('\r\n'), 'latin1'));
}

t.test('no way up from a prefix into the registry, before an nginx that cleans paths', async (t) => {
  const upstream = await startUpstream(t);
  const nginx = await startNginx(t, upstream.url);
  const tagwarden = await startTagwarden(t, {
    upstream: nginx,
    rules: rulesElsewhere,
    config: configuration,
  });
  const past = { host: '127.0.0.1', port: Number(new URL(nginx).port) };
  const heard = (): readonly string[] => upstream.requests.map(({ method, target }) => `${method} ${target}`);
  const targets = climbs();

  for (const target of targets) {
    const before = heard().length;
    for (const method of allMethods) {
      await sendRaw(tagwarden, rawMessage({ method, target, body: method.startsWith('P') ? 'x' : '' }));
    }
    const wrong = heard()
      .slice(before)
      .filter(
        (line) =>
          !/^[A-Z]+ \/auth(?:[/?]|$)/.test(line) ||
          /%2e|%2f|%5c|\/\.{1,2}(?:\/|$)/i.test(line.split('?')[0] ?? ''),
      );
    t.same(wrong, [], target);
  }
  const between = heard().length;
  for (const target of targets) await sendRaw(past, rawMessage({ method: 'PUT', target, body: 'x' }));
  const moved = heard()
    .slice(between)
    .filter((line) => line === 'PUT /v2/prod/app/manifests/latest').length;
  t.ok(moved >= 40, `${moved} of ${targets.length} would have moved the tag, past Tagwarden`);
  t.equal((await ask(`${tagwarden.url}/auth/x?y=%2F`, { method: 'POST' })).status, 200);
  t.equal(heard().at(-1), 'POST /auth/x?y=%2F', 'what is listed is passed on');
});

t.test('what is not listed', async (t) => {
  const { upstream, url } = await startPassing(t);
  for (const path of [
    '/',
    '/uix',
    '/ui2/x',
    '/u',
    '/UI',
    '/Ui/x',
    '/authx',
    '/v1/',
    '/v22/',
    '/jwt/auth',
    '/favicon.ico',
  ]) {
    for (const method of allMethods) {
      const answer = await ask(url + path, { method });
      t.equal(answer.status, 404, `${method} ${path}`);
    }
  }
  for (const path of ['/ui', '/ui/', '/ui/x']) {
    for (const method of ['OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'PURGE']) {
      t.match(refusalOf(await ask(url + path, { method })), /^405 UNSUPPORTED/, `${method} ${path}`);
    }
  }
  t.match(refusalOf(await ask(`${url}/auth/x`, { method: 'MKCOL' })), /^405 UNSUPPORTED/);
  t.same(upstream.requests, [], 'the upstream heard nothing');
  for (const path of ['/ui', '/ui/', '/ui/x', '/ui/x.y/~z', '/ui/v2/x']) {
    t.equal((await ask(url + path)).status, 200, path);
    t.equal(upstream.requests.at(-1)?.target, path);
  }
  await ask(`${url}/ui/x%3Ay?a=b+c&&%64`);
  t.equal(upstream.requests.at(-1)?.target, '/ui/x:y?a=b%20c&d=', 'as it was judged, not as it was spelled');
});

t.test('a body passes, in its framing', async (t) => {
  const { upstream, url } = await startPassing(t, async (req, res) => {
    res.end(await bodyOf(req));
  });
  const body = Buffer.alloc(300_000, 'tagwarden');
  const inParts = async function* (): AsyncIterable<Buffer> {
    for (let at = 0; at < body.length; at += 70_000)
      yield await Promise.resolve(body.subarray(at, at + 70_000));
  };
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const whole = await ask(`${url}/auth/x`, { method, body, headers: ['Content-Type', 'a/b'] });
    t.ok(whole.body.equals(body), `${method} with a length`);
    t.equal(upstream.requests.at(-1)?.headers['content-length'], String(body.length));
    t.equal(upstream.requests.at(-1)?.headers['content-type'], 'a/b');
    const parts = await ask(`${url}/auth/x`, { method, body: inParts() });
    t.ok(parts.body.equals(body), `${method} in chunks`);
    t.equal(upstream.requests.at(-1)?.headers['content-length'], undefined);
  }
  const form = await ask(`${url}/auth/login`, {
    ...{ method: 'POST', body: Buffer.from('user=a&mount=b') },
    headers: ['Content-Type', 'application/x-www-form-urlencoded', 'Expect', '100-continue'],
  });
  t.equal(form.body.toString(), 'user=a&mount=b', 'forms are what web pages send');
  t.equal(upstream.requests.at(-1)?.headers['content-type'], 'application/x-www-form-urlencoded');
});

t.test('headers on the way there', async (t) => {
  const { upstream, tagwarden, url } = await startPassing(t);
  const dropped = [
    ...[
      'Forwarded',
      'X-Forwarded',
      'X-Forwarded-Prefix',
      'X-Real-IP',
      'X-HTTP-Method-Override',
      'X-Original-URL',
    ],
    ...[
      'X_Forwarded_Host',
      'X-Envoy-Retry-On',
      'TE',
      'Upgrade',
      'HTTP2-Settings',
      'X-Hop',
      'Proxy-Authorization',
    ],
  ];
  await ask(`${url}/ui/x`, {
    headers: [
      ...dropped.flatMap((name) => [name, 'evil.example']),
      ...['X-Forwarded-Host', 'evil.example', 'X-Forwarded-For', '10.0.0.1', 'X-Forwarded-Proto', 'ftp'],
      ...['Connection', 'X-Hop, Host', 'Cookie', 'a=1', 'Cookie', 'b=2', 'Accept', 'c/d', 'Accept', 'e/f'],
      ...['__proto__', 'x', 'constructor', 'y'],
    ],
  });
  const { rawHeaders, headers } = upstream.requests[0] ?? { rawHeaders: [] };
  for (const name of dropped) t.same(headerValues(rawHeaders, name.toLowerCase()), [], name);
  const address = `${tagwarden.host}:${tagwarden.port}`;
  t.same(headerValues(rawHeaders, 'host'), [address]);
  t.same(headerValues(rawHeaders, 'x-forwarded-host'), [address]);
  t.same(headerValues(rawHeaders, 'x-forwarded-for'), ['127.0.0.1']);
  t.same(headerValues(rawHeaders, 'x-forwarded-proto'), ['http']);
  t.match(headers, { cookie: 'a=1; b=2', accept: 'c/d, e/f', constructor: 'y' });
});

t.test('headers on the way back', async (t) => {
  const { upstream, tagwarden, url } = await startPassing(t);
  upstream.script = answerAndClose(
    ...[
      'HTTP/1.1 302 Found',
      `Location: ${upstream.url}/ui/login?x=%2F`,
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
    ],
    ...['Connection: X-Hop, close', 'X-Hop: 1', 'Alt-Svc: h3=":443"', 'Keep-Alive: timeout=9', 'Trailer: X'],
    ...['Transfer-Encoding: chunked', '', '2', 'ok', '0', 'X: y', 'Set-Cookie: c=3', '', ''],
  );
  const answer = await ask(`${url}/ui/x`);
  t.equal(headerOf(answer, 'Location'), `${url}/ui/login?x=%2F`, 'the upstream is not shown');
  t.same(headerValues(answer.headers, 'set-cookie'), ['a=1', 'b=2']);
  for (const name of ['x-hop', 'alt-svc', 'trailer']) t.same(headerValues(answer.headers, name), [], name);
  t.equal(answer.body.toString(), 'ok');

  upstream.script = (_, res) => void res.end('ok');
  const { responses, end } = await sendRaw(tagwarden, rawMessage({ target: '/ui/x', connection: 'close' }));
  t.equal(end, 'closed', 'a client that asks for the end gets it');
  t.match(responses, [{ status: 200 }]);
  const old = await sendRaw(tagwarden, rawMessage({ target: '/ui/x', version: 'HTTP/1.0' }));
  t.match(old.responses, [{ status: 200, body: Buffer.from('ok') }], 'HTTP/1.0');
});

t.test('an upstream that is gone, breaks off or answers what is no HTTP', async (t) => {
  const { upstream, tagwarden, url } = await startPassing(t);
  const strange = [
    ...[
      'HTTP/1.1 200 O\x01K',
      'HTTP/1.1 200 \xe4\xb8\x8d',
      'HTTP/1.1 099 Low',
      'HTTP/1.1 000 None',
      'HTTP/1.1 999 High',
    ],
    ...[
      'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade',
      'HTTP/1.1 200 OK\r\nX: a\x01b',
      'SSH-2.0-x',
    ],
    ...[
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2',
    ],
    ...[
      'HTTP/1.1 204 None\r\nContent-Length: 5',
      'HTTP/1.1 304 Same\r\nContent-Length: 5',
      'HTTP/1.1 103 Early\r\nLink: <a>',
    ],
  ];
  for (const path of ['/ui/x', '/v2/team/app/tags/list']) {
    for (const begin of strange) {
      upstream.script = answerAndClose(begin, '', '');
      const { responses } = await sendRaw(tagwarden, rawMessage({ target: path }));
      const split = responses.filter(
        ({ headers }) =>
          headerValues(headers, 'content-length').length + headerValues(headers, 'transfer-encoding').length >
          1,
      );
      t.same(split, [], `${path}: ${JSON.stringify(begin)}`);
      t.ok(responses.length <= 1);
    }
  }
  upstream.script = answerAndClose('HTTP/1.1 200 OK', 'Content-Length: 10', '', 'half');
  await t.rejects(ask(`${url}/ui/x`), 'half an answer is never a whole one');
  upstream.script = (req) => void req.socket.destroy();
  t.match(refusalOf(await ask(`${url}/ui/x`)), /^502 UNAVAILABLE: the upstream is gone/);
  upstream.script = (_, res) => void res.end('ok');
  t.equal((await ask(`${url}/ui/x`)).status, 200, 'and it goes on');

  const port = await closedPort();
  const config = configuration;
  const alone = await startTagwarden(t, {
    upstream: `http://127.0.0.1:${port}`,
    rules: rulesElsewhere,
    config,
  });
  const answer = await ask(`${alone.url}/ui/x`);
  t.match(refusalOf(answer), /^502 UNAVAILABLE: the upstream is gone/);
  t.equal(headerOf(answer, 'Content-Type'), 'application/json');
});

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
