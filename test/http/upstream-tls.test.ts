import { renameSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { Authority, type CertificatePlan, type Issued } from '../fixtures/authority.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, manifest, uploads } from '../fixtures/front.ts';
import { errorsOf } from '../fixtures/loaded-config.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import { answerOci, startUpstream, type ScriptedUpstream, type Script } from '../fixtures/upstream.ts';
import { readinessAt } from '../fixtures/readiness.ts';

const rules = 'tag_rules:\n  - { tag_name_pattern: ^v, immutable: true }\n';

/** A registry that has nothing yet; beside it a web page. */
const registry: Script = (req, res) => {
  if (req.method === 'GET' && req.url?.includes('/manifests/')) answerOci(res, 404, 'MANIFEST_UNKNOWN');
  else if (req.method === 'HEAD') res.writeHead(404).end();
  else res.end('served');
};

function startBehind(t: Test, upstream: string, flags: readonly string[]): Promise<Tagwarden> {
  const usual = ['--passthrough', '/ui', '--trusted-proxies', '127.0.0.1'];
  return startTagwarden(t, { upstream, rules, flags: [...usual, ...flags] });
}

function upstreamWith(
  t: Test,
  { cert, key }: Issued,
  more: Parameters<typeof startUpstream>[2] = {},
): Promise<ScriptedUpstream> {
  return startUpstream(t, registry, { cert, key, ...more });
}

/** A read, an upload and a page; what each came to. `host`: the name by which the client knows us. */
async function everyWay({ url }: Tagwarden, host = 'localhost'): Promise<readonly string[]> {
  const headers = ['X-Forwarded-Host', host];
  const answers = [
    await ask(url + blob, { headers }),
    await ask(url + uploads, { headers, method: 'POST', body: Buffer.from('hello') }),
    await ask(`${url}/ui/`, { headers }),
  ];
  return answers.map((answer) => (answer.status === 200 ? answer.body.toString() : refusalOf(answer)));
}

function connectionOf({ socket }: IncomingMessage): TLSSocket {
  if (socket instanceof TLSSocket) return socket;
  throw new Error('this came without TLS');
}

const served = ['served', 'served', 'served'];

t.test('an upstream that cannot be trusted is refused on every path, and the log says why', async (t) => {
  const [authority, stranger] = [await Authority.make(t), await Authority.make(t, 'CN=a stranger')];
  const byName: CertificatePlan = { names: [{ type: 'dns', value: 'registry.internal' }] };
  const day = 1;
  const cases: readonly (readonly [name: string, Issued, flags: readonly string[], RegExp])[] = [
    ['unknown authority', await authority.issue(), [], /issuer is not known: give that in upstream\.ca_file/],
    [
      'another authority',
      await stranger.issue(),
      ['ca'],
      /give that in upstream\.ca_file.*UNABLE_TO_VERIFY_LEAF/,
    ],
    [
      'signed by itself',
      await Authority.selfSigned(),
      ['ca'],
      /signed by itself: give it.*upstream\.ca_file/,
    ],
    [
      'expired',
      await authority.issue({ validFrom: -3 * day, validTo: -day }),
      ['ca'],
      /it has expired: renew it/,
    ],
    ['not yet valid', await authority.issue({ validFrom: 0.5 * day }), ['ca'], /look at the clocks/],
    ['another name', await authority.issue(byName), ['ca'], /upstream\.server_name.*127\.0\.0\.1/],
    [
      'another name too',
      await authority.issue(byName),
      ['ca', 'name'],
      /upstream\.server_name.*other\.internal/,
    ],
    ['no server', await authority.issue({ use: 'client' }), ['ca'], /no certificate of a server/],
  ];
  const flagsOf = {
    ca: ['--upstream-ca-file', authority.caFile],
    name: ['--upstream-server-name', 'other.internal'],
  };
  const pushes: Promise<string>[] = [];
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  t.teardown(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
  for (const [name, issued, flags, reason] of cases) {
    const upstream = await upstreamWith(t, issued);
    const tagwarden = await startBehind(
      t,
      upstream.url,
      flags.flatMap((flag) => flagsOf[flag as 'ca' | 'name']),
    );
    const gone = '502 UNAVAILABLE: the upstream registry is gone';
    t.same(await everyWay(tagwarden), [gone, gone, '502 UNAVAILABLE: the upstream is gone'], name);
    t.equal(upstream.requests.length, 0, `${name}: nothing was sent`);
    const told = tagwarden.logs.filter(({ msg }) => msg === 'the upstream is not trusted');
    t.match(told, [{ reason }], `${name}: told once, and not for each request`);
    pushes.push(ask(tagwarden.url + manifest, { method: 'PUT', body: Buffer.from('{}') }).then(refusalOf));
    const { states } = await readinessAt(tagwarden.app.adminAddress);
    t.match(states['upstream_tls'], reason, name);
  }
  // What must be known first is asked for again and again.
  for (const push of await Promise.all(pushes))
    t.match(
      push,
      /^503 UNAVAILABLE: (?!.*(certificate|TLS|CERT|issuer|_file|internal))/i,
      'nothing of it is told',
    );
});

t.test('no switch lets everybody in', (t) => {
  const errors = errorsOf(t, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
  t.match(errors, [
    /^environment NODE_TLS_REJECT_UNAUTHORIZED: 0 trusts everyone; unset it, .*upstream\.ca_file/,
  ]);
  t.same(errorsOf(t, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '1' } }), []);
  t.end();
});

t.test('whom the upstream must be is what the operator says, never the Host of a client', async (t) => {
  const authority = await Authority.make(t);
  const ca = ['--upstream-ca-file', authority.caFile];
  const address = await upstreamWith(t, await authority.issue());
  const byAddress = await startBehind(t, address.url, ca);
  t.same(await everyWay(byAddress), served);
  t.same(await everyWay(byAddress, 'registry.example'), served, 'Host is what the client used');
  t.equal(address.requests.at(-1)?.headers['host'], 'registry.example');

  const names: unknown[] = [];
  const issued = await authority.issue({ names: [{ type: 'dns', value: 'registry.internal' }] });
  const named = await upstreamWith(t, issued);
  named.script = (req, res, recorded) => {
    names.push(connectionOf(req).servername);
    return registry(req, res, recorded);
  };
  const byName = await startBehind(t, named.url, [...ca, '--upstream-server-name', 'registry.internal']);
  t.same(await everyWay(byName), served);
  t.same(await everyWay(byName, 'evil.example'), served);
  t.same([...new Set(names)], ['registry.internal'], 'asked for by that name');
  const connections = named.sockets.size;
  await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      ask(byName.url + blob, { headers: ['X-Forwarded-Host', `h${at}`] }),
    ),
  );
  for (let at = 0; at < 20; at++) await ask(byName.url + blob, { headers: ['X-Forwarded-Host', `h${at}`] });
  t.ok(named.sockets.size <= connections + 20, 'no connection is made anew because a Host is another');

  // Somebody in the middle, with a good certificate for the name that the client sends.
  const evil = await upstreamWith(
    t,
    await authority.issue({ names: [{ type: 'dns', value: 'evil.example' }] }),
  );
  const fooled = await startBehind(t, evil.url, [...ca, '--upstream-server-name', 'registry.internal']);
  await everyWay(fooled, 'evil.example');
  t.equal(evil.requests.length, 0);
});

