import t, { type Test } from 'tap';
import { UpstreamGuard } from '../../src/adapters/upstream-guard.ts';
import { Upstream } from '../../src/adapters/upstream.ts';
import { ManualClock } from '../fixtures/clock.ts';
import { startUpstream, type Script, type ScriptedUpstream } from '../fixtures/upstream.ts';

interface Scene {
  readonly registry: ScriptedUpstream;
  readonly clock: ManualClock;
  readonly guard: UpstreamGuard;
  /** The next state that is told. */
  readonly told: () => Promise<string>;
}

const refuseAll: Script = (_, res) => void res.writeHead(401).end();

async function open(t: Test, script: Script): Promise<Scene> {
  const registry = await startUpstream(t, script);
  const upstream = new Upstream({ origin: registry.url });
  const clock = new ManualClock();
  let tell: (state: string) => void = () => undefined;
  const guard = new UpstreamGuard(upstream, clock, (state) => {
    tell(state);
  });
  t.teardown(async () => {
    guard.close();
    await upstream.close();
  });
  return { registry, clock, guard, told: () => new Promise((resolve) => (tell = resolve)) };
}

t.test('nothing is believed before it was seen', async (t) => {
  const { guard, registry } = await open(t, refuseAll);
  t.equal(guard.state, 'not checked yet');
  await guard.start();
  t.equal(guard.state, 'ok');
  t.same(
    registry.requests.map(({ method, target }) => `${method} ${target}`),
    ['GET /v2/', 'GET /v2/'],
  );
  const [bare, forged] = registry.requests.map(({ headers }) => headers.authorization);
  t.equal(bare, undefined);
  const [header, claims] = String(forged)
    .replace(/^Bearer /, '')
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString());
  t.match(JSON.parse(header ?? ''), { alg: 'RS256' });
  t.ok(
    (JSON.parse(claims ?? '') as { exp: number }).exp * 1000 > Date.now() + 1e10,
    'only its signature is wrong',
  );
});

const wrong: [string, Script, RegExp][] = [
  ['lets anybody in', (_, res) => void res.end(), /answers 200 to a request without credentials, not 401/],
  [
    'lets a forged token in',
    (req, res) => void res.writeHead(req.headers.authorization ? 200 : 401).end(),
    /answers 200 to a forged token, not 401/,
  ],
  ['forbids', (_, res) => void res.writeHead(403).end(), /answers 403/],
  ['redirects', (_, res) => void res.writeHead(302, { Location: '/login' }).end(), /answers 302/],
  ['is no registry', (_, res) => void res.writeHead(404).end(), /answers 404/],
  ['is out of order', (_, res) => void res.writeHead(503).end(), /answers 503/],
  ['is gone', (req) => void req.socket.destroy(), /does not answer/],
];
for (const [what, script, reason] of wrong) {
  t.test(`an upstream that ${what}`, async (t) => {
    const { guard, registry, clock, told } = await open(t, script);
    await guard.start();
    t.match(guard.state, reason);
    registry.script = refuseAll;
    const next = told();
    await clock.advance(5_000);
    t.equal(await next, 'ok', 'five seconds later');
    t.equal(guard.state, 'ok');
  });
}

t.test('what was good is checked again every five minutes', async (t) => {
  const { guard, registry, clock, told } = await open(t, refuseAll);
  await guard.start();
  registry.script = (_, res) => void res.end();
  const next = told();
  await clock.advance(5 * 60_000 - 1);
  t.equal(registry.requests.length, 2);
  await clock.advance(1);
  t.match(await next, /without credentials/);
});

t.test('a guard that was closed asks no more', async (t) => {
  const { guard, registry, clock } = await open(t, refuseAll);
  await guard.start();
  guard.close();
  await clock.advance(60 * 60_000);
  t.equal(registry.requests.length, 2);
});
