import t, { type Test } from 'tap';
import { immutableTags, isKept } from '../fixtures/cached.ts';
import { ask } from '../fixtures/ask.ts';
import { attributesOf, client, server, startCollector, type Collector } from '../fixtures/collector.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, manifest, startFront, uploads, type Front } from '../fixtures/front.ts';
import { startTagStore, type TagStore } from '../fixtures/tag-store.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import type { Script } from '../fixtures/upstream.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentSpanId = '00f067aa0ba902b7';
const ofClient = ['traceparent', `00-${traceId}-${parentSpanId}-01`];

async function open(
  t: Test,
  { script, flags = [] }: { readonly script?: Script; readonly flags?: readonly string[] } = {},
): Promise<Front & { readonly collector: Collector }> {
  const collector = await startCollector(t);
  const tracing = ['--tracing-endpoint', `${collector.url}/v1/traces`, ...flags];
  const config = 'passthrough: [/ui]\n';
  return { ...(await startFront(t, script, { rules: immutableTags, flags: tracing, config })), collector };
}

t.test(
  'without tracing what a client says of a trace is passed on unchanged, and nothing is made',
  async (t) => {
    const { url, upstream } = await startFront(t);
    const headers = [...ofClient, 'tracestate', 'a=b', 'tracestate', 'c=d', 'baggage', 'user=1'];
    for (const path of [blob, manifest]) {
      await ask(url + path, { headers });
      const { headers: sent } = upstream.requests.at(-1) ?? {};
      t.match(sent, { traceparent: ofClient[1], tracestate: 'a=b, c=d', baggage: 'user=1' });
      await ask(url + path, { headers: ['traceparent', 'nonsense'] });
      t.equal(upstream.requests.at(-1)?.headers['traceparent'], 'nonsense');
      await ask(url + path);
      t.equal(upstream.requests.at(-1)?.headers['traceparent'], undefined);
    }
  },
);

t.test('one span of the request, and one of each that is sent upstream for it', async (t) => {
  const { tagwarden, store, collector } = await openStore(t);
  const answer = await ask(`${tagwarden.url}/v2/team/app/manifests/v1`, {
    method: 'PUT',
    headers: [...ofClient, 'tracestate', 'a=b', 'X-Request-Id', 'the-push', 'User-Agent', 'docker/28'],
    body: Buffer.from('{}'),
  });
  t.equal(answer.status, 201);
  const spans = await collector.collected('its spans', 4, (span) => span.traceId === traceId);
  const [own, ...others] = spans.filter(({ kind }) => kind === server);
  t.same(others, []);
  t.match(own, { name: 'putManifest', parentSpanId, traceState: 'a=b' });
  t.match(own && attributesOf(own), {
    'http.request.method': 'PUT',
    'url.path': '/v2/team/app/manifests/v1',
    'http.response.status_code': 201,
    'client.address': '127.0.0.1',
    'user_agent.original': 'docker/28',
    'tagwarden.request_id': 'the-push',
    'tagwarden.repository': 'team/app',
    'tagwarden.verdict': 'allowed',
  });
  // A look-up of the tag, which is not there: HEAD, and GET to be sure; then the push.
  const sent = spans.filter(({ kind }) => kind === client);
  t.strictSame(sent.map(({ name }) => name).sort(), ['GET', 'HEAD', 'PUT']);
  for (const span of sent) {
    t.equal(span.parentSpanId, own?.spanId);
    t.equal(span.status, undefined, 'what is expected is no error');
    const received = store.upstream.requests.find(
      ({ headers }) => headers['traceparent'] === `00-${traceId}-${span.spanId}-01`,
    );
    t.equal(received?.method, span.name, 'the upstream goes on from there');
    t.equal(received?.headers['tracestate'], 'a=b');
    const [begin, end] = [span.startTimeUnixNano, span.endTimeUnixNano].map(BigInt);
    t.ok(
      begin !== undefined &&
        end !== undefined &&
        begin <= end &&
        begin >= BigInt(own?.startTimeUnixNano ?? 0),
    );
  }
  t.match(attributesOf(sent.find(({ name }) => name === 'PUT') ?? { attributes: [] }), {
    'http.request.method': 'PUT',
    'url.full': `${store.upstream.url}/v2/team/app/manifests/v1`,
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(store.upstream.url).port),
    'http.response.status_code': 201,
  });
  t.match(collector.resources()[0], { 'service.name': 'tagwarden', 'service.version': /^\d/ });
  t.equal(collector.requests[0]?.headers['content-type'], 'application/json');
  t.equal(collector.requests[0]?.target, '/v1/traces');
});

async function openStore(
  t: Test,
): Promise<{ readonly tagwarden: Tagwarden; readonly store: TagStore; readonly collector: Collector }> {
  const [store, collector] = [await startTagStore(t), await startCollector(t)];
  const flags = ['--tracing-endpoint', `${collector.url}/v1/traces`];
  const tagwarden = await startTagwarden(t, { upstream: store.upstream.url, rules: immutableTags, flags });
  return { tagwarden, store, collector };
}

t.test('what was refused, and by which rules', async (t) => {
  const { tagwarden, collector } = await openStore(t);
  const push = (text: string, id: string) =>
    ask(`${tagwarden.url}/v2/team/app/manifests/v1`, {
      ...{ method: 'PUT', headers: ['X-Request-Id', id], body: Buffer.from(JSON.stringify({ text })) },
    });
  await push('one', 'first');
  t.equal((await push('two', 'second')).status, 403);
  const [span] = await collector.collected(
    'the refused one',
    1,
    (one) => attributesOf(one)['tagwarden.request_id'] === 'second',
  );
  t.match(span && attributesOf(span), { 'tagwarden.verdict': 'denied', 'tagwarden.rule_ids': ['fixed'] });
  t.equal(span?.parentSpanId, undefined, 'a trace begins here');
  t.equal(span?.status, undefined, 'to refuse is no failure of ours');
});

