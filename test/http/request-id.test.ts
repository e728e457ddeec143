import { once } from 'node:events';
import { request } from 'node:http';
import t from 'tap';
import { headerValues } from '../../src/core/header-list.ts';
import { ask, headerOf, type Question } from '../fixtures/ask.ts';
import { dev, openBuiltin, service } from '../fixtures/builtin.ts';
import { immutableTags, isKept, startCached } from '../fixtures/cached.ts';
import { blob, manifest, startFront, uploads } from '../fixtures/front.ts';
import { eventually } from '../fixtures/eventually.ts';
import { logged } from '../fixtures/tagwarden.ts';
import { answerOci, type Script } from '../fixtures/upstream.ts';

/** A registry with an id of its own for every answer, and no manifests. */
const withItsOwn: Script = (req, res) => {
  res.setHeader('X-Request-ID', 'of-the-upstream');
  if (req.method === 'HEAD') res.writeHead(404).end();
  else if (req.method === 'GET' && req.url?.includes('/manifests/')) answerOci(res, 404, 'MANIFEST_UNKNOWN');
  else res.writeHead(req.method === 'GET' ? 200 : 201).end();
};

const config = 'passthrough: [/ui]\n';
let ids = 0;

interface Asked extends Question {
  readonly path: string;
  readonly status: number;
}

t.test(
  'the id of a request is on its answer, on all that is sent upstream for it, and in the log',
  async (t) => {
    const { upstream, tagwarden, url } = await startFront(t, withItsOwn, { rules: immutableTags, config });
    const cases: Readonly<Record<string, Asked>> = {
      'a ping': { path: '/v2/', status: 200 },
      'a blob': { path: blob, status: 200 },
      'a blob, without its body': { path: blob, method: 'HEAD', status: 404 },
      'a manifest': { path: manifest, status: 404 },
      'an upload': { path: uploads, method: 'POST', status: 201 },
      'a push, after a look-up': { path: manifest, method: 'PUT', body: Buffer.from('{}'), status: 201 },
      'a delete that is refused': { path: manifest, method: 'DELETE', status: 404 },
      'a path with an encoded slash': { path: '/v2/a%2Fb/manifests/v1', status: 400 },
      'a page that is passed through': { path: '/ui/index.html', status: 200 },
      'a page that is not': { path: '/elsewhere', status: 404 },
      'the redirect to the base': { path: '/v2', status: 301 },
    };
    for (const [name, { path, status, ...question }] of Object.entries(cases)) {
      const before = upstream.requests.length;
      const id = `id-${++ids}`;
      const answer = await ask(url + path, { ...question, headers: ['X-Request-Id', id] });
      t.equal(answer.status, status, name);
      t.strictSame(headerValues(answer.headers, 'x-request-id'), [id], name);
      const sent = upstream.requests.slice(before);
      t.strictSame(
        [...new Set(sent.map(({ headers }) => headers['x-request-id']))].join(),
        sent[0] ? id : '',
      );
      await logged(tagwarden, ({ requestId }) => requestId === id);
    }
    t.ok(upstream.requests.length >= 9, 'look-ups among them');
  },
);

t.test('without one, or with what is none, or with two, one is made', async (t) => {
  const { upstream, tagwarden, url } = await startFront(t);
  for (const headers of [[], ['X-Request-Id', 'a b'], ['X-Request-Id', 'a', 'X-Request-Id', 'b']]) {
    const id = headerOf(await ask(url + manifest, { headers }), 'x-request-id');
    t.match(id, /^[\da-f]{8}-[\da-f-]{27}$/);
    t.equal(upstream.requests.at(-1)?.headers['x-request-id'], id);
    await logged(tagwarden, ({ requestId }) => requestId === id);
  }
});

t.test('from memory, and to a client that has it already', async (t) => {
  const { shelf, read } = await startCached(t);
  shelf.adjust = ({ headers }) => {
    headers['x-request-id'] = 'of-the-upstream';
  };
  shelf.put('a', 'v1', '{"schemaVersion":2}');
  const first = await read('a:v1', { headers: ['X-Request-Id', 'first'] });
  t.strictSame(headerValues(first.headers, 'x-request-id'), ['first']);
  const etag = ['If-None-Match', headerOf(first, 'etag') ?? '*'];
  const questions: Question[] = [{}, { method: 'HEAD' }, { headers: etag }];
  for (const { method = 'GET', headers = [] } of questions) {
    const id = `id-${++ids}`;
    const answer = await read('a:v1', { method, headers: [...headers, 'X-Request-Id', id] });
    t.ok(isKept(answer));
    t.strictSame(headerValues(answer.headers, 'x-request-id'), [id], `${method} ${answer.status}`);
  }
});

t.test('tokens, and what is refused in their place', async (t) => {
  const { tagwarden } = await openBuiltin(t, immutableTags);
  const scope = 'scope=repository:a:pull';
  const paths = [`/jwt/auth?service=${service}&${scope}`, '/jwt/auth?service=another', '/jwks.json', '/v2/'];
  for (const path of paths) {
    const id = `id-${++ids}`;
    const answer = await ask(tagwarden.url + path, { headers: [...dev, 'X-Request-Id', id] });
    t.strictSame(headerValues(answer.headers, 'x-request-id'), [id], `${path}: ${answer.status}`);
  }
});

t.test('an upstream that is gone: the answer has the id, and the log says why at warn', async (t) => {
  const { tagwarden, url } = await startFront(t, (req) => void req.socket.destroy());
  for (const path of [blob, manifest]) {
    const id = `id-${++ids}`;
    const answer = await ask(url + path, { headers: ['X-Request-Id', id] });
    t.equal(answer.status, 502);
    t.equal(headerOf(answer, 'x-request-id'), id);
    const line = await logged(tagwarden, ({ requestId }) => requestId === id);
    t.match(line, { level: 40, msg: 'failed', status: 502, code: 'UNAVAILABLE', cause: /./ });
  }
});

t.test('who asks for too much, and who waits to be asked for the body', async (t) => {
  const { url, tagwarden } = await startFront(t, undefined, {
    rules: 'repository_rules: [{ repository_path_pattern: "*", minimum_access_level_for_push: owner }]\n',
    config: 'limits: { requests_per_second: 1, request_burst: 1 }\n',
  });
  const push = request(`${url}${manifest}`, {
    method: 'PUT',
    headers: { 'X-Request-Id': 'waits', Expect: '100-continue', 'Content-Length': 2 },
  });
  push.flushHeaders();
  const [refused] = (await once(push, 'response')) as [{ statusCode: number; headers: NodeJS.Dict<string> }];
  t.strictSame([refused.statusCode, refused.headers['x-request-id']], [403, 'waits']);
  push.destroy();
  await eventually('each worker has had enough', async () => {
    const answer = await ask(url + manifest, { headers: ['X-Request-Id', 'too-much'] });
    t.equal(headerOf(answer, 'x-request-id'), 'too-much');
    return answer.status === 429;
  });
  await logged(tagwarden, ({ requestId, status }) => requestId === 'too-much' && status === 429);
});
