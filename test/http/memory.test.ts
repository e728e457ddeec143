import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { drained } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, session } from '../fixtures/front.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startCommand } from '../fixtures/start.ts';
import { rulesElsewhere } from '../fixtures/tagwarden.ts';

const piece = Buffer.alloc(256 * 1024, 'x');
const gibibyte = 2 ** 30;

/** An upstream that keeps nothing: `?stall` stops after a while, `?silent` does not even begin. */
class Sink {
  readonly sockets = new Set<Socket>();
  received = 0;
  sent = 0;
  /** Resolves when requests may go on. */
  gate: Promise<void> = Promise.resolve();
  #port = 0;

  static async open(t: Test): Promise<Sink> {
    const sink = new Sink();
    const server = createServer((req, res) => {
      req.on('error', () => undefined);
      res.on('error', () => undefined);
      if (req.method === 'GET') void sink.#pull(req, res);
      else void sink.#push(req, res);
    });
    server.on('connection', (socket) => {
      sink.sockets.add(socket);
      socket.on('close', () => sink.sockets.delete(socket)).on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => {
      server.close();
      server.closeAllConnections();
    });
    sink.#port = (server.address() as AddressInfo).port;
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async #pull(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.url?.includes('silent')) return;
    if (!req.url?.includes('chunked')) res.setHeader('Content-Length', gibibyte);
    const length = req.url?.includes('stall') ? piece.length : gibibyte;
    for (let at = 0; at < length && !res.destroyed; at += piece.length) {
      this.sent += piece.length;
      if (!res.write(piece)) await drained(res);
    }
    if (length === gibibyte) res.end();
  }

  async #push(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      for await (const chunk of req) {
        this.received += (chunk as Buffer).length;
        await this.gate;
      }
      if (!req.url?.includes('silent')) res.writeHead(202).end();
    } catch {
      // The client has gone.
    }
  }
}

/** Tagwarden as it runs for its users: a process of its own, without the test runner's hooks. */
class Warden {
  readonly #pid: number;
  readonly port: number;

  private constructor(pid: number, port: number) {
    this.#pid = pid;
    this.port = port;
  }

  static async start(t: Test, upstream: string): Promise<Warden> {
    const directory = temporaryDirectory(t);
    const rules = join(directory, 'rules.yaml');
    writeFileSync(rules, rulesElsewhere);
    const flags = [
      '--upstream',
      upstream,
      '--rules',
      rules,
      '--claims-journal-file',
      join(directory, 'journal'),
    ];
    const { pid, url } = await startCommand(t, process.execPath, 'config/start.mjs', ...flags);
    return new Warden(pid, Number(new URL(url).port));
  }

  get residentMiB(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(this.#status)?.[1]) / 1024;
  }

  get peakMiB(): number {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(this.#status)?.[1]) / 1024;
  }

  get #status(): string {
    return readFileSync(`/proc/${this.#pid}/status`, 'utf8');
  }

  /** Connected or listening. */
  get openSockets(): number {
    const directory = `/proc/${this.#pid}/fd`;
    return readdirSync(directory).filter((name) => {
      try {
        return readlinkSync(join(directory, name)).startsWith('socket:');
      } catch {
        return false;
      }
    }).length;
  }

  async connect(): Promise<Socket> {
    const socket = connect({ port: this.port, host: '127.0.0.1' }).on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }
}

const pull = (query: string): string => `GET ${blob}?${query} HTTP/1.1\r\nHost: x\r\n\r\n`;
const half = piece.toString('latin1');
const kinds = [
  pull('silent'),
  pull('stall'),
  pull('stall&chunked'),
  pull('running'),
  pull('running&chunked'),
  pull('silent').repeat(3),
  `PATCH ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: ${gibibyte}\r\n\r\n${half}`,
  `PATCH ${session} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${piece.length.toString(16)}\r\n${half}`,
  `PATCH ${session}?silent HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`,
];

/** Leaves in the middle, so that both sides have something to close. */
async function abort(warden: Warden, kind: number): Promise<void> {
  const socket = await warden.connect();
  socket.write(kinds[kind % kinds.length] ?? '', 'latin1');
  await (kind % kinds.length < 5 && kind % kinds.length > 0 ? once(socket, 'data') : sleep(10));
  if (kind % 2 === 0) socket.destroy();
  else socket.resetAndDestroy();
  await once(socket, 'close');
}

async function abortMany(warden: Warden, count: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await abort(warden, next++);
  };
  await Promise.all(Array.from({ length: 20 }, worker));
}

