import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import t from 'tap';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { manifest, startFront, uploads } from '../fixtures/front.ts';
import { startRedis } from '../fixtures/redis.ts';
import { scrape, type Scrape } from '../fixtures/scrape.ts';
import { Client, outcomeOf, startFleet } from '../fixtures/workers.ts';

t.test('nothing is loaded for it before somebody asks', async (t) => {
  const { cache } = createRequire(import.meta.url);
  const isLoaded = (): boolean => Object.keys(cache).some((path) => path.includes('/prom-client/'));
  const { tagwarden, url } = await startFront(t);
  await ask(url + manifest);
  await ask(url + uploads, { method: 'POST' });
  await ask(`http://${tagwarden.app.adminAddress}/readyz`);
  t.notOk(isLoaded());
  await scrape(tagwarden.app.adminAddress);
  t.ok(isLoaded());
});

/** The series that only ever grow. */
function counters({ samples, types }: Scrape): ReadonlyMap<string, number> {
  const grows = ({ name }: Scrape['samples'][number]): boolean =>
    types.get(name) === 'counter' || types.get(name.replace(/_(?:bucket|count|sum)$/, '')) === 'histogram';
  return new Map(
    samples.filter(grows).map(({ name, labels, value }) => [`${name} ${JSON.stringify(labels)}`, value]),
  );
}

function shrunk(before: Scrape, after: Scrape): readonly string[] {
  const now = counters(after);
  return [...counters(before)]
    .filter(([series, value]) => (now.get(series) ?? -1) < value)
    .map(([name]) => name);
}

t.test('what workers count is added up, and stays when one is killed', async (t) => {
  const fleet = await startFleet(t);
  const admin = fleet.app.adminAddress;
  const clients = await Client.ofEachWorker(t, fleet);
  const [[victim, ofVictim] = [0, undefined], [, ofOther] = [0, undefined]] = clients;
  if (!ofVictim || !ofOther) throw new Error('there are two');
  for (const tag of ['v1', 'v2', 'v3']) t.equal((await ofVictim.push(tag, 'x')).status, 201);
  for (const tag of ['v4', 'v5']) t.equal((await ofOther.push(tag, 'x')).status, 201);
  t.equal((await ofOther.push('v1', 'another')).status, 403);

  const before = await scrape(admin);
  const pushed = { operation: 'putManifest' };
  t.equal(before.sum('tagwarden_requests_total', { ...pushed, verdict: 'allowed', status: '201' }), 5);
  t.equal(before.sum('tagwarden_requests_total', { ...pushed, verdict: 'denied', status: '403' }), 1);
  t.equal(before.sum('tagwarden_refusals_total', { rule: 'releases' }), 1);
  t.equal(before.sum('tagwarden_claims_total', { outcome: 'held' }), 5);
  t.equal(before.sum('tagwarden_request_own_seconds_count', pushed), 6);
  t.equal(before.sum('tagwarden_worker_deaths_total'), 0);
  t.equal(before.sum('tagwarden_workers'), 2);
  t.equal(before.sum('tagwarden_workers_serving'), 2);
  t.ok(before.sum('tagwarden_connections_open') >= 2, 'of both');

  process.kill(victim, 'SIGKILL');
  const scrapes = [before];
  await eventually(
    'another takes its place',
    async () => {
      const now = await scrape(admin);
      scrapes.push(now);
      return now.sum('tagwarden_worker_deaths_total') === 1 && now.sum('tagwarden_workers_serving') === 2;
    },
    30_000,
  );
  // While it goes on.
  for (let round = 0; round < 20; round++) {
    t.equal(await outcomeOf(ofOther.push(`v1${round}`, 'x')), 201);
    t.equal(await outcomeOf(ofVictim.push(`v2${round}`, 'x')), 201);
    scrapes.push(await scrape(admin));
  }
  for (const [at, now] of scrapes.slice(1).entries()) t.same(shrunk(scrapes[at] ?? now, now), []);
  const after = await scrape(admin);
  t.equal(after.sum('tagwarden_requests_total', { ...pushed, verdict: 'allowed', status: '201' }), 45);
  t.equal(after.sum('tagwarden_request_own_seconds_count', pushed), 46);
  const open = after.sum('tagwarden_connections_open');
  t.ok(open >= 2 && open <= before.sum('tagwarden_connections_open'), 'and none of those that went with it');
});

t.test('a Redis that is away is told, and so are rules that could not be taken', async (t) => {
  const redis = await startRedis(t);
  const { tagwarden } = await startFront(t, undefined, {
    flags: ['--redis', redis.url, '--rules-publish', 'true'],
  });
  const admin = tagwarden.app.adminAddress;
  const before = await scrape(admin);
  t.equal(before.sum('tagwarden_redis_up'), 1);
  t.equal(before.sum('tagwarden_redis_errors_total'), 0);
  t.equal(before.sum('tagwarden_rules_failed_reloads_total'), 0);
  const versionOf = ({ samples }: Scrape): string | undefined =>
    samples.find(({ name }) => name === 'tagwarden_rules_info')?.labels['version'];

  writeFileSync(tagwarden.rulesFile, 'tag_rules: [{ tag_name_pattern: "(" }]\n');
  const failed = async (): Promise<boolean> =>
    (await scrape(admin)).sum('tagwarden_rules_failed_reloads_total') > 0;
  await eventually('the file was refused', failed, 10_000);
  t.equal(versionOf(await scrape(admin)), versionOf(before), 'the others stay in force');
  await redis.stop();
  const isAway = async (): Promise<boolean> => {
    const { sum } = await scrape(admin);
    return sum('tagwarden_redis_up') === 0 && sum('tagwarden_redis_errors_total', { kind: 'away' }) > 0;
  };
  await eventually('it is away', isAway, 10_000);
  await redis.start();
  await eventually('and back', async () => (await scrape(admin)).sum('tagwarden_redis_up') === 1, 20_000);
  writeFileSync(
    tagwarden.rulesFile,
    'tag_rules: [{ tag_name_pattern: ^w, immutable: true }, {tag_name_pattern: ^v, immutable: true }]\n',
  );
  await eventually(
    'others are in force',
    async () => versionOf(await scrape(admin)) !== versionOf(before),
    20_000,
  );
  const after = await scrape(admin);
  t.equal(after.sum('tagwarden_rules', { kind: 'tag_immutable' }), 2);
  const age = after.sum('tagwarden_rules_age_seconds');
  t.ok(age >= 0 && age < 10, `since ${age} s`);
});
