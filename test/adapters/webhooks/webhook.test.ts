import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { Webhook, type WebhookLimits } from '../../../src/adapters/webhooks/webhook.ts';
import type { WebhookConfig } from '../../../src/config/webhooks.ts';
import { Secret } from '../../../src/config/secret.ts';
import { cloudEvent, type CloudEvent } from '../../../src/core/cloud-event.ts';
import { Authority } from '../../fixtures/authority.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { freePort } from '../../fixtures/free-port.ts';
import { isSigned, secretA, secretB, startReceiver, type Receiver } from '../../fixtures/receiver.ts';
import { recordedLog, type RecordedLog } from '../../fixtures/recorded-log.ts';

const soon: Partial<WebhookLimits> = { firstPauseMs: 10, attemptMs: 2_000 };

interface Told extends RecordedLog {
  readonly webhook: Webhook;
  readonly tell: (id: string) => void;
}

function tellTo(
  t: Test,
  receiver: Pick<Receiver, 'url' | 'secretFile'>,
  limits: Partial<WebhookLimits> = {},
  more: Partial<WebhookConfig> = {},
): Told {
  const log = recordedLog();
  const config: WebhookConfig = {
    ...{ url: `${receiver.url}/hooks/a-secret-path?key=1`, events: ['write.denied'] },
    ...{ secretFile: receiver.secretFile, secret: new Secret(readFileSync(receiver.secretFile, 'utf8')) },
    ...more,
  };
  const webhook = new Webhook({ config, log: log.log, limits: { ...soon, ...limits } });
  t.teardown(() => webhook.close(0));
  const tell = (id: string): void => {
    webhook.take(...eventOf(id));
  };
  return { ...log, webhook, tell };
}

function eventOf(id: string): [CloudEvent, string] {
  const event = cloudEvent(
    'write.denied',
    { audit: 'denied' },
    { id, source: 'urn:x', time: '2026-11-22T14:31:07Z' },
  );
  return [event, JSON.stringify(event)];
}

const ids = (receiver: Receiver): readonly string[] => receiver.events().map(({ id }) => id);

t.test('an event is posted once, signed, in order', async (t) => {
  const receiver = await startReceiver(t);
  const { webhook, tell, lines } = tellTo(t, receiver);
  for (const id of ['a', 'b', 'c']) tell(id);
  await eventually('all are told', () => webhook.counts.sent === 3);
  t.strictSame(ids(receiver), ['a', 'b', 'c']);
  const [first] = receiver.requests;
  t.match(first, { method: 'POST', target: '/hooks/a-secret-path?key=1' });
  t.equal(first?.headers['content-type'], 'application/cloudevents+json; charset=utf-8');
  t.equal(first?.headers['webhook-id'], 'a');
  for (const request of receiver.requests) {
    t.ok(isSigned(request, secretA));
    t.notOk(isSigned(request, secretB));
    t.notOk(isSigned({ ...request, body: Buffer.from(`${request.body.toString()} `) }, secretA));
  }
  t.same(lines, []);
});

t.test('what may be otherwise in a while is tried again, and signed anew', async (t) => {
  const receiver = await startReceiver(t);
  const statuses = [503, 408, 425, 500];
  receiver.script = (_, res) => void res.writeHead(statuses.shift() ?? 200).end('whatever');
  const { webhook, tell, lines } = tellTo(t, receiver);
  tell('a');
  await eventually('it is told', () => webhook.counts.sent === 1);
  t.strictSame(ids(receiver), ['a', 'a', 'a', 'a', 'a']);
  for (const request of receiver.requests) t.ok(isSigned(request, secretA));
  t.match(lines, [{ level: 40, msg: 'a webhook takes no events now; they wait', status: 503, waiting: 1 }]);
  t.notMatch(JSON.stringify(lines), /a-secret-path/, 'an address may be a secret');
  t.same(webhook.counts, { sent: 1, failed: 0, dropped: 0 });
});

