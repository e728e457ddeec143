import { connect } from 'node:net';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, manifest, startFront, uploads } from '../fixtures/front.ts';
import { manifestType } from '../fixtures/manifest-shelf.ts';
import { readinessAt } from '../fixtures/readiness.ts';
import { startRedis } from '../fixtures/redis.ts';
import { startTagwarden, type TagwardenOptions } from '../fixtures/tagwarden.ts';
import { answerOci, type Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

// Most of the time each waits.
t.jobs = 4;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: registry\r\n\r\n`;

/** An upstream that begins to answer reads of blobs, and ends them when it is told to. */
function slowBlobs(): { readonly script: Script; readonly finish: () => void } {
  let finish: () => void = () => undefined;
  const mayEnd = new Promise<void>((resolve) => (finish = resolve));
  const script: Script = async (req, res) => {
    if (!req.url?.includes('/blobs/')) return void res.end('{}');
    res.writeHead(200, { 'Content-Length': 10 }).write('begun');
    await mayEnd;
    res.end('ended');
  };
  return { script, finish };
}

async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => false),
    once(socket, 'error').then(
      () => true,
      () => true,
    ),
  ]).catch(() => true);
  socket.destroy();
  return outcome;
}

async function starting(t: Test, options: Partial<TagwardenOptions>) {
  const { script, finish } = slowBlobs();
  const front = await startFront(t, script, options);
  const [busy, idle] = [await Wire.open(t, front.tagwarden), await Wire.open(t, front.tagwarden)];
  await idle.send(get('/v2/'));
  await idle.until(/\{\}/);
  await busy.send(get(blob));
  await busy.until(/begun/);
  return { ...front, busy, idle, finish };
}

t.test('what runs comes to its end, and nothing else begins', { buffered: true }, async (t) => {
  const { tagwarden, busy, idle, finish } = await starting(t, {});
  const { app, port } = tagwarden;
  t.match(await readinessAt(app.adminAddress), { status: 200, said: 'ok' });
  let isClosed = false;
  const closed = app.close().then(() => (isClosed = true));
  await idle.untilClosed();
  await eventually('nothing new is accepted', () => isRefused(port));
  t.match(await readinessAt(app.adminAddress), { status: 503, said: 'draining', states: { rules: 'ok' } });
  t.notOk(isClosed);
  finish();
  t.match(await busy.untilClosed(), /begunended$/, 'the pull ends whole, and then its connection');
  await closed;
  t.ok(await isRefused(Number(app.adminAddress.split(':')[1])), 'probes are answered until then');
});

t.test('before that others may learn of it', { buffered: true }, async (t) => {
  const flags = ['--shutdown-delay-seconds', '2'];
  const { tagwarden, url, busy, idle, finish } = await starting(t, { flags });
  const closed = tagwarden.app.close();
  const draining = async (): Promise<boolean> =>
    (await readinessAt(tagwarden.app.adminAddress)).said === 'draining';
  await eventually('it says so', draining);
  // Workers hear of it a moment later.
  const isLast = async (): Promise<boolean> => {
    const { status, headers } = await ask(`${url}/v2/`);
    return status === 200 && headers.includes('close');
  };
  await eventually('new connections are served, once each', isLast);
  await idle.send(get('/v2/'));
  t.match(await idle.untilClosed(1_500), /Connection: close\r\n[^]*\{\}$/, 'and so are those that were idle');
  finish();
  await busy.until(/ended/);
  await closed;
});

t.test('what does not end is cut', { buffered: true }, async (t) => {
  const { tagwarden, busy } = await starting(t, { flags: ['--shutdown-timeout-seconds', '1'] });
  const upload = await Wire.open(t, tagwarden);
  await upload.send(`PATCH ${uploads}3c1f HTTP/1.1\r\nHost: registry\r\nContent-Length: 100\r\n\r\nsome`);
  const closed = tagwarden.app.close();
  t.notMatch(await busy.untilClosed(15_000), /ended/);
  await upload.untilClosed();
  await closed;
});

t.test('a push that was cut gives back what it has claimed', { buffered: true }, async (t) => {
  const redis = await startRedis(t);
  let answerLookUp: () => void = () => undefined;
  const mayAnswer = new Promise<void>((resolve) => (answerLookUp = resolve));
  const written: string[] = [];
  let [wasAsked, isKnown] = [false, false];
  const script: Script = async (req, res) => {
    if (req.method === 'PUT') {
      req.resume();
      await once(req, 'end');
      written.push(req.url ?? '');
      return void res.writeHead(201, { 'Content-Length': 0 }).end();
    }
    wasAsked = true;
    if (!isKnown) await mayAnswer;
    // What the tag is stays unknown to the first push: it cannot go on.
    answerOci(res, isKnown ? 404 : 500, isKnown ? 'MANIFEST_UNKNOWN' : 'UNKNOWN');
  };
  const rules = 'tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true }\n';
  const flags = ['--redis', redis.url, '--rules-publish', 'true', '--shutdown-timeout-seconds', '0'];
  const first = await startFront(t, script, { rules, flags });
  const second = await startTagwarden(t, { upstream: first.upstream.url, rules, flags });
  const push = (url: string, layer: string) => {
    const body = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: { layer } }),
    );
    return ask(url + manifest, { method: 'PUT', headers: ['Content-Type', manifestType], body });
  };
  const cut = push(first.url, 'one').catch((error: unknown) => String(error));
  await eventually('it has claimed, and asks', () => wasAsked);
  const closed = first.tagwarden.app.close();
  t.match(await cut, /hang up|reset|ECONNRESET/i, 'its client is cut');
  answerLookUp();
  await closed;
  t.same(written, []);
  isKnown = true;
  t.equal((await push(second.url, 'another')).status, 201, 'at once, not when a lease has ended');
});
