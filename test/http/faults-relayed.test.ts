import t from 'tap';
import { ask, beginAnswer, headerOf, refusalOf } from '../fixtures/ask.ts';
import { blob, manifest, session, startFront, uploads } from '../fixtures/front.ts';
import type { Script } from '../fixtures/upstream.ts';

/** Reads, and writes that no rule covers: the upstream's behaviour is the client's to see. */
const reads = [
  ['GET', '/v2/'],
  ['GET', '/v2/_catalog'],
  ['GET', '/v2/team/app/tags/list'],
  ['GET', manifest],
  ['GET', blob],
  ['GET', session],
] as const;
const writes = [
  ['POST', uploads],
  ['PATCH', session],
  ['PUT', session],
  ['DELETE', session],
  ['PUT', manifest],
  ['DELETE', manifest],
] as const;
const all = [...reads, ...writes];

function bodyOf(method: string): { body?: Buffer } {
  return method === 'PATCH' || method === 'PUT' ? { body: Buffer.from('{}') } : {};
}

t.test('an answer is relayed, whatever it is', async (t) => {
  const { upstream, url } = await startFront(t);
  const statuses = [400, 401, 403, 404, 405, 408, 413, 416, 429, 500, 502, 503, 504, 599];
  for (const status of statuses) {
    upstream.script = (_, res) =>
      void res
        .writeHead(status, {
          'Retry-After': '7',
          'WWW-Authenticate': 'Bearer realm="x"',
          'Content-Type': 'text/html',
          'Content-Length': 17,
        })
        .end('<h1>as it is</h1>');
    for (const [method, path] of all) {
      const answer = await ask(url + path, { method, ...bodyOf(method) });
      t.same(
        [
          answer.status,
          answer.body.toString(),
          ...['retry-after', 'www-authenticate'].map((it) => headerOf(answer, it)),
        ],
        [status, '<h1>as it is</h1>', '7', 'Bearer realm="x"'],
        `${status} to ${method} ${path}`,
      );
    }
  }
  t.equal(upstream.requests.length, statuses.length * all.length, 'each was sent once');
});

t.test('an upstream that resets the connection: 502, or a cut where the answer has begun', async (t) => {
  const { upstream, url } = await startFront(t);
  const cuts: Script[] = [
    (req) => void req.socket.destroy(),
    (req) => void req.socket.resetAndDestroy(),
    (req) => void req.socket.end('HTTP/1.1 20'),
    (req) => void req.socket.end('HTTP/1.1 200 OK\r\nContent-Le'),
  ];
  for (const cut of cuts) {
    upstream.script = cut;
    for (const [method, path] of all) {
      const before = upstream.requests.length;
      const answer = await ask(url + path, { method, ...bodyOf(method) });
      t.match(refusalOf(answer), /^502 UNAVAILABLE: the upstream registry /, `${method} ${path}`);
      t.equal(
        upstream.requests.length - before,
        method === 'GET' ? 2 : 1,
        'only what is safe is sent once more',
      );
    }
  }
  const begun = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc';
  const chunk = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n';
  for (const bytes of [begun, chunk]) {
    upstream.script = (req) => void req.socket.end(bytes);
    for (const [method, path] of all.filter(([, path]) => path !== manifest || bytes === begun)) {
      const asked = ask(url + path, { method, ...bodyOf(method) });
      // The answer to what changes a manifest is read whole before it is relayed.
      if (method !== 'GET' && path === manifest) t.match(refusalOf(await asked), /^502 UNAVAILABLE: /);
      else await t.rejects(asked, { code: 'ECONNRESET' }, `${method} ${path}`);
    }
  }
});

t.test(
  'an upstream that is silent: 504 after the idle timeout, or a cut where the answer has begun',
  async (t) => {
    const flags = ['--upstream-idle-timeout-seconds', '1', '--claims-put-deadline-seconds', '1'];
    const { upstream, url } = await startFront(t, () => undefined, { flags });
    const startedAt = performance.now();
    await Promise.all(
      all.map(async ([method, path]) => {
        const answer = await ask(url + path, { method, ...bodyOf(method) });
        t.match(refusalOf(answer), /^504 UNAVAILABLE: /, `${method} ${path}`);
      }),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    t.ok(seconds > 0.9 && seconds < 6, `after ${seconds} s`);
    t.equal(upstream.requests.length, all.length, 'and nothing was sent again');
    upstream.script = (_, res) => void res.writeHead(200, { 'Content-Length': 9 }).write('abc');
    const message = await beginAnswer(url + blob);
    t.equal(message.statusCode, 200);
    await t.rejects(message.toArray(), { code: 'ECONNRESET' });
  },
);