t.test('a receiver that says when is not asked before', async (t) => {
  const receiver = await startReceiver(t);
  const inTwoSeconds = (): string => new Date(Date.now() + 2_000).toUTCString();
  for (const after of [(): string => '1', inTwoSeconds]) {
    const askedMs: number[] = [];
    receiver.script = (_, res) => {
      askedMs.push(performance.now());
      if (askedMs.length === 1) res.writeHead(429, { 'Retry-After': after() }).end();
      else res.end();
    };
    const { webhook, tell } = tellTo(t, receiver);
    tell('a');
    await eventually('it is told', () => webhook.counts.sent === 1);
    const [first = 0, second = 0] = askedMs;
    t.ok(second - first >= 950, `${second - first} ms`);
  }
});

t.test('what else a receiver answers is its last word; a redirect is not followed', async (t) => {
  const [receiver, elsewhere] = [await startReceiver(t), await startReceiver(t)];
  const { webhook, tell, lines } = tellTo(t, receiver, { tellAgainMs: 0 });
  const statuses = [400, 401, 404, 410, 301, 302, 307, 308];
  for (const status of statuses) {
    receiver.script = (_, res) => void res.writeHead(status, { Location: elsewhere.url }).end();
    const { failed } = webhook.counts;
    tell(String(status));
    await eventually(`${status}`, () => webhook.counts.failed === failed + 1);
  }
  t.strictSame(ids(receiver), statuses.map(String), 'each was sent once');
  t.equal(elsewhere.requests.length, 0);
  t.match(lines[0], {
    level: 40,
    msg: 'a webhook refused an event',
    webhook: receiver.url,
    event: '400',
    status: 400,
  });
});

t.test('an event that a receiver chokes on keeps no other one back', async (t) => {
  const receiver = await startReceiver(t);
  receiver.script = (req, res) => void res.writeHead(req.headers['webhook-id'] === 'bad' ? 500 : 200).end();
  const { webhook, tell } = tellTo(t, receiver, { keptMs: 300 });
  for (const id of ['bad', 'a', 'b']) tell(id);
  await eventually('the others are told', () => webhook.counts.sent === 2);
  await eventually('it is given up', () => webhook.counts.failed === 1);
});

t.test('there is room for so many; the latest are dropped, which is counted, and told once', async (t) => {
  const receiver = await startReceiver(t);
  const held: (() => void)[] = [];
  receiver.script = (_, res) => void held.push(() => res.end());
  const { webhook, tell, said } = tellTo(t, receiver, { waiting: 5, tellAgainMs: 60_000 });
  for (let at = 0; at < 20; at += 1) tell(String(at));
  t.same(webhook.counts, { sent: 0, failed: 0, dropped: 14 }, 'one is on its way, five wait');
  t.strictSame(said(), ['there are too many events for a webhook; the latest are dropped']);
  await eventually('it has come', () => held.length === 1);
  receiver.script = (_, res) => void res.end();
  t.equal(receiver.requests.length, 1, 'one at a time');
  held[0]?.();
  await eventually('all are told', () => webhook.counts.sent === 6);
  t.strictSame(ids(receiver), ['0', '1', '2', '3', '4', '5']);
});

t.test('a receiver that is not there, that is silent, or that hangs up', async (t) => {
  const gone = {
    url: `http://127.0.0.1:${await freePort()}`,
    secretFile: (await startReceiver(t)).secretFile,
  };
  const { lines: ofGone, tell } = tellTo(t, gone);
  tell('a');
  await eventually('it is told of', () => ofGone.length > 0);
  t.match(ofGone[0], { reason: /ECONNREFUSED/ });

  const silent = await startReceiver(t);
  let asked = 0;
  silent.script = (req, res) => {
    asked += 1;
    if (asked === 2) req.socket.destroy();
    else if (asked > 2) res.end();
  };
  const { webhook, lines, tell: tellSilent } = tellTo(t, silent, { attemptMs: 100 });
  tellSilent('a');
  await eventually('it is told in the end', () => webhook.counts.sent === 1);
  t.match(lines[0], { reason: 'no answer within 100 ms' });
  t.equal(asked, 3);
});

