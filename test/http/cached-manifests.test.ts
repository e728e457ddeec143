import t from 'tap';
import { headerOf, type Question } from '../fixtures/ask.ts';
import { isKept, pathOf, startCached } from '../fixtures/cached.ts';
import { manifestType } from '../fixtures/manifest-shelf.ts';
import { sendRaw } from '../fixtures/raw.ts';

const text = '{"schemaVersion":2}';

t.test('by digest and by immutable tag the upstream is asked once', async (t) => {
  const { shelf, read, asked, clock } = await startCached(t);
  const digest = shelf.put('team/app', 'v1', text);
  shelf.put('team/app', 'moving', text);
  for (const name of ['team/app:v1', `team/app@${digest}`]) {
    const first = await read(name);
    t.notOk(isKept(first), "the first answer is the upstream's own");
    clock.shift(7_000);
    for (const encoded of [name, name.replace('@sha256:', '@sha256%3A')]) {
      const { status, headers, body } = await read(encoded);
      t.same([status, body.toString()], [200, text], encoded);
      const without = headers.filter((_, at) => headers[at - (at % 2)]?.toLowerCase() !== 'age');
      t.strictSame(
        fields(without, 'connection', 'keep-alive'),
        fields(first.headers, 'connection', 'keep-alive'),
      );
      t.match(headerOf({ headers }, 'age'), /^[78]$/, 'as old as it is');
    }
    t.strictSame(asked(), [`GET ${name}`]);
  }
  await read('team/app:moving');
  t.notOk(isKept(await read('team/app:moving')), 'a tag that may move is asked for every time');
  t.strictSame(asked(), ['GET team/app:moving', 'GET team/app:moving']);
});

/** As pairs in lower case, sorted: order is no part of what is said. */
function fields(headers: readonly string[], ...but: readonly string[]): readonly string[] {
  return headers
    .flatMap((name, at) => (at % 2 === 0 ? [`${name.toLowerCase()}: ${headers[at + 1] ?? ''}`] : []))
    .filter((field) => !['x-request-id', ...but].some((name) => field.startsWith(`${name}:`)))
    .sort();
}

t.test('HEAD is GET without its body', async (t) => {
  const { shelf, read, asked } = await startCached(t);
  shelf.put('a', 'v1', text);
  const head = { method: 'HEAD' };
  await read('a:v1', head);
  const kept = await read('a:v1', head);
  t.ok(isKept(kept), 'what was answered to HEAD is an answer to HEAD');
  t.strictSame(asked(), ['HEAD a:v1']);
  const got = await read('a:v1');
  t.same([isKept(got), got.body.toString()], [false, text], 'and none to GET');
  const [headers, withBody] = [await read('a:v1', head), await read('a:v1')];
  t.strictSame(asked(), ['GET a:v1']);
  t.strictSame(fields(headers.headers), fields(withBody.headers));
  t.strictSame(fields(kept.headers), fields(withBody.headers));
  t.equal(headerOf(headers, 'content-length'), String(text.length));
  t.same([headers.body.length, withBody.body.toString()], [0, text]);
});

t.test('what the client has is not sent', async (t) => {
  const { shelf, upstream, read, asked, clock } = await startCached(t);
  const digest = shelf.put('a', 'v1', text);
  const having = (...tags: readonly string[]): Question => ({
    headers: tags.flatMap((tag) => ['If-None-Match', tag]),
  });
  await read('a:v1', having(`"${digest}"`));
  t.strictSame(asked(), ['GET a:v1']);
  const sent = (): unknown => upstream.requests.at(-1)?.headers['if-none-match'];
  t.equal(sent(), `"${digest}"`, 'the upstream compares what is not kept');
  await read('a:v1');
  asked();
  const matching = [
    [`"${digest}"`],
    [`W/"${digest}"`],
    ['*'],
    ['"x", ', `"${digest}"`],
    [`"x","y" , "${digest}"`],
  ];
  for (const tags of matching) {
    const { status, headers, body } = await read('a:v1', having(...tags));
    t.same([status, body.length], [304, 0], tags.join());
    t.strictSame(fields(headers, 'date', 'connection', 'keep-alive', 'age'), [
      `docker-content-digest: ${digest}`,
      'docker-distribution-api-version: registry/2.0',
      `etag: "${digest}"`,
    ]);
    t.equal((await read('a:v1', { method: 'HEAD', ...having(...tags) })).status, 304);
  }
  for (const tags of [['"x"'], ['"x"', 'W/"y"']]) {
    const answer = await read('a:v1', having(...tags));
    t.same([answer.status, answer.body.toString(), isKept(answer)], [200, text, true], tags.join());
  }
  t.strictSame(asked(), []);
  await read('a:v1', having(digest));
  t.strictSame(asked(), ['GET a:v1'], 'what is no entity tag is left to the upstream');
  clock.shift(61_000);
  t.equal((await read('a:v1', having(`"${digest}"`))).status, 304);
  t.strictSame(asked(), ['HEAD a:v1'], 'confirmed, and then compared');
  t.equal(sent(), undefined, 'here alone, or the upstream would confirm nothing');
  shelf.adjust = ({ headers }) => delete headers['etag'];
  shelf.put('b', 'v1', text);
  await read('b:v1');
  const unnamed = await read('b:v1');
  t.equal(headerOf(unnamed, 'etag'), `"${digest}"`, 'an upstream that names none');
  t.equal((await read('b:v1', having(`"${digest}"`))).status, 304);
});

