import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { RateLimit } from '../../src/core/rate-limit.ts';
import { BodyPace } from '../../src/http/body-pace.ts';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { dev, openBuiltin, passwords } from '../fixtures/builtin.ts';
import { basic } from '../fixtures/client.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, manifest, session, startFront, uploads, type Front } from '../fixtures/front.ts';
import { rulesElsewhere } from '../fixtures/tagwarden.ts';
import type { Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

const accepting: Script = (req, res) => {
  req.on('end', () => res.writeHead(202, { 'Content-Length': 0 }).end());
};

t.test('a rate lets through what it says, and a burst before that', (t) => {
  const limit = new RateLimit({ perSecond: 10, burst: 5 });
  const taken = (key: string, nowMs: number, times: number): number =>
    Array.from({ length: times }, () => limit.take(key, nowMs)).filter((waitMs) => waitMs === 0).length;
  t.equal(taken('a', 0, 20), 5, 'the burst');
  t.equal(limit.take('a', 0), 100, 'then one in a tenth of a second');
  t.equal(taken('b', 0, 20), 5, 'everybody has their own');
  t.equal(taken('a', 250, 20), 2);
  t.equal(taken('a', 10_000, 20), 5, 'no more is saved up than the burst');
  limit.giveBack('a');
  limit.giveBack('nobody');
  t.equal(taken('a', 10_000, 20), 1);
  for (let at = 0; at < 10; at++) limit.giveBack('b');
  t.equal(taken('b', 250, 20), 5, 'nor by giving back');
  for (let at = 0; at < 100_000; at++) limit.take(`key ${at}`, 20_000);
  t.equal(taken('b', 20_000, 20), 5, 'who was forgotten begins anew');
  t.end();
});

/** How many of so many at once were served, and what the others were told. */
async function at(once: readonly Promise<Answer>[]): Promise<{ served: number; refused: readonly Answer[] }> {
  const answers = await Promise.all(once);
  const refused = answers.filter(({ status }) => status === 429);
  return { served: answers.length - refused.length, refused };
}

t.test('who asks for too much is told to wait, and nobody else', async (t) => {
  const flags = [
    '--limits-requests-per-second',
    '1',
    '--limits-request-burst',
    '10',
    '--trusted-proxies',
    '127.0.0.1',
  ];
  const { url, upstream, tagwarden } = await startFront(t, accepting, { flags });
  const from = (client: string, question: Parameters<typeof ask>[1] = {}): Promise<Answer> =>
    ask(`${url}/v2/`, { ...question, headers: ['X-Forwarded-For', client] });
  const many = await at(Array.from({ length: 30 }, () => from('203.0.113.1')));
  t.ok(many.served >= 10 && many.served <= 12, `${many.served} were served`);
  t.equal(upstream.requests.length, many.served, 'and nothing else was sent on');
  const [refused] = many.refused;
  t.ok(refused);
  if (!refused) return;
  t.match(refusalOf(refused), /^429 TOOMANYREQUESTS: too many requests/);
  t.equal(headerOf(refused, 'Retry-After'), '1');
  t.equal((await from('203.0.113.2')).status, 202, 'another address');
  const body = { method: 'PUT', body: Buffer.alloc(3_000_000) };
  const pushed = await at(Array.from({ length: 10 }, () => from('203.0.113.1', body)));
  t.ok(pushed.refused.length > 5, 'told also where a body is still on its way');
  const told = tagwarden.logs.filter(({ limit, msg }) => limit !== undefined && msg !== 'limited');
  t.match(
    told,
    [{ limit: 'limits.requests_per_second', who: 'address 203.0.113.1' }],
    'the log is told once',
  );

  const v6 = await at(Array.from({ length: 30 }, (_, host) => from(`2001:db8:1:2::${host.toString(16)}`)));
  t.ok(v6.served <= 12, 'a network of IPv6 is one caller');
  t.equal((await from('2001:db8:1:3::1')).status, 202);
  await eventually('it is let in again', async () => (await from('203.0.113.1')).status === 202, 3_000);
});

t.test('whom we verified has a rate of their own; tokens that are tried out are the address', async (t) => {
  const { tagwarden, get, upstream } = await openBuiltin(t, rulesElsewhere, {
    config: 'limits: { requests_per_second: 1, request_burst: 8 }\n',
  });
  const { url } = tagwarden;
  const token = async (who: readonly string[]): Promise<readonly string[]> => {
    const { body } = await get('service=container_registry&scope=repository:team/app:pull', who);
    return ['Authorization', `Bearer ${(JSON.parse(body) as { token: string }).token}`];
  };
  const [ofDev, ofMain] = [await token(dev), await token(basic('main', passwords.main))];
  const pull = (headers: readonly string[]): Promise<Answer> => ask(url + blob, { headers });
  const busy = await at(Array.from({ length: 20 }, () => pull(ofDev)));
  t.ok(busy.served >= 8 && busy.served <= 10, `${busy.served} of the first`);
  const other = await at(Array.from({ length: 6 }, () => pull(ofMain)));
  t.equal(other.served, 6, 'another one at the same address');

  const forged = ['Authorization', 'Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtYWluIn0.AAAA'];
  const tries = await at(Array.from({ length: 20 }, () => pull(forged)));
  t.ok(tries.served <= 8, `${tries.served} tokens were looked at`);
  t.equal(tries.refused.length, 20 - tries.served);
  // One may be asked for twice, where the reader of blobs did not understand the first answer.
  const asked = upstream.requests.filter(({ target }) => target === blob);
  t.equal(new Set(asked.map(({ headers }) => headers['x-request-id'])).size, busy.served + 6);
});

t.test('uploads are counted while they run, for each caller and for all', async (t) => {
  const flags = [
    '--limits-uploads',
    '3',
    '--limits-uploads-per-caller',
    '2',
    '--trusted-proxies',
    '127.0.0.1',
  ];
  const { url, tagwarden, upstream } = await startFront(t, accepting, { flags });
  const begin = async (client: string): Promise<Wire> => {
    const wire = await Wire.open(t, tagwarden);
    const head = `PATCH ${session} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: ${client}\r\nContent-Length: 9\r\n\r\n`;
    await wire.send(`${head}hello`);
    return wire;
  };
  const push = (
    client: string,
    target = session,
    method = 'PATCH',
    body = Buffer.from('hello'),
  ): Promise<Answer> => ask(url + target, { method, body, headers: ['X-Forwarded-For', client] });
  const running = [await begin('203.0.113.1'), await begin('203.0.113.1')];
  await eventually('two run', () => upstream.requests.length === 2);
  const mine = await push('203.0.113.1');
  t.match(refusalOf(mine), /^429 TOOMANYREQUESTS: more than 2 uploads of yours at once/);
  t.match(headerOf(mine, 'Retry-After'), /^[1-9]/);
  t.equal((await push('203.0.113.1', manifest, 'PUT')).status, 429, 'a manifest is content too');
  t.equal((await push('203.0.113.1', uploads, 'POST', Buffer.alloc(0))).status, 202, 'to begin one is none');
  t.equal((await push('203.0.113.2')).status, 202, 'somebody else');
  running.push(await begin('203.0.113.2'));
  await eventually('three run', () => upstream.requests.filter(({ complete }) => !complete).length === 3);
  t.match(refusalOf(await push('203.0.113.3')), /^429 TOOMANYREQUESTS: too many uploads at once/);
  const [first, second, third] = running;
  await first?.send('.end');
  await first?.until(/ 202 /);
  second?.leave();
  await eventually('their places are free', async () => (await push('203.0.113.1')).status === 202);
  third?.leave();
  const all = async (): Promise<boolean> =>
    (await at(Array.from({ length: 2 }, () => push('203.0.113.4')))).refused.length === 0;
  await eventually('and all of them', all);
});

/** Whether a connection is let in, or ended before a word is said. */
async function isLetIn({ tagwarden }: Front, localAddress: string, held: Socket[]): Promise<boolean> {
  const socket = connect({ host: tagwarden.host, port: tagwarden.port, localAddress });
  socket.on('error', () => undefined).write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
  held.push(socket);
  return new Promise((resolve) => {
    socket.once('data', () => {
      resolve(true);
    });
    socket.once('close', () => {
      resolve(false);
    });
  });
}

async function letIn(front: Front, addresses: readonly string[], held: Socket[]): Promise<number> {
  const outcomes = [];
  for (const address of addresses) outcomes.push(await isLetIn(front, address, held));
  return outcomes.filter((isIn) => isIn).length;
}

t.test('connections are counted, for each address and for all', async (t) => {
  const held: Socket[] = [];
  t.teardown(() => {
    for (const socket of held) socket.destroy();
  });
  const flags = [
    '--limits-connections',
    '8',
    '--limits-connections-per-address',
    '3',
    '--trusted-proxies',
    '127.0.0.9',
  ];
  const front = await startFront(t, undefined, { flags });
  const times = (address: string, count: number): string[] => Array.from({ length: count }, () => address);
  t.equal(await letIn(front, times('127.0.0.2', 6), held), 3);
  t.equal(await letIn(front, times('127.0.0.9', 4), held), 4, 'a load balancer brings many');
  t.equal(await letIn(front, times('127.0.0.3', 3), held), 1, 'that is all');
  held[0]?.destroy();
  const again = async (): Promise<boolean> => isLetIn(front, '127.0.0.2', held);
  await eventually('the place of one that has gone is free', again);
  t.equal(await letIn(front, ['127.0.0.2'], held), 0);
});

/** Milliseconds until the other side closes, while a piece is sent now and then. */
async function cutAfter(
  t: Test,
  front: Front,
  first: string,
  piece = '',
): Promise<{ ms: number; text: string }> {
  const wire = await Wire.open(t, front.tagwarden);
  const startedMs = performance.now();
  if (first !== '') await wire.send(first);
  while (!wire.isClosed && performance.now() - startedMs < 15_000) {
    await sleep(200);
    // To one who has closed it is not said.
    if (piece !== '') await wire.send(piece);
  }
  return { ms: performance.now() - startedMs, text: wire.text };
}

t.test('who only pretends to say something is cut', async (t) => {
  const flags = [
    ...['--limits-header-timeout-seconds', '1', '--limits-keep-alive-seconds', '1'],
    ...['--upstream-idle-timeout-seconds', '1', '--limits-body-bytes-per-second', '100'],
  ];
  const front = await startFront(t, accepting, { flags });
  const head = (method: string, target: string, more: string): string =>
    `${method} ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  const length = 'Content-Length: 100000000000\r\n';
  const whole = head('GET', '/v2/', '');
  const cases: readonly (readonly [name: string, first: string, piece: string, answer: RegExp])[] = [
    ['says nothing', '', '', /^HTTP\/1\.1 408 |^$/],
    ['empty lines', '', '\r\n', /^HTTP\/1\.1 408 |^$/],
    ['a head in drops', 'GET /v2/ HTTP/1.1\r\nHost: x\r\n', 'X: y\r\n', /^HTTP\/1\.1 408 /],
    ['nothing after a request', whole, '', /^HTTP\/1\.1 202 /],
    ['empty lines after a request', whole, '\r\n', /^HTTP\/1\.1 202 /],
    ['a second head in drops', `${whole}GET /v2/`, 'x', /^HTTP\/1\.1 202 /],
    ['a body that never comes', head('PATCH', session, length), '', /^HTTP\/1\.1 504 /],
    ['a body in drops', head('PATCH', session, length), 'x', /^$/],
    [
      'a body in chunks of a byte',
      head('POST', uploads, 'Transfer-Encoding: chunked\r\n'),
      '1\r\nx\r\n',
      /^$/,
    ],
    ['a manifest in drops', head('PUT', manifest, 'Content-Length: 1000\r\n'), '{', /^$/],
    ['a large manifest', head('PUT', manifest, length), 'x', /^HTTP\/1\.1 413 /],
    ['a body that nobody wants', head('GET', blob, length), 'x', /^HTTP\/1\.1 202 /],
  ];
  const outcomes = await Promise.all(cases.map(([, first, piece]) => cutAfter(t, front, first, piece)));
  for (const [at, { ms, text }] of outcomes.entries()) {
    const [name = '', , , answer = /^$/] = cases[at] ?? [];
    t.ok(ms < 9_000, `${name}: after ${Math.round(ms)} ms`);
    t.match(text, answer, name);
  }
  const cut = front.tagwarden.logs.filter(({ limit }) => limit === 'limits.body_bytes_per_second');
  t.equal(cut.length, 3, 'the log has who was cut for being slow');
});

t.test('who is slow, and not that slow, is served', async (t) => {
  const flags = ['--upstream-idle-timeout-seconds', '1', '--limits-body-bytes-per-second', '100'];
  const front = await startFront(t, accepting, { flags });
  const body = async function* (): AsyncIterable<Buffer> {
    for (let piece = 0; piece < 20; piece++) {
      yield Buffer.alloc(100);
      await sleep(200);
    }
  };
  t.equal((await ask(front.url + session, { method: 'PATCH', body: body() })).status, 202);
});

t.test('time in which we do not read is not the fault of the client', async (t) => {
  const cut: string[] = [];
  const pace = new BodyPace({
    bytesPerSecond: 1_000_000,
    windowMs: 300,
    onCut: (client) => cut.push(client),
  });
  const server = createServer((req, res) => {
    pace.watch(req, res);
    req.on('error', () => undefined).on('end', () => res.writeHead(202).end());
    // As where the upstream takes no more for a while: what has come by then waits.
    if (req.url === '/paused') setTimeout(() => req.resume(), 1_000);
    else req.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const body = Buffer.alloc(8 * 2 ** 20);
  t.equal((await ask(`${url}/paused`, { method: 'PUT', body })).status, 202);
  t.same(cut, []);
  const slow = async function* (): AsyncIterable<Buffer> {
    for (let piece = 0; piece < 10; piece++) {
      yield Buffer.alloc(1_000);
      await sleep(100);
    }
  };
  await t.rejects(ask(url, { method: 'PUT', body: slow() }));
  t.same(cut, ['127.0.0.1']);
});

t.test('a head has at most 32 KiB and 1,000 fields', async (t) => {
  const { tagwarden, upstream, url } = await startFront(t);
  const wire = async (fields: string): Promise<string> => {
    const one = await Wire.open(t, tagwarden);
    await one.send(`GET /nothing HTTP/1.1\r\nHost: x\r\n${fields}Connection: close\r\n\r\n`);
    return one.untilClosed();
  };
  const token = `Authorization: Bearer ${'x'.repeat(30_000)}\r\n`;
  t.match(await wire(token), /^HTTP\/1\.1 404 /, 'a token with many scopes');
  t.match(await wire(`X: ${'x'.repeat(40_000)}\r\n`), /^HTTP\/1\.1 431 /);
  t.match(await wire('A: b\r\n'.repeat(20_000)), /^HTTP\/1\.1 431 /);
  t.match(await wire('A: b\r\n'.repeat(998)), /^HTTP\/1\.1 404 /, '1,000 with Host and Connection');
  // Node would drop the last of these, and the second Authorization with it.
  const hidden = `${'A: b\r\n'.repeat(2_500)}Authorization: Basic YTpi\r\n`;
  t.match(await wire(`Authorization: Basic YTpi\r\n${hidden}`), /^HTTP\/1\.1 431 [^]*too many header fields/);
  const flood = await Wire.open(t, tagwarden);
  const startedMs = performance.now();
  await flood.send('GET /v2/ HTTP/1.1\r\nHost: x\r\n');
  while (!flood.isClosed && performance.now() - startedMs < 5_000)
    await flood.send(`A: ${'b'.repeat(10_000)}\r\n`);
  t.ok(flood.isClosed, 'who goes on and on is cut');
  t.equal((await ask(`${url}/v2/`)).status, 200);
  t.equal(upstream.requests.length, 1);
});