t.test('a secret that is replaced, by way of two at a time', async (t) => {
  const receiver = await startReceiver(t);
  const { webhook, tell, lines } = tellTo(t, receiver);
  const sentWith = async (text: string): Promise<boolean[]> => {
    writeFileSync(receiver.secretFile, text);
    webhook.reload();
    const { sent } = webhook.counts;
    tell('a');
    await eventually('it is told', () => webhook.counts.sent === sent + 1);
    const last = receiver.requests.at(-1);
    return [secretA, secretB].map((secret) => last !== undefined && isSigned(last, secret));
  };
  t.same(await sentWith(`${secretA}\n${secretB}\n`), [true, true]);
  t.same(await sentWith(secretB), [false, true]);
  t.same(await sentWith('broken'), [false, true], 'the last good one stays');
  t.match(lines, [{ level: 50, msg: /secret of a webhook is not read/ }]);
  t.notMatch(JSON.stringify(lines), secretB.slice(6));
});

t.test('the end: what waits is tried once more, and nobody waits longer than was said', async (t) => {
  const receiver = await startReceiver(t);
  receiver.script = (_, res) => void res.writeHead(503, { 'Retry-After': '3600' }).end();
  const { webhook, tell, lines } = tellTo(t, receiver);
  tell('a');
  tell('b');
  await eventually('it has been refused', () => lines.length === 1);
  receiver.script = (_, res) => void res.end();
  await webhook.close(2_000);
  t.strictSame(ids(receiver).toSorted(), ['a', 'a', 'b']);
  t.equal(webhook.counts.sent, 2);
  tell('c');
  t.equal(webhook.counts.dropped, 1, 'it is over');

  receiver.script = () => undefined;
  const hanging = tellTo(t, receiver, { attemptMs: 60_000 });
  for (const id of ['d', 'e', 'f']) hanging.tell(id);
  await eventually('it hangs', () => receiver.requests.length === 4);
  const beganMs = performance.now();
  await hanging.webhook.close(100);
  t.ok(performance.now() - beganMs < 1_000);
  t.strictSame(hanging.said(), ['a webhook was not told of all events']);
});

t.test('over TLS: to whom the authority of ca_file vouches for, and to nobody else', async (t) => {
  const [authority, other] = [await Authority.make(t), await Authority.make(t)];
  const receiver = await startReceiver(t, await authority.issue());
  const trusting = tellTo(t, receiver, {}, { ca: authority.cert });
  trusting.tell('a');
  await eventually('it is told', () => trusting.webhook.counts.sent === 1);
  for (const more of [{ ca: other.cert }, {}]) {
    const { tell, lines } = tellTo(t, receiver, {}, more);
    tell('b');
    await eventually('it is told of', () => lines.length > 0);
    t.match(lines[0], { reason: /certificate/ });
  }
  t.strictSame(ids(receiver), ['a']);
});

t.test('what is sent is one message to a connection, whole', async (t) => {
  const { secretFile } = await startReceiver(t);
  let received = '';
  const server = createServer((socket) => {
    socket.on('data', (bytes) => {
      received += bytes.toString();
      if (received.includes('}}')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  const { webhook, tell } = tellTo(t, { url: `http://127.0.0.1:${port}`, secretFile });
  tell('a');
  await eventually('it is told', () => webhook.counts.sent === 1);
  t.match(received, /^POST \/hooks\/a-secret-path\?key=1 HTTP\/1\.1\r\n/);
  t.match(received, /\r\nContent-Length: \d+\r\n/i);
  t.notMatch(received, /Transfer-Encoding/i);
});