t.test('1,000 aborts leave no socket and no growth of memory', async (t) => {
  const sink = await Sink.open(t);
  const warden = await Warden.start(t, sink.url);
  const socketsBefore = warden.openSockets;
  await abortMany(warden, 1_000);
  const warm = warden.residentMiB;
  await abortMany(warden, 500);
  const first = warden.residentMiB;
  await abortMany(warden, 500);
  const second = warden.residentMiB;
  t.comment(`MiB: ${[warm, first, second].map(Math.round).join(', ')}`);
  t.ok(second - first < 25, `from ${first} to ${second} MiB`);
  // undici opens a spare connection after an abort, and closes it when it was idle for 4 s.
  await eventually('the upstream has no connection left', () => sink.sockets.size === 0, 10_000);
  await eventually(
    'Tagwarden has as many sockets as before',
    () => warden.openSockets <= socketsBefore,
    10_000,
  );
});

t.test('1 GiB to a slow reader', async (t) => {
  const sink = await Sink.open(t);
  const warden = await Warden.start(t, sink.url);
  const before = warden.residentMiB;
  const socket = await warden.connect();
  let length = 0;
  socket.on('data', (chunk) => (length += chunk.length));
  socket.write(pull('running'));
  await eventually('it has begun', () => length > 0);
  socket.pause();
  let sent = -1;
  await eventually('the upstream is stopped', async () => {
    const sentBefore = sent;
    sent = sink.sent;
    await sleep(200);
    return sent === sentBefore;
  });
  t.ok(sent < 2 ** 26, `after ${sent} bytes`);
  socket.resume();
  await eventually('all of it is there', () => length > gibibyte, 60_000);
  socket.destroy();
  t.comment(`MiB: ${Math.round(before)}, at most ${Math.round(warden.peakMiB)}`);
  t.ok(warden.peakMiB - before < 100, `from ${before} to ${warden.peakMiB} MiB`);
});

t.test('1 GiB to a slow upstream', async (t) => {
  const sink = await Sink.open(t);
  const warden = await Warden.start(t, sink.url);
  const before = warden.residentMiB;
  let open: () => void = () => undefined;
  sink.gate = new Promise((resolve) => (open = resolve));
  const socket = await warden.connect();
  const answer = once(socket, 'data') as Promise<[Buffer]>;
  socket.write(`PATCH ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: ${gibibyte}\r\n\r\n`);
  let sent = 0;
  let isSlow = false;
  for (; sent < gibibyte; sent += piece.length) {
    if (socket.write(piece)) continue;
    const taken = await Promise.race([once(socket, 'drain').then(() => true), sleep(500).then(() => false)]);
    if (taken) continue;
    isSlow = true;
    t.ok(sent < 2 ** 26, `the client is stopped after ${sent} bytes`);
    open();
    await once(socket, 'drain');
  }
  t.ok(isSlow);
  t.match(String((await answer)[0]), /^HTTP\/1\.1 202 /);
  t.equal(sink.received, gibibyte);
  socket.destroy();
  t.comment(`MiB: ${Math.round(before)}, at most ${Math.round(warden.peakMiB)}`);
  t.ok(warden.peakMiB - before < 100, `from ${before} to ${warden.peakMiB} MiB`);
});
