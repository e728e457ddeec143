import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { BlockList, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { keepingOf } from '../../src/app/limits.ts';
import { registryServer, type Route } from '../../src/http/server.ts';
import { ask, beginAnswer, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, manifest, session, startFront, uploads, type Front } from '../fixtures/front.ts';
import { configOf } from '../fixtures/loaded-config.ts';
import { recordedLog } from '../fixtures/recorded-log.ts';
import type { Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

const idleSeconds = 2;
// What moves at all is not cut here: how fast it must is another matter (test/http/limits.test.ts).
const flags = ['--upstream-idle-timeout-seconds', String(idleSeconds), '--limits-body-bytes-per-second', '0'];
/** Under the idle timeout, so many times that the whole takes several of them. */
const pauseMs = 500;
const pieces = 12;

const accepting: Script = (req, res) => {
  req.on('end', () => res.writeHead(202, { 'Content-Length': 0 }).end());
};

/** After an abort undici opens a spare connection, which carries nothing and is closed when it was idle for 4 s. */
async function untilNothingRuns({ upstream }: Front, withinMs: number): Promise<void> {
  const isUsed = (): boolean => [...upstream.sockets].some(({ bytesRead }) => bytesRead > 0);
  await eventually('the connections to the upstream are closed', () => !isUsed(), withinMs);
}

async function* trickle(): AsyncIterable<Buffer> {
  for (let piece = 0; piece < pieces; piece++) {
    yield Buffer.from(`${piece}`);
    await sleep(pauseMs);
  }
}

const whole = Buffer.from(Array.from({ length: pieces }, (_, piece) => `${piece}`).join(''));

// Everything here waits: all at the same time.
t.jobs = 8;

t.test('no clock of the server or of its connections cuts what moves', (t) => {
  // Node's default of 300 s for a whole request is what cuts slow pushes; five minutes are too long for a test.
  const keeping = keepingOf(configOf(t, {}), {
    trusted: new BlockList(),
    tls: undefined,
    log: recordedLog().log,
    onLimit: () => undefined,
  });
  const server = registryServer({} as Route, keeping);
  t.equal(server.requestTimeout, 0);
  t.equal(server.timeout, 0);
  t.ok(server.headersTimeout > 0, 'but the head of a request has to arrive');
  t.ok(server.keepAliveTimeout > 90_000, 'longer than clients keep a connection');
  t.end();
});

t.test(
  'a push that trickles for several times the idle timeout arrives whole',
  { buffered: true },
  async (t) => {
    const front = await startFront(t, accepting, { flags });
    const [chunked, started] = await Promise.all([
      ask(front.url + session, { method: 'PATCH', body: trickle() }),
      ask(front.url + uploads, { method: 'POST', body: trickle() }),
      (async (): Promise<void> => {
        const wire = await Wire.open(t, front.tagwarden);
        await wire.send(`PUT ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: ${whole.length}\r\n\r\n`);
        for await (const piece of trickle()) await wire.send(piece);
        await wire.until(/^HTTP\/1\.1 202 /);
      })(),
    ]);
    t.same([chunked.status, started.status], [202, 202]);
    for (const method of ['PATCH', 'POST', 'PUT']) {
      t.match(
        front.upstream.requests.filter((it) => it.method === method),
        [{ body: whole, complete: true }],
        method,
      );
    }
  },
);

t.test('a manifest that trickles in is not cut either', { buffered: true }, async (t) => {
  const front = await startFront(t, accepting, { flags });
  const answer = await ask(front.url + manifest, { method: 'PUT', body: trickle() });
  t.equal(answer.status, 202);
  t.match(front.upstream.requests, [{ body: whole, complete: true }]);
});

t.test('a pull that trickles arrives whole', { buffered: true }, async (t) => {
  const front = await startFront(t, undefined, { flags });
  front.upstream.script = async (req, res) => {
    if (req.url?.includes('fixed')) res.writeHead(200, { 'Content-Length': whole.length });
    for await (const piece of trickle()) res.write(piece);
    res.end();
  };
  const answers = await Promise.all(['?fixed', '?chunked'].map((query) => ask(front.url + blob + query)));
  for (const answer of answers) t.same(answer.body, whole);
});

t.test('a reader that takes a little now and then gets everything', { buffered: true }, async (t) => {
  const bytes = Buffer.alloc(24 * 2 ** 20, 'x');
  const front = await startFront(t, (_, res) => void res.end(bytes), { flags });
  const message = await beginAnswer(front.url + blob);
  let length = 0;
  for await (const chunk of message) {
    const before = Math.floor(length / (4 * 2 ** 20));
    length += (chunk as Buffer).length;
    if (Math.floor(length / (4 * 2 ** 20)) > before) await sleep(pauseMs);
  }
  t.equal(length, bytes.length);
});

async function isCut(t: Test, front: Front, head: string, some: string): Promise<void> {
  const wire = await Wire.open(t, front.tagwarden);
  await wire.send(`${head}\r\nHost: x\r\n${some}`);
  const startedAt = performance.now();
  const text = await wire.until(/\r\n\r\n.*\}$/);
  const seconds = (performance.now() - startedAt) / 1000;
  t.match(text, /^HTTP\/1\.1 504 [^]*"code":"UNAVAILABLE"/, head);
  t.ok(seconds > idleSeconds * 0.9 && seconds < idleSeconds + 4, `${head}: after ${seconds} s`);
  await wire.untilClosed(7_000);
  t.notMatch(wire.text.slice(10), /HTTP\/1\.1/, 'one answer');
}

t.test('a push that stands still is cut on both sides', { buffered: true }, async (t) => {
  const front = await startFront(t, accepting, { flags });
  const cut = Promise.all([
    isCut(t, front, `PATCH ${session} HTTP/1.1`, 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'),
    isCut(t, front, `PATCH ${session} HTTP/1.1`, 'Content-Length: 9\r\n\r\nhello'),
  ]);
  await eventually('both are on their way', () => front.upstream.requests.length === 2);
  await untilNothingRuns(front, (idleSeconds + 4) * 1000);
  await cut;
  t.notOk(
    front.upstream.requests.some((it) => it.complete),
    'a cut body is never a whole one',
  );
});

t.test('an upstream that stops reading, or that never answers, is cut', { buffered: true }, async (t) => {
  const stopped: IncomingMessage[] = [];
  const front = await startFront(t, (req) => void stopped.push(req.pause()), { flags });
  const big = ask(front.url + session, { method: 'PATCH', body: Buffer.alloc(32 * 2 ** 20) });
  const small = ask(front.url + session, { method: 'PATCH', body: Buffer.from('hello') });
  for (const answer of await Promise.all([big, small])) t.match(refusalOf(answer), /^504 UNAVAILABLE: /);
  // Only who has read all that had come hears of the end.
  for (const req of stopped) req.resume();
  await untilNothingRuns(front, 5_000);
  const cut = front.upstream.requests.find((it) => it.headers['content-length'] !== '5');
  t.match(cut, { complete: false }, 'what was cut is not whole');
});

t.test('a reader that stops reading is cut', { buffered: true }, async (t) => {
  const bytes = Buffer.alloc(32 * 2 ** 20);
  const front = await startFront(t, (_, res) => void res.end(bytes), { flags });
  const wire = await Wire.open(t, front.tagwarden);
  wire.forget();
  await wire.send(`GET ${blob} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await eventually('it has begun', () => wire.length > 0);
  wire.socket.pause();
  await untilNothingRuns(front, (idleSeconds + 4) * 1000);
  wire.socket.resume();
  await wire.untilClosed();
  t.ok(wire.length < bytes.length);
});

t.test('a reader that stops before the last bytes is cut too', { buffered: true }, async (t) => {
  const accepted = new Map<number | undefined, Socket>();
  const onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    accepted.set(socket.remotePort, socket);
  };
  subscribe('net.server.socket', onSocket);
  t.teardown(() => unsubscribe('net.server.socket', onSocket));
  const front = await startFront(t, undefined, { flags });
  const wire = await Wire.open(t, front.tagwarden);
  const inside = (): Socket | undefined => accepted.get(wire.socket.localPort);
  await eventually('it was accepted', () => inside() !== undefined);
  front.upstream.script = async (_, res) => {
    // Until the kernel takes no more, in pieces for which nobody is told to wait: then the upstream is done, and the
    // last of them is Tagwarden's to keep.
    for (let sent = 0; inside()?.writableLength === 0;) {
      res.write(Buffer.alloc(8_000));
      sent += 8_000;
      await eventually('it has come through', () => (inside()?.bytesWritten ?? 0) >= sent, 30_000);
    }
    res.end();
  };
  wire.socket.pause();
  await wire.send(`GET ${blob} HTTP/1.1\r\nHost: x\r\n\r\n`);
  // Hundreds of pieces, each of which is waited for.
  await eventually('some bytes wait', () => (inside()?.writableLength ?? 0) > 0, 30_000);
  await eventually('it is cut', () => inside()?.destroyed ?? false, (idleSeconds + 4) * 1000);
  t.pass();
});

t.test('no timeout of undici cuts what is slow', async (t) => {
  // Its timers run on a clock of their own: it makes an hour of no time. Its defaults are 300 s.
  const undiciTimers = createRequire(import.meta.url)('undici/lib/util/timers.js') as {
    tick: (ms: number) => void;
  };
  const front = await startFront(t, undefined, { flags: ['--upstream-idle-timeout-seconds', '7200'] });
  const waiting: ServerResponse[] = [];
  front.upstream.script = (req, res) => {
    waiting.push(res);
    if (req.url?.includes('begun')) res.writeHead(200, { 'Content-Length': 2 }).write('o');
  };
  const answers = Promise.all([
    ask(front.url + session, { method: 'PATCH', body: Buffer.from('hello') }),
    ask(`${front.url}${manifest}?silent`),
    beginAnswer(`${front.url}${manifest}?begun`).then((message) => message.toArray()),
    beginAnswer(`${front.url}${blob}?begun`).then((message) => message.toArray()),
  ]);
  await eventually('all are under way', () => waiting.length === 4);
  for (let hour = 0; hour < 2; hour++) {
    undiciTimers.tick(3_600_000);
    await sleep(50);
  }
  for (const res of waiting) res.end('k');
  const [push, silent, begun, begunBlob] = await answers;
  t.same([push.body.toString(), silent.body.toString()], ['k', 'k']);
  for (const parts of [begun, begunBlob]) t.equal(Buffer.concat(parts as Buffer[]).toString(), 'ok');
  t.equal(front.upstream.requests.length, 4, 'nothing was cut and sent again');
});
