import t, { type Test } from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { inChunks, manifest, session, startFront, uploads, type Front } from '../fixtures/front.ts';
import { Wire } from '../fixtures/wire.ts';

const rules = `repository_rules:
  - id: frozen
    repository_path_pattern: team/frozen
    minimum_access_level_for_push: no_access
tag_rules:
  - id: closed
    tag_name_pattern: ^closed$
    minimum_access_level_for_push: owner
`;
const frozenUploads = uploads.replace('app', 'frozen');
const frozenSession = session.replace('app', 'frozen');
const closedTag = '/v2/team/app/manifests/closed';
const piece = Buffer.alloc(2 ** 20, 'x');
const big = 50 * 2 ** 20;

function start(t: Test): Promise<Front> {
  return startFront(
    t,
    (req, res) => {
      req.on('end', () => res.writeHead(202, { 'Content-Length': 0 }).end());
    },
    { rules },
  );
}

function framed(body: Buffer, isChunked: boolean): Buffer {
  const size = `${body.length.toString(16)}\r\n`;
  return isChunked ? Buffer.concat([Buffer.from(size), body, Buffer.from('\r\n')]) : body;
}

/** As clients do that do not look at the answer before they have sent everything. */
async function sendBlindly(wire: Wire, head: string, length: number, isChunked: boolean): Promise<void> {
  const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`;
  wire.socket.pause();
  await wire.send(`${head} HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`);
  for (let sent = 0; sent < length; sent += piece.length) {
    if (!(await wire.send(framed(piece, isChunked)))) break;
  }
  if (isChunked) await wire.send('0\r\n\r\n');
  wire.socket.resume();
}

t.test(
  'an upload of 50 MB that is refused: the client always sees why, and nothing goes upstream',
  async (t) => {
    const front = await start(t);
    for (let round = 0; round < 20; round++) {
      const isChunked = round % 2 === 1;
      const head = round % 4 < 2 ? `PATCH ${frozenSession}` : `POST ${frozenUploads}`;
      const wire = await Wire.open(t, front.tagwarden);
      await sendBlindly(wire, head, big, isChunked);
      const text = await wire.untilClosed();
      t.match(
        text,
        /^HTTP\/1\.1 403 Forbidden\r\n[^]*\r\nConnection: close\r\n[^]*"code":"DENIED"[^]*\}$/,
        `${head}: ${round}`,
      );
      t.match(text, /"message":"container protected; /);
    }
    t.equal(front.upstream.requests.length, 0);
  },
);

t.test(
  'a client of which nobody knows how much it will send is read for 64 MiB, and no further',
  async (t) => {
    const front = await start(t);
    const wire = await Wire.open(t, front.tagwarden);
    await wire.send(`PATCH ${frozenSession} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const limit = 300;
    let sent = 0;
    while (sent < limit && (await wire.send(framed(piece, true)))) sent++;
    t.ok(sent >= 64 && sent < 100, `${sent} MiB were taken`);
    t.match(await wire.untilClosed(), /^HTTP\/1\.1 403 [^]*"DENIED"[^]*\}$/);
  },
);

t.test('a refused client that sends nothing is let go after five seconds', async (t) => {
  const front = await start(t);
  const wire = await Wire.open(t, front.tagwarden);
  const startedAt = performance.now();
  await wire.send(`PATCH ${frozenSession} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n`);
  await wire.until(/^HTTP\/1\.1 403 [^]*\}$/, 2_000);
  await wire.untilClosed(9_000);
  const seconds = (performance.now() - startedAt) / 1000;
  t.ok(seconds > 4.5 && seconds < 9, `after ${seconds} s`);
});

t.test('a manifest that is too long is refused whole, too', async (t) => {
  const front = await start(t);
  for (const isChunked of [false, true]) {
    const wire = await Wire.open(t, front.tagwarden);
    await sendBlindly(wire, `PUT ${manifest}`, big, isChunked);
    t.match(await wire.untilClosed(), /^HTTP\/1\.1 413 [^]*"code":"SIZE_INVALID"[^]*\}$/);
  }
  t.equal(front.upstream.requests.length, 0);
});

t.test('an upstream that refuses before it has read is heard, and the rest stays here', async (t) => {
  const front = await start(t);
  front.upstream.script = (_, res) => void res.writeHead(401, { 'WWW-Authenticate': 'Basic' }).end('no');
  for (let round = 0; round < 6; round++) {
    const wire = await Wire.open(t, front.tagwarden);
    await sendBlindly(wire, `PATCH ${session}`, big, round % 2 === 1);
    t.match(
      await wire.untilClosed(),
      /^HTTP\/1\.1 401 [^]*\r\nWWW-Authenticate: Basic\r\n[^]*no/,
      `round ${round}`,
    );
  }
});

t.test('100 Continue: only to who is to send', async (t) => {
  const front = await start(t);
  const expecting = async (head: string, length: number): Promise<Wire> => {
    const wire = await Wire.open(t, front.tagwarden);
    await wire.send(
      `${head} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`,
    );
    return wire;
  };
  const refused: [head: string, length: number, status: number][] = [
    [`PATCH ${frozenSession}`, big, 403],
    [`POST ${frozenUploads}`, big, 403],
    [`PUT ${manifest.replace('app', 'frozen')}`, 9, 403],
    [`PUT ${closedTag}`, 9, 403],
    [`PUT ${manifest}`, big, 413],
    ['PUT /v2/team/app/manifests/a/../b', 9, 400],
    ['PUT /elsewhere', 9, 404],
  ];
  for (const [head, length, status] of refused) {
    const wire = await expecting(head, length);
    await wire.until(/\r\n\r\n/);
    t.ok(wire.text.startsWith(`HTTP/1.1 ${status} `), `${head}: ${status} and no 100`);
    wire.leave();
  }
  t.equal(front.upstream.requests.length, 0);
  for (const head of [`PATCH ${session}`, `POST ${uploads}`, `PUT ${manifest}`]) {
    const wire = await expecting(head, 5);
    await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    await wire.send('hello');
    await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202 /);
  }
  const bodies = front.upstream.requests.map(({ body }) => body.toString());
  t.same(bodies, ['hello', 'hello', 'hello']);
});

t.test('a refusal of a request without a body leaves the connection as it was', async (t) => {
  const front = await start(t);
  const wire = await Wire.open(t, front.tagwarden);
  for (let count = 1; count <= 3; count++) {
    await wire.send(`POST ${frozenUploads} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
    await eventually('one more answer', () => wire.text.split('HTTP/1.1 403 ').length === count + 1);
  }
  t.notMatch(wire.text, /connection: close/i);
  t.notOk(wire.isClosed);
  const answer = await ask(front.url + frozenUploads, { method: 'POST', body: inChunks(piece, [9_999]) });
  t.match(refusalOf(answer), /^403 DENIED: container protected; /);
});
