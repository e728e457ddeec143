import { createHash } from 'node:crypto';
import t from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startFront } from '../fixtures/front.ts';
import { sendRaw } from '../fixtures/raw.ts';
import { chunked, lastHead, rawMessage } from '../fixtures/raw-message.ts';
import { answerOci, type Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

const read = '/v2/team/app/tags/list';
const push = '/v2/team/app/manifests/v1';
const immutable = 'tag_rules:\n  - { tag_name_pattern: ^v, immutable: true }\n';
const keepAlive = (target: string): Buffer => rawMessage({ target, connection: 'keep-alive' });

t.test('pipelined requests are served one after the other', async (t) => {
  let running = 0;
  let most = 0;
  const { upstream, tagwarden } = await startFront(t, (_, res) => {
    most = Math.max(most, ++running);
    setImmediate(() => {
      running--;
      res.end();
    });
  });
  const pushMessage = { method: 'PUT', target: push, body: '{}', connection: 'keep-alive' };
  const turns = [rawMessage(pushMessage), keepAlive(read), rawMessage({ ...pushMessage, method: 'DELETE' })];
  const all = Buffer.concat([...Array<Buffer[]>(100).fill(turns).flat(), rawMessage({ target: read })]);
  const { responses } = await sendRaw(tagwarden, all);
  t.equal(responses.length, 301);
  t.equal(most, 1, 'never two of one connection at the upstream at once');
  const methods = upstream.requests.map(({ method }) => method).join(' ');
  t.equal(methods, `${'PUT GET DELETE '.repeat(100)}GET`, 'in their order');
  t.ok(upstream.sockets.size <= 2, `${upstream.sockets.size} connections`);
});

t.test('what is pipelined behind a client that goes away is not sent', async (t) => {
  let isLeft = false;
  const { upstream, tagwarden } = await startFront(t, (req, res) => {
    if (upstream.requests.length > 1) res.end();
    else req.socket.once('close', () => (isLeft = true));
  });
  const wire = await Wire.open(t, tagwarden);
  await wire.send(Buffer.concat([keepAlive(read), rawMessage({ method: 'DELETE', target: push })]));
  await eventually('the first is at the upstream', () => upstream.requests.length === 1);
  wire.leave();
  await eventually('the upstream is left', () => isLeft);
  await ask(`${tagwarden.url}/v2/`);
  t.same(
    upstream.requests.map(({ method, target }) => `${method} ${target}`),
    [`GET ${read}`, 'GET /v2/'],
  );
});

t.test('what cannot be framed for sure ends the connection', async (t) => {
  const { upstream, tagwarden } = await startFront(t);
  const upgrade = rawMessage({ target: read, headers: ['Upgrade: h2c'], connection: 'Upgrade' });
  const upgraded = await sendRaw(tagwarden, [upgrade, keepAlive(read)]);
  t.equal(upgraded.end, 'closed', 'Node throws away what comes with a request for an upgrade');
  t.equal(upgraded.responses.length, 1);
  t.equal(upstream.requests.length, 1);

  const head = lastHead('PUT', push, 'Transfer-Encoding: chunked').replace('HTTP/1.1', 'HTTP/1.0');
  const old = await sendRaw(tagwarden, Buffer.concat([Buffer.from(head), chunked(['{}'])]));
  t.match(
    old.responses,
    [{ status: 400 }],
    'HTTP/1.0 knows no chunks: who sent it on may have read it otherwise',
  );
  const connect = 'CONNECT registry.example:80 HTTP/1.1\r\nHost: registry.example\r\n\r\n';
  t.equal((await sendRaw(tagwarden, Buffer.from(connect))).end, 'closed');
  t.equal(upstream.requests.length, 1, 'nothing of these was sent on');
});

t.test('a push that broke off is not logged as one that wrote', async (t) => {
  const { upstream, tagwarden } = await startFront(t);
  const wire = await Wire.open(t, tagwarden);
  await wire.send(`PUT ${push} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{`);
  await eventually('it has come', async () => (await ask(`${tagwarden.url}/v2/`)).status === 200);
  wire.leave();
  const lines = (): readonly unknown[] =>
    tagwarden.logs.filter(({ operation }) => operation === 'putManifest');
  await eventually('it is logged', () => lines().length === 1);
  t.match(lines(), [{ msg: 'aborted' }]);
  t.notOk(upstream.requests.some(({ method }) => method === 'PUT'));
});

t.test('thousands of ?tag= are no thousands of look-ups', async (t) => {
  const { upstream, url } = await startFront(
    t,
    (_, res) => {
      answerOci(res, 404, 'MANIFEST_UNKNOWN');
    },
    { rules: immutable },
  );
  const body = Buffer.from('{}');
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const withTags = (count: number): string =>
    `${url}/v2/team/app/manifests/${digest}?${Array.from({ length: count }, (_, at) => `tag=v${at}`).join('&')}`;
  t.match(refusalOf(await ask(withTags(101), { method: 'PUT', body })), /^414 TAG_INVALID: at most 100 tags/);
  t.equal(upstream.requests.length, 0);
  t.equal((await ask(withTags(100), { method: 'PUT', body })).status, 404, 'as the upstream says');
  t.equal(upstream.requests.filter(({ method }) => method === 'PUT').length, 1);
});

t.test('the same bytes under another type would be another manifest: schema 1', async (t) => {
  // distribution with `compatibility.schema1` stores it under the digest of what was signed: the tag moved.
  const body = Buffer.from('{"schemaVersion":2,"layers":[],"\\u0073ignatures":[{}]}');
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const script: Script = (_, res) => void res.setHeader('Docker-Content-Digest', digest).end();
  const { upstream, url } = await startFront(t, script, { rules: immutable });
  const type = ['Content-Type', 'application/vnd.docker.distribution.manifest.v1+prettyjws'];
  const answer = await ask(`${url}${push}`, { method: 'PUT', body, headers: type });
  t.match(refusalOf(answer), /^400 MANIFEST_INVALID: an immutable tag takes no signed/);
  t.equal(upstream.requests.filter(({ method }) => method === 'PUT').length, 0);
  const elsewhere = await ask(`${url}/v2/team/app/manifests/nightly`, { method: 'PUT', body, headers: type });
  t.equal(elsewhere.status, 200, 'a tag that may move takes it');
  const { headers } = upstream.requests.at(-1) ?? {};
  t.equal(headers?.['content-type'], type[1]);
});
