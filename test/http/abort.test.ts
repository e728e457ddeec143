import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { eventually } from '../fixtures/eventually.ts';
import { blob, session, startFront, uploads, type Front } from '../fixtures/front.ts';
import type { Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

const some = Buffer.alloc(64 * 1024, 'x');
const gibibyte = 2 ** 30;

/** As much as is taken, for as long as it is taken. */
function stream(res: ServerResponse): void {
  while (!res.destroyed && res.write(some));
  res.once('drain', () => {
    stream(res);
  });
}

const silent: Script = () => undefined;
const streamsFixed: Script = (_, res) => {
  stream(res.writeHead(200, { 'Content-Length': gibibyte }));
};
const streamsChunked: Script = (_, res) => {
  stream(res);
};
const stallsFixed: Script = (_, res) => void res.writeHead(200, { 'Content-Length': gibibyte }).write(some);
const stallsChunked: Script = (_, res) => void res.write(some);

const get = `GET ${blob} HTTP/1.1\r\nHost: x\r\n\r\n`;
const fixed = `Host: x\r\nContent-Length: ${gibibyte}\r\n\r\n${some.toString('latin1')}`;
const chunked = `Host: x\r\nTransfer-Encoding: chunked\r\n\r\n${some.length.toString(16)}\r\n${some.toString('latin1')}`;

interface Leaving {
  readonly script: Script;
  readonly sent: string;
  /** How much of the answer there must be before the client leaves. */
  readonly received?: number;
  /** How much of the body must be at the upstream before. */
  readonly arrived?: number;
}

const leavings: Record<string, Leaving> = {
  'a pull, before the head': { script: silent, sent: get },
  'a pull of known length that runs': { script: streamsFixed, sent: get, received: 2 ** 20 },
  'a pull in chunks that runs': { script: streamsChunked, sent: get, received: 2 ** 20 },
  'a pull of known length that stands still': { script: stallsFixed, sent: get, received: some.length },
  'a pull in chunks that stands still': { script: stallsChunked, sent: get, received: some.length },
  'a push of known length, before the head': {
    script: silent,
    sent: `PATCH ${session} HTTP/1.1\r\n${fixed}`,
    arrived: some.length,
  },
  'a push in chunks, before the head': {
    script: silent,
    sent: `PATCH ${session} HTTP/1.1\r\n${chunked}`,
    arrived: some.length,
  },
  'a push in one request': {
    script: silent,
    sent: `POST ${uploads} HTTP/1.1\r\n${fixed}`,
    arrived: some.length,
  },
  'a push, after the head': {
    script: stallsChunked,
    sent: `PATCH ${session} HTTP/1.1\r\n${fixed}`,
    received: some.length,
    arrived: some.length,
  },
  'a push that is whole': {
    script: silent,
    sent: `PUT ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`,
    arrived: 5,
  },
  'a delete': { script: silent, sent: `DELETE ${session} HTTP/1.1\r\nHost: x\r\n\r\n` },
  'the first of pipelined pulls': { script: stallsFixed, sent: get.repeat(3), received: some.length },
  'the first of pipelined pulls, before the head': { script: silent, sent: get.repeat(3) },
  'a pull with a push behind it': {
    script: stallsFixed,
    // Short: of a body that stands in the way of the end of the connection nobody hears that end.
    sent: `${get}PATCH ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`,
    received: some.length,
  },
};

const waysToLeave: Record<string, (socket: Socket) => void> = {
  closes: (socket) => void socket.destroy(),
  resets: (socket) => void socket.resetAndDestroy(),
  'says that it will send no more': (socket) => void socket.end(),
};

/** The sockets on which requests came to the upstream. */
function usedSockets(front: Front): Set<Socket> {
  const used = new Set<Socket>();
  const { script } = front.upstream;
  front.upstream.script = (req, res, recorded) => {
    used.add(req.socket);
    return script(req, res, recorded);
  };
  return used;
}

t.test('a client that goes away: the upstream connection is closed within a second', async (t) => {
  const front = await startFront(t);
  for (const [name, { script, sent, received = 0, arrived = 0 }] of Object.entries(leavings)) {
    for (const [way, leave] of Object.entries(waysToLeave)) {
      front.upstream.script = script;
      const used = usedSockets(front);
      const before = front.upstream.requests.length;
      const wire = await Wire.open(t, front.tagwarden);
      void wire.send(sent);
      await eventually(`${name}: it is under way`, () => {
        const recorded = front.upstream.requests[before];
        return recorded !== undefined && recorded.body.length >= arrived && wire.length >= received;
      });
      const leftAt = performance.now();
      leave(wire.socket);
      await eventually(`${name}: closed`, () => [...used].every((socket) => socket.closed), 1_000);
      t.ok(performance.now() - leftAt < 1_000, `${name}: the client ${way}`);
      const others = front.upstream.requests.slice(before + 1);
      // What the reader of blobs does not understand is asked for once more.
      const again = others.filter(({ method, target }) => method === 'GET' && target === blob);
      t.equal(others.length, sent === get ? again.length : 0, 'what was behind it went nowhere');
      t.ok(again.length <= 1);
      if (arrived > 5) t.notOk(front.upstream.requests[before]?.complete, 'a cut body is never a whole one');
    }
  }
});

t.test('a second pull on a connection that served one before', async (t) => {
  const front = await startFront(t, (_, res) => void res.end('ok'));
  const wire = await Wire.open(t, front.tagwarden);
  await wire.send(get);
  await wire.until(/ok/);
  front.upstream.script = stallsFixed;
  const used = usedSockets(front);
  await wire.send(get);
  await eventually('the second is under way', () => wire.length > some.length);
  wire.leave();
  await eventually('it is closed', () => [...used].every((socket) => socket.closed), 1_000);
  t.equal(used.size, 1);
});

t.test('a client that goes away while the upstream does not read', async (t) => {
  let stopped: IncomingMessage | undefined;
  const front = await startFront(t, (req) => void (stopped = req.pause()));
  const wire = await Wire.open(t, front.tagwarden);
  void wire.send(`PATCH ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: ${gibibyte}\r\n\r\n`);
  void wire.send(Buffer.alloc(32 * 2 ** 20));
  await eventually('it has begun', () => stopped !== undefined);
  await eventually('nobody takes any more', () => wire.socket.writableLength > 0);
  wire.leave();
  // Only who reads hears of the end.
  stopped?.resume();
  await eventually('it is closed', () => stopped?.socket.closed ?? false);
  t.match(front.upstream.requests, [{ complete: false }]);
});

const ends: Record<string, (socket: Socket) => void> = {
  closes: (socket) => void socket.destroy(),
  resets: (socket) => void socket.resetAndDestroy(),
};

t.test('an upstream that goes away in the middle of a pull: the client sees a cut', async (t) => {
  const front = await startFront(t);
  for (const [way, end] of Object.entries(ends)) {
    for (const [script, complete] of [
      [stallsFixed, undefined],
      [stallsChunked, /0\r\n\r\n$/],
      [streamsFixed, undefined],
      [streamsChunked, /0\r\n\r\n$/],
    ] as const) {
      front.upstream.script = script;
      const used = usedSockets(front);
      const wire = await Wire.open(t, front.tagwarden);
      await wire.send(get);
      await eventually('it has begun', () => wire.length >= some.length);
      const endedAt = performance.now();
      for (const socket of used) end(socket);
      const text = await wire.untilClosed(1_000);
      t.ok(performance.now() - endedAt < 1_000, `the upstream ${way}`);
      t.ok(text.length < gibibyte);
      if (complete) t.notMatch(text.slice(-9), complete);
    }
  }
});

t.test(
  'an upstream that goes away: a client of HTTP/1.0 sees a reset, for to it a close is the end',
  async (t) => {
    const front = await startFront(t, stallsChunked);
    const used = usedSockets(front);
    const wire = await Wire.open(t, front.tagwarden);
    let failure: NodeJS.ErrnoException | undefined;
    wire.socket.once('error', (error) => (failure = error));
    await wire.send(`GET ${blob} HTTP/1.0\r\n\r\n`);
    await eventually('it has begun', () => wire.length >= some.length);
    for (const socket of used) socket.destroy();
    await wire.untilClosed(1_000);
    t.match(failure, { code: 'ECONNRESET' });
  },
);

async function isAnswered502(
  t: Test,
  front: Front,
  sent: string,
  end: (socket: Socket) => void,
): Promise<void> {
  const used = usedSockets(front);
  const wire = await Wire.open(t, front.tagwarden);
  void wire.send(sent);
  await eventually(
    'it is under way',
    () => (front.upstream.requests.at(-1)?.body.length ?? 0) >= some.length,
  );
  for (const socket of used) end(socket);
  t.match(await wire.until(/\r\n\r\n.*\}$/, 1_000), /^HTTP\/1\.1 502 [^]*"code":"UNAVAILABLE"/);
  wire.leave();
}

t.test('an upstream that goes away in the middle of a push: the client is told at once', async (t) => {
  for (const end of Object.values(ends)) {
    for (const framing of [fixed, chunked]) {
      const front = await startFront(t, silent);
      await isAnswered502(t, front, `PATCH ${session} HTTP/1.1\r\n${framing}`, end);
    }
  }
});