t.test('a blob, an upload, a page, a read from memory; no query in any of them', async (t) => {
  const digest = `sha256:${'b'.repeat(64)}`;
  const script: Script = (req, res) => {
    if (req.url?.includes('/manifests/')) res.setHeader('Docker-Content-Digest', digest);
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 2 });
    res.end(req.method === 'HEAD' ? undefined : '{}');
  };
  const { url, collector, upstream } = await open(t, { script });
  const asked = [
    ['GET', blob, 'getBlob'],
    ['HEAD', blob, 'getBlob'],
    ['PATCH', `${uploads}u?_state=secret-state`, 'upload'],
    ['GET', '/ui/page?token=secret-token', 'passthrough'],
    ['GET', '/v2/%61?token=secret-token', 'GET'],
  ] as const;
  for (const [at, [method, path, name]] of asked.entries()) {
    const id = traceId.slice(0, -1) + String(at);
    const headers = ['traceparent', `00-${id}-${parentSpanId}-01`];
    await ask(url + path, { method, headers, ...(method === 'PATCH' && { body: Buffer.from('x') }) });
    // Of a page that is passed through there is the span of the request alone.
    const count = name === 'GET' || name === 'passthrough' ? 1 : 2;
    const spans = await collector.collected(path, count, (span) => span.traceId === id);
    t.equal(spans.length, count);
    const [own, sent = own] = spans.toSorted((one, other) => one.kind - other.kind);
    t.match(own, { name, kind: server, parentSpanId });
    if (path.includes('%')) continue;
    const received = upstream.requests.at(-1)?.headers['traceparent'];
    t.equal(received, `00-${id}-${sent?.spanId ?? ''}-01`, 'the upstream goes on from there');
  }
  t.notMatch(JSON.stringify(collector.spans()), /secret-/);

  const read = () => ask(`${url}/v2/a/manifests/v1`, { method: 'HEAD', headers: ofClient });
  await eventually('each worker remembers it', async () => isKept(await read()));
  const [own] = await collector.collected(
    'from memory',
    1,
    (span) => span.traceId === traceId && 'tagwarden.from_memory' in attributesOf(span),
  );
  t.equal(own && attributesOf(own)['tagwarden.from_memory'], true);
});

t.test('failures: of the upstream, and of a client that goes away', async (t) => {
  const { url, collector } = await open(t, { script: (req) => void req.socket.destroy() });
  t.equal((await ask(url + blob, { headers: ofClient })).status, 502);
  const [own] = await collector.collected('the request', 1, ({ kind }) => kind === server);
  t.match(own, { status: { code: 2, message: 'the upstream registry is gone' } });
  t.match(own && attributesOf(own), { 'http.response.status_code': 502, 'error.type': 'UNAVAILABLE' });
  const tried = await collector.collected('what was sent', 2, ({ kind }) => kind === client);
  for (const span of tried) t.match(span, { parentSpanId: own?.spanId, status: { code: 2, message: /./ } });

  const slow = await open(t, { script: () => undefined });
  const leaving = new AbortController();
  const gone = ask(slow.url + blob, { headers: ofClient, signal: leaving.signal });
  await eventually('it is asked', () => slow.upstream.requests.length === 1);
  leaving.abort();
  await gone.catch(() => undefined);
  const [aborted] = await slow.collector.collected('the span upstream', 1, ({ kind }) => kind === client);
  t.match(aborted, { status: { code: 2, message: 'given up' } });
});

t.test('who is recorded: whom the client says, and of the others a part', async (t) => {
  const { url, collector, upstream } = await open(t, { flags: ['--tracing-sample-ratio', '0'] });
  await ask(url + blob);
  t.match(upstream.requests.at(-1)?.headers['traceparent'], /^00-[\da-f]{32}-[\da-f]{16}-00$/);
  await ask(url + blob, { headers: ['traceparent', `00-${traceId}-${parentSpanId}-00`] });
  t.match(upstream.requests.at(-1)?.headers['traceparent'], new RegExp(`^00-${traceId}-[\\da-f]{16}-00$`));
  await ask(url + blob, { headers: ['traceparent', 'nonsense', 'tracestate', 'a=b'] });
  const { traceparent, tracestate } = upstream.requests.at(-1)?.headers ?? {};
  t.match([traceparent, tracestate], [/^00-[\da-f]{32}-[\da-f]{16}-00$/, undefined], 'a new trace begins');
  await ask(url + blob, { headers: ofClient });
  await collector.collected('the one', 2, (span) => span.traceId === traceId);
  t.equal(collector.spans().length, 2, 'and no others');
});

t.test('a collector that hangs slows nobody down, and the end of the process sends what waits', async (t) => {
  const { url, collector, tagwarden } = await open(t);
  await ask(url + blob, { headers: ofClient });
  await tagwarden.app.close();
  t.equal(collector.spans().filter((span) => span.traceId === traceId).length, 2);

  const hanging = await open(t);
  hanging.collector.script = () => undefined;
  await ask(hanging.url + blob);
  await eventually('it is told', () => hanging.collector.requests.length > 0, 10_000);
  const beganMs = performance.now();
  for (let at = 0; at < 20; at += 1) await ask(hanging.url + blob);
  await hanging.tagwarden.app.close();
  t.ok(performance.now() - beganMs < 6_000);
});
