import t from 'tap';
import { eventually } from '../fixtures/eventually.ts';
import { freePort } from '../fixtures/free-port.ts';
import { startFront } from '../fixtures/front.ts';
import { readinessAt } from '../fixtures/readiness.ts';
import { startRedis } from '../fixtures/redis.ts';
import { rulesElsewhere, startTagwarden } from '../fixtures/tagwarden.ts';
import { answerOci, type Script } from '../fixtures/upstream.ts';

t.jobs = 4;

/** `/v2/` is asked for when somebody asks whether we are ready, and what it answers is told. */
const answering =
  (status: number): Script =>
  (_, res) => {
    answerOci(res, status, 'UNKNOWN');
  };

t.test('each part is named, with its state and for how long it has been so', async (t) => {
  const redis = await startRedis(t);
  const front = await startFront(t, answering(401), {
    flags: ['--redis', redis.url, '--rules-publish', 'true'],
  });
  const admin = front.tagwarden.app.adminAddress;
  const first = await readinessAt(admin);
  t.match(first, { status: 200, said: 'ok', states: { rules: 'ok', upstream: 'ok', redis: 'ok' } });
  t.same(Object.keys(first.seconds).sort(), Object.keys(first.states).sort());
  const hasAged = async (): Promise<boolean> =>
    Object.values((await readinessAt(admin)).seconds).every((seconds) => seconds >= 2);
  await eventually('they age', hasAged, 10_000);
  await redis.stop();
  const isSeen = async (): Promise<boolean> => (await readinessAt(admin)).states['redis'] === 'away';
  await eventually('redis is away', isSeen, 10_000);
  const away = await readinessAt(admin);
  t.match(away, { status: 200, said: 'ok' }, 'it goes on without');
  t.ok((away.seconds['redis'] ?? NaN) < (away.seconds['upstream'] ?? NaN), 'its age began anew');
});

t.test('who never reached the upstream is not ready', async (t) => {
  const upstream = `http://127.0.0.1:${await freePort()}`;
  const { app } = await startTagwarden(t, { upstream, rules: rulesElsewhere });
  t.match(await readinessAt(app.adminAddress), {
    ...{ status: 503, said: 'not ready' },
    states: { rules: 'ok', upstream: /^cannot be asked: .*ECONNREFUSED/ },
  });
});

t.test('an upstream that goes away is told of, and no reason to send clients elsewhere', async (t) => {
  const { upstream, tagwarden } = await startFront(t, answering(503));
  const admin = tagwarden.app.adminAddress;
  t.match(await readinessAt(admin), { status: 503, states: { upstream: 'answers 503' } });
  upstream.script = answering(200);
  const isReady = async (): Promise<boolean> => (await readinessAt(admin)).status === 200;
  await eventually('it is reached', isReady);
  upstream.script = answering(500);
  const isTold = async (): Promise<boolean> =>
    (await readinessAt(admin)).states['upstream'] === 'answers 500';
  await eventually('it is told of', isTold);
  t.equal((await readinessAt(admin)).status, 200);
});

t.test('however often it is asked, the upstream is not', async (t) => {
  const { upstream, tagwarden } = await startFront(t, answering(200));
  const before = performance.now();
  await Promise.all(Array.from({ length: 50 }, () => readinessAt(tagwarden.app.adminAddress)));
  const seconds = Math.ceil((performance.now() - before) / 1000);
  const asked = upstream.requests.filter(({ target }) => target === '/v2/').length;
  t.ok(asked >= 1 && asked <= 1 + seconds, `${asked} times in ${seconds} s`);
});