t.test('a certificate is shown to an upstream that asks for one, and renewed', async (t) => {
  const [authority, clients] = [await Authority.make(t), await Authority.make(t, 'CN=authority of clients')];
  const shown = await clients.issueFiles('door', { use: 'client', names: [], subject: 'CN=door' });
  const asking = { ca: clients.cert, requestCert: true, rejectUnauthorized: true };
  const ca = ['--upstream-ca-file', authority.caFile];
  const pair = ['--upstream-client-cert-file', shown.certFile, '--upstream-client-key-file', shown.keyFile];
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const upstream = await upstreamWith(t, await authority.issue(), { ...asking, maxVersion });
    const seen: (string | undefined)[] = [];
    upstream.script = (req, res, recorded) => {
      seen.push(connectionOf(req).getPeerX509Certificate()?.subject);
      return registry(req, res, recorded);
    };
    const without = await startBehind(t, upstream.url, ca);
    t.match(await everyWay(without), [/^502 /, /^502 /, /^502 /]);
    const told = without.logs.find(({ msg }) => msg === 'the upstream is not trusted');
    t.match(told?.['reason'], /wants a certificate of ours.*upstream\.client_cert_file/, maxVersion);
    t.same(seen, []);

    writeFileSync(shown.certFile, shown.cert);
    writeFileSync(shown.keyFile, shown.key);
    const tagwarden = await startBehind(t, upstream.url, [...ca, ...pair]);
    t.same(await everyWay(tagwarden), served, maxVersion);
    t.same([...new Set(seen)], ['CN=door'], 'on every path');

    const renewed = await clients.issue({ use: 'client', names: [], subject: 'CN=renewed' });
    for (const [path, text] of [
      [shown.certFile, renewed.cert],
      [shown.keyFile, renewed.key],
    ] as const) {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    }
    await eventually('it is taken', () => tagwarden.logs.some(({ msg }) => /in force/.test(String(msg))));
    const isShown = async (): Promise<boolean> => {
      seen.length = 0;
      t.same(await everyWay(tagwarden), served);
      for (const socket of upstream.sockets) socket.destroySoon();
      return seen.length > 0 && seen.every((subject) => subject === 'CN=renewed');
    };
    await eventually('and shown on new connections', isShown);
  }
});

t.test('who speaks no TLS is told apart', async (t) => {
  const upstream = await startUpstream(t);
  const tagwarden = await startBehind(t, upstream.url.replace('http:', 'https:'), []);
  t.match(await everyWay(tagwarden), [/^502 /, /^502 /, /^502 /]);
  t.match(
    tagwarden.logs.find(({ msg }) => msg === 'the upstream is not trusted'),
    { reason: /it does not speak TLS: write http:\/\/ in upstream\.url/ },
  );
});