t.test('another question is another answer', async (t) => {
  const { shelf, upstream, read, asked, tagwarden } = await startCached(t);
  shelf.put('a', 'v1', text);
  shelf.adjust = (draft, { headers }) => {
    draft.headers['x-content-type-options'] = JSON.stringify([
      ...[headers['accept'], headers['accept-encoding'], headers['host'], headers['x-scheme']],
    ]);
  };
  const questions: readonly (readonly string[])[] = [
    [],
    ['Accept', ''],
    ['Accept', 'a/b'],
    ['Accept', 'a/b,c/d'],
    ['Accept', 'a/b, c/d'],
    ['Accept', 'c/d', 'Accept', 'a/b'],
    ['Accept-Encoding', 'gzip'],
    ['Accept', 'a/b', 'Accept-Encoding', 'gzip'],
    ['X-Scheme', 'https'],
  ];
  const said = async (headers: readonly string[]): Promise<string | undefined> =>
    headerOf(await read('a:v1', { headers }), 'x-content-type-options');
  const first: (string | undefined)[] = [];
  for (const headers of questions) first.push(await said(headers));
  t.equal(asked().length, questions.length);
  for (const [at, headers] of questions.entries()) t.equal(await said(headers), first[at], headers.join());
  t.strictSame(asked(), []);
  // No client, and no `ask`, sends another Host than that of the URL.
  const fromHost = async (host: string): Promise<string> => {
    const message = `GET ${pathOf('a:v1')} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    return (await sendRaw(tagwarden, Buffer.from(message))).bytes.toString();
  };
  t.match(await fromHost('one.example'), 'one.example');
  t.match(await fromHost('two.example'), 'two.example');
  t.match(await fromHost('one.example'), /one\.example[^]*Age: 0/);
  t.equal(asked().length, 2);
  t.ok(upstream.requests.every(({ headers }) => headers['host'] === headers['x-forwarded-host']));
  await read('a:v1?ns=docker.io');
  t.ok(isKept(await read('a:v1?ns=docker.io')));
  t.notOk(isKept(await read('a:v1?ns=quay.io')), 'a mirror chooses by ns');
  await read('a:v1?platform=arm');
  t.notOk(isKept(await read('a:v1?platform=arm')), 'nobody knows what this would mean');
});

t.test('whatever may let somebody in, or ask for something else, goes its own way', async (t) => {
  const { shelf, read, asked } = await startCached(t);
  shelf.put('a', 'v1', text);
  await read('a:v1');
  asked();
  const own: readonly (readonly string[])[] = [
    ['Authorization', 'Basic YTpi'],
    ['Cookie', 'sid=1'],
    ['X-JFrog-Art-Api', 'key'],
    ['PRIVATE-TOKEN', 'x'],
    ['X-Whatever', ''],
    ['Range', 'bytes=0-3'],
    ['If-Match', '"x"'],
    ['If-Modified-Since', 'Thu, 01 Dec 1994 16:00:00 GMT'],
    ['Cache-Control', 'no-store'],
    ['Cache-Control', 'only-if-cached'],
    ['Pragma', 'x'],
    ['Origin', 'https://web.example'],
    ['Content-Type', 'text/plain'],
    ['Connection', 'x-whatever'],
  ];
  for (const headers of own) {
    const question = { headers };
    await read('a:v1', question);
    t.notOk(isKept(await read('a:v1', question)), headers.join(': '));
    t.strictSame(asked(), ['GET a:v1', 'GET a:v1'], headers.join(': '));
    t.ok(isKept(await read('a:v1')), 'and hurts nobody else');
  }
  const body = { body: Buffer.from('x') };
  await read('a:v1', body);
  t.notOk(isKept(await read('a:v1', body)), 'a body');
  for (const headers of [
    ['User-Agent', 'docker/28'],
    ['X-Request-Id', '1'],
    ['traceparent', '00-a-b-00'],
    ['X-Forwarded-For', '192.0.2.1'],
    ['X_Real_IP', '192.0.2.1'],
    ['Connection', 'close'],
    ['Docker-Distribution-Api-Version', 'registry/2.0'],
  ])
    t.ok(isKept(await read('a:v1', { headers })), headers.join(': '));
});

// A field that Connection names does not go upstream: the upstream would answer another question than the key says.
t.test('a field that is taken back', async (t) => {
  const { shelf, read } = await startCached(t);
  shelf.put('a', 'v1', text);
  shelf.adjust = (draft, { headers }) => {
    if (headers['accept'] === undefined) draft.headers['content-type'] = 'application/vnd.other';
  };
  const accept = ['Accept', manifestType];
  for (const connection of ['accept', 'close, Accept', 'keep-alive,accept'])
    t.equal(
      headerOf(await read('a:v1', { headers: [...accept, 'Connection', connection] }), 'content-type'),
      'application/vnd.other',
    );
  t.equal(headerOf(await read('a:v1', { headers: accept }), 'content-type'), manifestType);
  t.equal(headerOf(await read('a:v1', { headers: accept }), 'content-type'), manifestType);
});

t.test('what may not be kept is passed on as it is', async (t) => {
  const { shelf, read, asked } = await startCached(t);
  const answers: [what: string, adjust: (typeof shelf)['adjust']][] = [
    ['a cookie', (draft) => (draft.headers['set-cookie'] = 'a=b')],
    ['no-store', (draft) => (draft.headers['cache-control'] = 'no-store')],
    ['private', (draft) => (draft.headers['cache-control'] = 'private')],
    ['Vary', (draft) => (draft.headers['vary'] = 'User-Agent')],
    ['encoded', (draft) => (draft.headers['content-encoding'] = 'gzip')],
    ['another status', (draft) => (draft.status = 203)],
    ['no digest', (draft) => delete draft.headers['docker-content-digest']],
    ['no right digest', (draft) => (draft.headers['docker-content-digest'] = `sha256:${'0'.repeat(64)}`)],
    ['other bytes', (draft) => (draft.body = Buffer.from('other'))],
    ['refused', (draft) => (draft.status = 401)],
    ['gone', (draft) => (draft.status = 404)],
    ['elsewhere', (draft) => ((draft.status = 307), (draft.headers['location'] = 'https://s3.example/'))],
    ['broken', (draft) => (draft.status = 500)],
  ];
  const digest = shelf.put('a', 'v1', text);
  for (const [what, adjust] of answers) {
    shelf.adjust = (draft, asked) => {
      draft.headers['x-own'] = what;
      adjust(draft, asked);
    };
    for (const name of ['a:v1', `a@${digest}`]) {
      const seen = await read(name);
      const again = await read(name);
      t.same([isKept(again), headerOf(again, 'x-own')], [false, what], `${what}: ${name}`);
      t.strictSame(
        [again.status, again.body, fields(again.headers, 'date')],
        [seen.status, seen.body, fields(seen.headers, 'date')],
      );
      t.strictSame(asked(), [`GET ${name}`, `GET ${name}`], what);
    }
  }
});

t.test('what belongs to one exchange is shown to nobody else', async (t) => {
  const { shelf, read } = await startCached(t);
  shelf.put('a', 'v1', text);
  const personal = ['x-harbor-csrf-token', 'ratelimit-remaining', 'docker-ratelimit-source', 'server'];
  shelf.adjust = ({ headers }) => {
    for (const name of personal) headers[name] = 'mine';
    headers['warning'] = '299 - "old"';
  };
  const [first, second] = [await read('a:v1'), await read('a:v1')];
  for (const name of personal) {
    t.equal(headerOf(first, name), 'mine');
    t.equal(headerOf(second, name), undefined, name);
  }
  t.equal(headerOf(second, 'warning'), '299 - "old"', 'what is said of the manifest is');
});

t.test('a client that wants it from the upstream gets it from there, and so do others then', async (t) => {
  const { shelf, read, asked } = await startCached(t);
  shelf.put('a', 'v1', text);
  await read('a:v1');
  for (const headers of [
    ['Cache-Control', 'no-cache'],
    ['cache-control', 'max-age=0'],
    ['Pragma', 'no-cache'],
  ]) {
    asked();
    t.equal((await read('a:v1', { headers })).body.toString(), text);
    t.strictSame(asked(), ['HEAD a:v1'], headers.join(': '));
    t.ok(isKept(await read('a:v1')));
    t.strictSame(asked(), []);
  }
  shelf.remove('a', 'v1');
  t.ok(isKept(await read('a:v1')));
  t.equal((await read('a:v1', { headers: ['Cache-Control', 'no-cache'] })).status, 404);
  t.equal((await read('a:v1')).status, 404, 'what one was shown is what others are shown');
});
