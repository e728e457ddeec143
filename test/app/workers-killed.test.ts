import { renameSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ask, refusalOf } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { freePort } from '../fixtures/free-port.ts';
import { Client, digestsOf, isGone, outcomeOf, rules, startFleet } from '../fixtures/workers.ts';

// Most of the time each waits: for a process to start, or to end.
t.jobs = 4;

t.test('a worker is killed while pushes are under way', { buffered: true }, async (t) => {
  const fleet = await startFleet(t);
  fleet.store.putMs = 20;
  const clients = [...(await Client.ofEachWorker(t, fleet))];
  const others = Array.from({ length: 6 }, () => new Client(t, fleet));
  const all = [...clients.map(([, client]) => client), ...others];
  const served = await Promise.all(all.map((client) => client.worker()));
  const [victim = 0] = fleet.workers();
  const survivors = all.filter((_, at) => served[at] !== victim);
  t.ok(survivors.length > 0 && survivors.length < all.length);
  const outcomes: { tag: string; client: Client; outcome: number | 'cut' }[] = [];
  let isOver = false;
  const load = all.map(async (client, at) => {
    for (let round = 0; !isOver; round++) {
      const tag = `v${round}`;
      const outcome = await outcomeOf(client.push(tag, `${round}/${at}`));
      outcomes.push({ tag, client, outcome });
    }
  });
  await eventually('pushes are under way', () => outcomes.length > 50, 30_000);
  process.kill(victim, 'SIGKILL');
  const end = await fleet.logged('it is told of', ({ msg }) => msg.startsWith('a worker has ended'));
  t.match(end, { worker: victim, signal: 'SIGKILL', exitCode: null, level: 50 });
  await fleet.logged('it is replaced', ({ msg }) => msg.startsWith('a worker serves in the place'), 30_000);
  const replaced = outcomes.length;
  await eventually('and more pushes', () => outcomes.length > replaced + 50, 30_000);
  isOver = true;
  await Promise.all(load);

  for (const [tag, digests] of digestsOf(fleet)) {
    t.equal(digests.size, 1, `${tag} was never written twice`);
    t.ok(outcomes.filter((done) => done.tag === tag && done.outcome === 201).length <= 1, tag);
  }
  const cut = outcomes.filter(({ outcome }) => outcome === 'cut');
  t.ok(cut.length <= all.length - survivors.length, 'only what it was about was lost');
  t.same(
    cut.filter(({ client }) => survivors.includes(client)),
    [],
    'and nothing of the other one',
  );
  t.ok(outcomes.every(({ outcome }) => ['cut', 201, 403, 429].includes(outcome)));
  t.equal(fleet.workers().length, 2);
  t.equal((await fleet.readiness()).status, 200);
  t.equal((await Client.ofEachWorker(t, fleet)).size, 2);
});

t.test('a worker that crashes is logged with the cause, and replaced', { buffered: true }, async (t) => {
  const crashing = new URL('../fixtures/crash-on-signal.mjs', import.meta.url);
  const fleet = await startFleet(t, { nodeFlags: [`--import=${crashing.href}`] });
  const [victim = 0] = fleet.workers();
  process.kill(victim, 'SIGUSR2');
  const crash = await fleet.logged('the cause', ({ msg }) => msg === 'a worker crashes');
  t.match(crash, {
    level: 60,
    pid: victim,
    err: { message: 'nobody expected this', stack: /crash-on-signal/ },
  });
  const end = await fleet.logged('it is told of', ({ msg }) => msg.startsWith('a worker has ended'));
  t.match(end, { worker: victim, level: 50, signal: null });
  t.ok((end['exitCode'] as number) > 0);
  await fleet.logged('it is replaced', ({ msg }) => msg.startsWith('a worker serves in the place'), 30_000);
  t.equal((await fleet.readiness()).status, 200);
});

