import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { sendRaw } from '../fixtures/raw.ts';
import { rawMessage } from '../fixtures/raw-message.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';
import { bodyOf, startUpstream, type ScriptedUpstream } from '../fixtures/upstream.ts';

// CVE-2026-29057: http-proxy 1.18.1 sends a chunked DELETE or OPTIONS on with `Content-Length: 0`, and its body behind
// it. On a connection that is kept alive, the upstream takes that body for the next request.

const rules = `tag_rules:
  - { repository_path_pattern: prod/*, tag_name_pattern: ^latest$, minimum_access_level_for_push: no_access }
`;
const config = `passthrough:
  - { prefix: /api2, methods: [GET, POST, DELETE, OPTIONS] }
`;
const hidden = rawMessage({
  ...{ method: 'PUT', target: '/v2/prod/app/manifests/latest', connection: 'keep-alive' },
  ...{ headers: ['Content-Type: application/vnd.oci.image.manifest.v1+json'], body: '{"schemaVersion":2}' },
});
const nothing = Buffer.alloc(0);
const attacks = ['DELETE', 'OPTIONS', 'GET', 'HEAD', 'POST'].flatMap((method) =>
  (['chunked', 'length'] as const).map((framing) => ({ method, framing })),
);

function heardBy({ requests }: ScriptedUpstream): readonly string[] {
  return requests.map(({ method, target }) => `${method} ${target}`);
}

async function startEcho(t: Test): Promise<ScriptedUpstream> {
  return startUpstream(t, async (req, res, { method, target }) => {
    await bodyOf(req);
    res.end(`${method} ${target}`);
  });
}

/** What http-proxy does: `deleteLength`, then `req.pipe(proxyReq)`, with an agent that keeps connections. */
async function startNaiveProxy(t: Test, upstream: string): Promise<{ host: string; port: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const server = createServer((req, res) => {
    const headers = { ...req.headers };
    if ((req.method === 'DELETE' || req.method === 'OPTIONS') && headers['content-length'] === undefined) {
      headers['content-length'] = '0';
      delete headers['transfer-encoding'];
    }
    headers.connection = 'keep-alive';
    const onward = request(upstream + (req.url ?? ''), { method: req.method, headers, agent }, (answer) => {
      answer.pipe(res);
    });
    req.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    agent.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

t.test(
  'the attack is real: a proxy that does as http-proxy does lets the hidden request through',
  async (t) => {
    const upstream = await startEcho(t);
    const proxy = await startNaiveProxy(t, upstream.url);
    const target = '/v2/prod/app/manifests/free';
    await sendRaw(proxy, rawMessage({ method: 'DELETE', target, body: hidden, framing: 'chunked' }));
    await eventually('both are heard', () => upstream.requests.length >= 2);
    t.same(heardBy(upstream), [`DELETE ${target}`, 'PUT /v2/prod/app/manifests/latest']);
  },
);

for (const target of ['/v2/prod/app/manifests/free', '/v2/prod/app/blobs/uploads/3c1f', '/v2/', '/api2/x']) {
  t.test(`through Tagwarden the upstream gets one message: ${target}`, async (t) => {
    const upstream = await startEcho(t);
    const tagwarden = await startTagwarden(t, { upstream: upstream.url, rules, config });
    for (const { method, framing } of attacks) {
      const before = upstream.requests.length;
      await sendRaw(tagwarden, rawMessage({ method, target, body: hidden, framing }));
      const heard = upstream.requests.slice(before);
      const name = `${method}, ${framing}`;
      t.ok(heard.length <= 1, `${name}: ${heard.length} messages`);
      for (const message of heard) {
        t.match(message, { method, target, complete: true }, name);
        const isBody = target === '/api2/x' || (method === 'POST' && target.includes('/uploads/'));
        t.ok(
          message.body.equals(isBody ? hidden : nothing),
          'the hidden request stays a body, or goes nowhere',
        );
      }
      const after = await ask(`${tagwarden.url}${target}?after`);
      t.equal(after.body.toString(), `GET ${target}?after=`, 'and no answer goes to the wrong request');
      t.equal(upstream.requests.length, before + heard.length + 1);
    }
    t.notOk(heardBy(upstream).some((line) => line.startsWith('PUT')));
    t.ok(upstream.requests.length > attacks.length, 'some of them were sent on');
  });
}
