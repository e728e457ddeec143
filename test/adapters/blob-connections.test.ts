import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { AnswerHead } from '../../src/adapters/answer-receiver.ts';
import { BlobConnections } from '../../src/adapters/blob-connections.ts';
import { ReadBuffers } from '../../src/adapters/read-buffers.ts';
import { UpstreamFailures } from '../../src/adapters/upstream-failures.ts';
import { eventually } from '../fixtures/eventually.ts';

interface Peer {
  readonly port: number;
  readonly sockets: Socket[];
  /** What it was sent, on whatever connection. */
  readonly received: () => string;
}

/** Answers each request with what the test says. */
async function startPeer(t: Test, answer: (socket: Socket, count: number) => void): Promise<Peer> {
  const sockets: Socket[] = [];
  let received = '';
  let count = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket
      .on('error', () => undefined)
      .on('data', (bytes) => {
        received += bytes.toString('latin1');
        answer(socket, count++);
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets, received: () => received };
}

function connectionsTo(t: Test, { port }: { port: number }): BlobConnections {
  const connections = new BlobConnections({ host: '127.0.0.1', port }, new UpstreamFailures());
  t.teardown(() => {
    connections.close();
  });
  return connections;
}

const request = { method: 'GET', target: '/v2/a/blobs/sha256:1', headers: ['Host', 'x', 'X-Y', 'é'] };

interface Read {
  readonly head: AnswerHead;
  readonly body: Buffer;
}

/** Reads an answer whole; its buffers are given back at once, and what is in them overwritten. */
function read(connections: BlobConnections): Promise<Read> {
  return new Promise((resolve, reject) => {
    let head: AnswerHead | undefined;
    const parts: Buffer[] = [];
    connections.get(request, {
      onHead: (it) => (head = it),
      onBytes: (bytes, free) => {
        parts.push(Buffer.from(bytes));
        free();
      },
      onEnd: () => {
        if (head) resolve({ head, body: Buffer.concat(parts) });
      },
      onFailure: reject,
    });
  });
}

const plain = (body: Buffer | string, ...headers: string[]): Buffer =>
  Buffer.concat([
    Buffer.from(['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...headers, '', ''].join('\r\n')),
    Buffer.from(body),
  ]);

t.test('one connection serves one read after the other', async (t) => {
  const large = Buffer.alloc(3_000_000, 'abcdefg');
  const peer = await startPeer(t, (socket, count) =>
    socket.write(plain(count % 2 ? large : 'small', `X: ${count}`)),
  );
  const connections = connectionsTo(t, peer);
  for (let count = 0; count < 6; count++) {
    const { head, body } = await read(connections);
    t.same(head.headers.slice(2), ['X', String(count)]);
    t.ok(body.equals(count % 2 ? large : Buffer.from('small')));
  }
  t.equal(peer.sockets.length, 1);
  t.equal(peer.received(), 'GET /v2/a/blobs/sha256:1 HTTP/1.1\r\nHost: x\r\nX-Y: é\r\n\r\n'.repeat(6));
});

t.test('an answer that comes byte by byte, and one of no bytes', async (t) => {
  const answer = plain('0123456789');
  const peer = await startPeer(t, (socket, count) => {
    if (count > 0) socket.write(plain(''));
    else void dribble(socket, answer);
  });
  const connections = connectionsTo(t, peer);
  t.equal((await read(connections)).body.toString(), '0123456789');
  t.equal((await read(connections)).body.length, 0);
  t.equal(peer.sockets.length, 1);
});

async function dribble(socket: Socket, bytes: Buffer): Promise<void> {
  socket.setNoDelay(true);
  for (const byte of bytes) {
    await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    await new Promise(setImmediate);
  }
}

t.test('what is more than was promised ends the connection, and is in no answer', async (t) => {
  const peer = await startPeer(t, (socket, count) => {
    socket.write(plain(count === 0 ? 'good' : 'next'));
  });
  const connections = connectionsTo(t, peer);
  t.equal((await read(connections)).body.toString(), 'good');
  peer.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  await eventually('it is closed', () => peer.sockets[0]?.closed === true);
  t.equal((await read(connections)).body.toString(), 'next');
  t.equal(peer.sockets.length, 2);
});

t.test('with the answer itself: a failure, at whatever place', async (t) => {
  const big = Buffer.alloc(500_000);
  const long = Buffer.concat([plain(big), Buffer.from('x')]);
  const peer = await startPeer(t, (socket) => socket.write(long));
  await t.rejects(read(connectionsTo(t, peer)), /more than it promised/);
  const short = await startPeer(t, (socket) => socket.end(plain(big).subarray(0, -1)));
  await t.rejects(read(connectionsTo(t, short)), /closed the connection|connection ended/);
  const early = await startPeer(t, (socket) => socket.end());
  await t.rejects(read(connectionsTo(t, early)), /closed the connection|connection ended/);
  await t.rejects(read(connectionsTo(t, { port: 1 })), { code: 'ECONNREFUSED' });
});

t.test('an upstream whose answers are not plain is not asked again for a while', async (t) => {
  const answers = [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\nContent-Length: 0\r\n\r\n`,
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy',
  ];
  for (const answer of answers) {
    const peer = await startPeer(t, (socket) => socket.write(answer));
    const connections = connectionsTo(t, peer);
    for (let count = 0; count < 4; count++) {
      t.ok(connections.isWilling);
      await t.rejects(read(connections), { name: 'NotPlain' }, answer.slice(0, 60));
    }
    t.notOk(connections.isWilling);
  }
});

t.test('one odd answer among plain ones is no reason to rest', async (t) => {
  const peer = await startPeer(t, (socket, count) =>
    socket.write(count % 2 ? plain('') : 'HTTP/1.1 304 Not Modified\r\n\r\n'),
  );
  const connections = connectionsTo(t, peer);
  for (let count = 0; count < 10; count++) {
    await t.rejects(read(connections), { name: 'NotPlain' });
    await read(connections);
  }
  t.ok(connections.isWilling);
});

t.test('a reader that is slow holds the upstream back', async (t) => {
  const length = 64 * 1024 * 1024;
  const peer = await startPeer(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
    const block = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < length; at += block.length) socket.write(block);
  });
  const waiting: (() => void)[] = [];
  let count = 0;
  let isOver = false;
  let isSlow = true;
  connectionsTo(t, peer).get(request, {
    onHead: () => undefined,
    onBytes: (bytes, free) => {
      count += bytes.length;
      if (isSlow) waiting.push(free);
      else free();
    },
    onEnd: () => (isOver = true),
    onFailure: (error) => t.error(error),
  });
  await eventually('two are read', () => waiting.length === 2);
  const pending = (): number => peer.sockets[0]?.writableLength ?? 0;
  const before = pending();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(waiting.length, 2, 'and no more');
  t.ok(pending() > length / 2 && pending() <= before, 'the rest is still at the upstream');
  isSlow = false;
  for (const free of waiting) free();
  await eventually('all of it', () => isOver);
  t.equal(count, length);
});

t.test('who gives up hears nothing more, and the upstream is left', async (t) => {
  const peer = await startPeer(t, (socket) => {
    socket.write(plain(Buffer.alloc(1_000_000)).subarray(0, 300_000));
  });
  let heard = 0;
  const sending = connectionsTo(t, peer).get(request, {
    onHead: () => undefined,
    onBytes: () => {
      heard += 1;
      sending.abort();
    },
    onEnd: () => t.fail('an end'),
    onFailure: () => t.fail('a failure'),
  });
  await eventually('it is closed', () => peer.sockets[0]?.closed === true);
  t.equal(heard, 1);
});

t.test('no line can be smuggled into the head', async (t) => {
  const peer = await startPeer(t, (socket) => socket.write(plain('')));
  const connections = connectionsTo(t, peer);
  for (const value of ['a\r\nX: b', 'a\nb', 'a\0', '€']) {
    const heard = (): void => {
      t.fail('it was sent');
    };
    t.throws(
      () =>
        connections.get(
          { ...request, headers: ['X', value] },
          { onHead: heard, onBytes: heard, onEnd: heard, onFailure: heard },
        ),
      /no line/,
    );
  }
  t.equal(peer.received(), '');
});

t.test('only so many buffers are large at a time', (t) => {
  const buffers = new ReadBuffers(1024 * 1024);
  const taken = Array.from({ length: 6 }, () => buffers.take(true));
  t.same(
    taken.map(({ length }) => length / 1024),
    [256, 256, 256, 256, 64, 64],
  );
  for (const buffer of taken) buffers.giveBack(buffer);
  t.ok(taken.slice(0, 4).includes(buffers.take(true)), 'and they are used again');
  t.equal(buffers.take(false).length, 64 * 1024);
  t.end();
});