t.test('what dead workers have sent keeps its tag', { buffered: true }, async (t) => {
  const fleet = await startFleet(t, { port: await freePort() });
  let commit: () => void = () => undefined;
  fleet.store.hold = new Promise((resolve) => (commit = resolve));
  const first = outcomeOf(new Client(t, fleet).push('v1', 'one'));
  const isUnderWay = (): boolean =>
    fleet.store.upstream.requests.some(({ complete, method }) => complete && method === 'PUT');
  await eventually('it is under way', isUnderWay);
  const dead = fleet.workers();
  for (const pid of dead) process.kill(pid, 'SIGKILL');
  t.equal(await first, 'cut');
  await eventually(
    'others serve',
    () => fleet.workers().length === 2 && !fleet.workers().some((pid) => dead.includes(pid)),
  );
  await eventually(
    'the port is open',
    async () => (await outcomeOf(ask(`${fleet.url}/v2/`))) === 200,
    30_000,
  );
  const client = new Client(t, fleet);
  t.match(
    refusalOf(await client.push('v1', 'two')),
    /^429 TOOMANYREQUESTS: another push to a:v1 is under way/,
  );
  commit();
  t.match(refusalOf(await client.push('v1', 'two')), /^403 DENIED: tag is immutable/);
  t.equal((await client.push('v1', 'one')).status, 201);
});

t.test(
  'a connection that a dead worker was about to get ends, and the others are served',
  { buffered: true },
  async (t) => {
    const fleet = await startFleet(t);
    const [victim = 0, other = 0] = fleet.workers();
    for (const pid of [victim, other]) process.kill(pid, 'SIGSTOP');
    const sockets = Array.from({ length: 5 }, () => {
      const socket = connect(Number(new URL(fleet.url).port), '127.0.0.1');
      socket.on('error', () => undefined).write('GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n');
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    // Until the primary has given each of them one.
    await sleep(200);
    process.kill(victim, 'SIGKILL');
    process.kill(other, 'SIGCONT');
    const ends = sockets.map(
      (socket) =>
        new Promise<string>((resolve) => {
          socket.once('data', () => {
            resolve('served');
          });
          socket.once('close', () => {
            resolve('closed');
          });
        }),
    );
    const outcomes = await Promise.race([Promise.all(ends), sleep(20_000, ['somebody waits forever'])]);
    t.same(outcomes.toSorted(), ['closed', 'served', 'served', 'served', 'served']);
    for (const socket of sockets) socket.destroy();
  },
);

t.test('one that stood still judges nothing by rules that are no more', { buffered: true }, async (t) => {
  const fleet = await startFleet(t);
  const clients = await Client.ofEachWorker(t, fleet);
  const [[still, client] = [0, undefined]] = clients;
  if (!client) throw new Error('there is one');
  t.equal((await client.push('main', 'x')).status, 201);
  process.kill(still, 'SIGSTOP');
  writeFileSync(
    `${fleet.rulesFile}.new`,
    `${rules}  - { id: more, tag_name_pattern: ^main$, immutable: true }\n`,
  );
  renameSync(`${fleet.rulesFile}.new`, fleet.rulesFile);
  t.match(await fleet.readiness(), {
    ...{ status: 503, said: 'not ready' },
    states: { workers: '1 of 2 serve' },
  });
  await fleet.logged('in force', ({ msg, tagRules }) => msg === 'rules in force' && tagRules === 2, 20_000);
  const pushing = client.push('main', 'y');
  await sleep(50);
  process.kill(still, 'SIGCONT');
  t.match(
    refusalOf(await pushing),
    /^(?:403 DENIED: .*\(rule more\)|503 UNAVAILABLE: no write can be judged now)/,
  );
  await eventually('it hears again', async () => (await client.push('main', 'y')).status === 403);
  t.equal((await fleet.readiness()).status, 200);
});

t.test('a primary that is killed takes its workers with it', { buffered: true }, async (t) => {
  const fleet = await startFleet(t);
  const workers = fleet.workers();
  process.kill(fleet.pid, 'SIGKILL');
  await fleet.ended;
  await eventually('they are gone', () => workers.every(isGone), 10_000);
  t.equal(await outcomeOf(ask(`${fleet.url}/v2/`)), 'cut');
});

t.test('what each worker counts is added up, and not lost with it', { buffered: true }, async (t) => {
  const fleet = await startFleet(t, {
    rules: rules.replace('immutable: true', 'immutable: true, enforcement: warn'),
  });
  const clients = await Client.ofEachWorker(t, fleet);
  const all = [...clients.values()];
  await all[0]?.push('v1', 'x');
  for (const [at, client] of all.entries()) t.equal((await client.push('v1', `${at}`)).status, 201);
  const warned = async (): Promise<string | undefined> => (await fleet.readiness()).states['warned'];
  t.equal(await warned(), 'of 2 writes');
  const [pid = 0] = clients.keys();
  process.kill(pid, 'SIGKILL');
  await eventually('another serves', async () => (await fleet.readiness()).status === 200, 30_000);
  t.equal(await warned(), 'of 2 writes');
});
