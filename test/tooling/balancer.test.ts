import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import t, { type Test } from 'tap';
import { startBalancer } from '../fixtures/balancer.ts';
import { freePort } from '../fixtures/free-port.ts';
import { eventually } from '../fixtures/eventually.ts';
import { incompressible } from '../fixtures/image.ts';
import { sendRaw } from '../fixtures/raw.ts';
import { startUpstream, type Script, type ScriptedUpstream } from '../fixtures/upstream.ts';

const digest = `sha256:${'a'.repeat(64)}`;

/** The balancer before two Tagwardens that do as the script says. */
async function startTwo(
  t: Test,
  script?: Script,
): Promise<{
  url: string;
  replicas: readonly [ScriptedUpstream, ScriptedUpstream];
  requests: () => ScriptedUpstream['requests'];
}> {
  const replicas = [await startUpstream(t, script), await startUpstream(t, script)] as const;
  const [first, second] = replicas.map((replica) => new URL(replica.url).host);
  const url = await startBalancer(t, first ?? '', second ?? '');
  return { url, replicas, requests: () => replicas.flatMap((replica) => replica.requests) };
}

for (const [method, body] of [
  // So small that it arrives with its header.
  ['PUT', '{}'],
  ['PUT', undefined],
  ['PUT', 'x'.repeat(2 ** 20)],
  ['DELETE', undefined],
  ['POST', undefined],
  ['PATCH', 'layer'],
  ['PROPFIND', undefined],
] as const) {
  t.test(`a ${method} of ${body?.length ?? 'no'} bytes that was sent is not sent again`, async (t) => {
    const { url, requests } = await startTwo(t, (req) => {
      req.on('end', () => req.socket.destroy()).resume();
    });
    const response = await fetch(`${url}/v2/a/manifests/v1`, { method, ...(body !== undefined && { body }) });
    t.equal(response.status, 502);
    t.strictSame(
      requests().map((arrived) => arrived.method),
      [method],
    );
  });
}

t.test('a read is asked of the other one', async (t) => {
  const {
    url,
    replicas: [first, second],
  } = await startTwo(t);
  first.script = (req) => void req.socket.destroy();
  for (let attempt = 0; attempt < 4; attempt++) t.equal((await fetch(`${url}/v2/`)).status, 200);
  t.ok(first.requests.length > 0);
  t.equal(second.requests.length, 4);
});

t.test('a replica that is not there is passed over', async (t) => {
  const replica = await startUpstream(t);
  const url = await startBalancer(t, `127.0.0.1:${await freePort()}`, new URL(replica.url).host);
  const begin = await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' });
  t.equal(begin.status, 200, 'nothing was sent, and so POST goes to the other one');
  const push = await fetch(`${url}/v2/a/manifests/v1`, { method: 'PUT', body: '{}' });
  t.equal(push.status, 200, 'and what follows does not try again');
});

for (const [method, length] of [
  ['PUT', 2],
  ['PUT', undefined],
  ['PUT', 99_999],
  ['PUT', 2 ** 20],
  ['DELETE', undefined],
  ['POST', undefined],
  ['PATCH', 5],
] as const) {
  t.test(`the first to meet it, a ${method} of ${length ?? 'no'} bytes, goes to the other one`, async (t) => {
    const replica = await startUpstream(t, (req, res) => void req.on('end', () => res.end()).resume());
    const { host } = new URL(replica.url);
    // One of the two is asked first.
    for (const isFirst of [true, false]) {
      const away = `127.0.0.1:${await freePort()}`;
      const url = await startBalancer(t, ...(isFirst ? ([away, host] as const) : ([host, away] as const)));
      const body = length === undefined ? undefined : 'x'.repeat(length);
      for (let turn = 0; turn < 2; turn++) {
        const response = await fetch(`${url}/v2/a/manifests/v1`, {
          method,
          ...(body !== undefined && { body }),
        });
        t.equal(response.status, 200);
      }
    }
    t.strictSame(
      replica.requests.map((arrived) => [arrived.method, arrived.body.length]),
      Array.from({ length: 4 }, () => [method, length ?? 0]),
    );
  });
}

t.test(
  'Host, path and body arrive as they were sent, and no word of the client on where it comes from',
  async (t) => {
    const { url, requests } = await startTwo(t);
    const { hostname: host, port } = new URL(url);
    const target = '/v2//a/./%6danifests/v1/../v2?tag=%76';
    const head = [
      `PUT ${target} HTTP/1.1`,
      'Host: registry.example:5443',
      'Content-Length: 2',
      'Connection: close',
    ];
    const told = [
      'X-Forwarded-For: 198.51.100.7',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.example',
    ];
    const message = [...head, ...told, 'Forwarded: host=evil.example', '', '{}'].join('\r\n');
    const { responses } = await sendRaw({ host, port: Number(port) }, Buffer.from(message));
    t.equal(responses[0]?.status, 200);
    const [{ headers, ...arrived } = { headers: {} }] = requests();
    t.match(arrived, { method: 'PUT', target, body: Buffer.from('{}'), complete: true });
    t.match(headers, {
      host: 'registry.example:5443',
      'x-forwarded-for': /^127\.0\.0\.1$/,
      'x-forwarded-proto': 'http',
      'x-forwarded-host': undefined,
      forwarded: undefined,
    });
  },
);

t.test('a layer passes while it is sent, whatever its size', async (t) => {
  const { url, requests } = await startTwo(t, (req, res) => {
    req.on('end', () => res.writeHead(202).end());
  });
  const sent = request(`${url}/v2/a/blobs/uploads/1`, { method: 'PATCH' });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  const part = incompressible(2 ** 20);
  sent.write(part);
  await eventually('the first MiB has arrived', () => requests()[0]?.body.length === part.length);
  for (let index = 1; index < 3; index++) sent.write(part);
  sent.end();
  const [response] = await answered;
  t.equal(response.statusCode, 202);
  t.equal(requests()[0]?.body.length, 3 * part.length);
});

t.test('a layer passes while it is fetched', async (t) => {
  let finish = (): void => undefined;
  const { url } = await startTwo(t, (_, res) => {
    res.writeHead(200, { 'Content-Length': 2 }).write('a');
    finish = () => res.end('b');
  });
  const { body } = await fetch(`${url}/v2/a/blobs/${digest}`, { signal: AbortSignal.timeout(10_000) });
  const reader = body?.getReader();
  t.same((await reader?.read())?.value, Buffer.from('a'));
  finish();
  t.same((await reader?.read())?.value, Buffer.from('b'));
});
