import { Agent } from 'node:http';
import t from 'tap';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { blob, digest, manifest, session, startFront } from '../fixtures/front.ts';
import { scrape } from '../fixtures/scrape.ts';
import { workerCount } from '../fixtures/tagwarden.ts';
import { answerOci, bodyOf, type Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

const rules = `repository_rules:
  - { id: frozen, repository_path_pattern: frozen/*, minimum_access_level_for_push: no_access }
tag_rules:
  - { id: releases, repository_path_pattern: team/*, tag_name_pattern: ^v, immutable: true }
`;
const image = Buffer.from('{"schemaVersion":2}');

/** A registry that has nothing, takes everything, and answers nothing at `slow`. */
const empty: Script = async (req, res) => {
  if (req.url?.includes('slow') === true) return;
  const body = await bodyOf(req).catch(() => undefined);
  if (!body) return;
  if (req.url?.includes('broken') === true) res.writeHead(500).end();
  else if (req.method === 'PUT' || req.method === 'PATCH') res.writeHead(201, { 'Content-Length': 0 }).end();
  else if (req.url?.includes('/manifests/') === true) answerOci(res, 404, 'MANIFEST_UNKNOWN');
  else res.end(body.length === 0 ? 'some bytes' : '');
};

t.test('what became of requests is counted', async (t) => {
  const flags = ['--limits-uploads-per-caller', '1', '--deletes-walk-seconds', '1'];
  const { tagwarden, url, upstream } = await startFront(t, empty, { rules, flags });
  const admin = tagwarden.app.adminAddress;
  const push = (path: string): ReturnType<typeof ask> => ask(url + path, { method: 'PUT', body: image });
  const about = async (): Promise<readonly string[]> => {
    const { samples } = await scrape(admin);
    return samples
      .filter(({ name }) => name === 'tagwarden_requests_total')
      .map(({ labels, value }) => `${labels['operation']} ${labels['verdict']} ${labels['status']}: ${value}`)
      .sort();
  };
  t.same(await about(), [], 'nothing yet');

  await ask(url + blob);
  await ask(url + blob);
  await ask(`${url}/v2/team/app/manifests/absent`);
  t.equal((await push(manifest)).status, 201);
  t.equal((await push('/v2/frozen/app/manifests/v1')).status, 403);
  t.equal((await ask(`${url}/v2/frozen/app/blobs/uploads/`, { method: 'POST' })).status, 403);
  const undecided = await ask(`${url}/v2/team/broken/manifests/${digest}`, { method: 'DELETE' });
  t.equal(undecided.status, 503, 'nobody knows who needs it');
  await ask(`${url}/v2/team/%61pp/manifests/x`);
  await ask(`${url}/elsewhere`);
  await ask(`${url}/v2/team/app/blobs/broken`);
  // Limits are those of one process: of each worker one, for they get connections in turn.
  const running: Wire[] = [];
  for (let at = 1; at <= workerCount; at++) {
    const upload = await Wire.open(t, tagwarden);
    running.push(upload);
    await upload.send(`PATCH ${session} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhello`);
    const sent = (): number => upstream.requests.filter(({ method }) => method === 'PATCH').length;
    await eventually('it is under way', () => sent() === at);
  }
  const open = { operation: 'upload', phase: 'client' };
  await eventually(
    'it is seen to be open',
    async () => (await scrape(admin)).sum('tagwarden_requests_open', open) === workerCount,
  );
  t.equal((await ask(url + session, { method: 'PATCH', body: image })).status, 429);
  for (const upload of running) upload.leave();
  const slow = await Wire.open(t, tagwarden);
  await slow.send('GET /v2/team/slow/tags/list HTTP/1.1\r\nHost: x\r\n\r\n');
  const waiting = { operation: 'listTags', phase: 'upstream' };
  await eventually(
    'it waits',
    async () => (await scrape(admin)).sum('tagwarden_requests_open', waiting) === 1,
  );
  slow.leave();
  await eventually('all is over', async () => {
    const { sum } = await scrape(admin);
    return sum('tagwarden_requests_open') === 0 && sum('tagwarden_connections_open') === 0;
  });

  t.same(await about(), [
    'deleteManifest undecided 503: 1',
    'getBlob allowed 200: 2',
    'getManifest allowed 404: 1',
    'listTags aborted none: 1',
    'other invalid 400: 1',
    'otherRead allowed 500: 1',
    'passthrough invalid 404: 1',
    'putManifest allowed 201: 1',
    'putManifest denied 403: 1',
    'startUpload denied 403: 1',
    `upload aborted none: ${workerCount}`,
    'upload limited 429: 1',
  ]);
  const { sum } = await scrape(admin);
  t.equal(sum('tagwarden_refusals_total', { rule: 'frozen', verdict: 'denied' }), 2);
  t.equal(sum('tagwarden_refusals_total', { rule: 'releases', verdict: 'undecided' }), 1);
  t.equal(sum('tagwarden_limited_total', { limit: 'uploads_per_caller' }), 1);
  t.equal(sum('tagwarden_limited_total'), 1);
  t.ok(sum('tagwarden_upstream_errors_total', { kind: 'answered_5xx' }) >= 2);
  t.equal(
    sum('tagwarden_upstream_errors_total', { kind: 'cut' }),
    0,
    'a client that left is no fault of the upstream',
  );
  t.equal(sum('tagwarden_claims_total', { outcome: 'held' }), 1);
  t.equal(sum('tagwarden_claims_open'), 0);
  t.equal(sum('tagwarden_ready'), 1);
  t.equal(sum('tagwarden_rules', { kind: 'tag_immutable' }), 1);
  t.equal(sum('tagwarden_rules', { kind: 'repository' }), 1);
  t.ok(sum('tagwarden_received_bytes_total') > 1_000);
  t.ok(sum('tagwarden_sent_bytes_total') > 1_000);
  t.ok(sum('tagwarden_process_resident_memory_bytes') > 20e6);
  t.ok(sum('tagwarden_process_cpu_seconds_total') > 0);
});

t.test('time that the upstream or the client takes is not our own', async (t) => {
  const waitMs = 300;
  const { tagwarden, url } = await startFront(t, (req, res) => {
    req
      .resume()
      .on('end', () => setTimeout(() => res.writeHead(200, { 'Content-Length': 4 }).end('late'), waitMs));
  });
  async function* slowly(): AsyncIterable<Buffer> {
    for (const piece of ['a', 'b', 'c']) {
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      yield Buffer.from(piece);
    }
  }
  await ask(url + blob);
  await ask(url + session, { method: 'PATCH', body: slowly() });
  await ask(url + manifest, { method: 'PUT', body: slowly() });
  const { sum } = await scrape(tagwarden.app.adminAddress);
  for (const operation of ['getBlob', 'upload', 'putManifest']) {
    const [own, upstream] = ['own', 'upstream'].map((whose) =>
      sum(`tagwarden_request_${whose}_seconds_sum`, { operation }),
    );
    t.ok(
      upstream !== undefined && upstream >= 0.295 && upstream < 0.6,
      `${operation}: ${upstream} s upstream`,
    );
    t.ok(own !== undefined && own > 0 && own < 0.25, `${operation}: ${own} s of our own`);
    t.equal(sum('tagwarden_request_own_seconds_count', { operation }), 1);
    t.equal(sum('tagwarden_request_own_seconds_bucket', { operation, le: '+Inf' }), 1);
    t.equal(sum('tagwarden_request_upstream_seconds_bucket', { operation, le: '0.25' }), 0);
    t.equal(sum('tagwarden_request_upstream_seconds_bucket', { operation, le: '1' }), 1);
  }
});

t.test('an answer that streams is open until it has ended, and then it was allowed', async (t) => {
  let end: () => void = () => undefined;
  const script: Script = (_, res) => {
    res.write(Buffer.alloc(1_000_000));
    end = () => res.end('end');
  };
  const { tagwarden, url } = await startFront(t, script, { flags: ['--passthrough', '/ui'] });
  const admin = tagwarden.app.adminAddress;
  for (const [path, operation] of [
    [blob, 'getBlob'],
    ['/ui/x', 'passthrough'],
  ] as const) {
    const answer = ask(url + path);
    await eventually(
      `${operation} is answered`,
      async () =>
        (await scrape(admin)).sum('tagwarden_requests_open', { operation, phase: 'answering' }) === 1,
    );
    end();
    t.equal((await answer).body.length, 1_000_003);
    await eventually(
      `${operation} is over`,
      async () => (await scrape(admin)).sum('tagwarden_requests_open', { operation }) === 0,
    );
    const { sum } = await scrape(admin);
    t.equal(sum('tagwarden_requests_total', { operation, verdict: 'allowed', status: '200' }), 1);
    t.equal(sum('tagwarden_requests_total', { operation }), 1);
  }
});

t.test('an upstream that is away, cut short, or silent', async (t) => {
  const script: Script = (req, res) => {
    if (req.url?.includes('silent') === true) return;
    if (req.url?.includes('tags') === true) req.socket.destroy();
    else res.writeHead(200, { 'Content-Length': 100 }).write('some', () => res.destroy());
  };
  const { tagwarden, url, upstream } = await startFront(t, script, {
    flags: ['--upstream-idle-timeout-seconds', '1'],
  });
  const admin = tagwarden.app.adminAddress;
  await t.rejects(ask(url + blob));
  t.equal((await ask(`${url}/v2/team/app/tags/list`)).status, 502);
  t.equal((await ask(`${url}/v2/team/silent/tags/list`)).status, 504);
  const { sum } = await scrape(admin);
  t.ok(sum('tagwarden_upstream_errors_total', { kind: 'cut' }) >= 2);
  t.equal(sum('tagwarden_upstream_errors_total', { kind: 'silent' }), 1);
  t.equal(sum('tagwarden_upstream_errors_total', { kind: 'unreachable' }), 0);
  t.equal(sum('tagwarden_requests_total', { verdict: 'failed' }), 3);
  t.equal(sum('tagwarden_requests_total', { operation: 'getBlob', verdict: 'failed', status: '200' }), 1);
  t.ok(upstream.requests.length >= 3);
  const away = await startFront(t, undefined, { upstream: 'http://127.0.0.1:1' });
  t.equal((await ask(`${away.url}/v2/team/app/tags/list`)).status, 502);
  const there = await scrape(away.tagwarden.app.adminAddress);
  t.ok(there.sum('tagwarden_upstream_errors_total', { kind: 'unreachable' }) >= 1);
});

const manyRules = `repository_rules:
${Array.from({ length: 300 }, (_, at) => `  - { id: rule-${at}, repository_path_pattern: r${at}/*, minimum_access_level_for_push: no_access }`).join('\n')}
`;

t.test('however many repositories and rules there are, there are not more series', async (t) => {
  const { tagwarden, url } = await startFront(t, empty, { rules: manyRules });
  const named = await startFront(t, empty, { rules: manyRules, flags: ['--metrics-repositories', 'true'] });
  const admin = tagwarden.app.adminAddress;
  const repositories = Array.from({ length: 10_000 }, (_, at) => `r${at % 400}/of-one-of-many-${at}`);
  const each = async (to: string, from: number, count: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const repository of repositories.slice(from, from + count))
      await ask(`${to}/v2/${repository}/blobs/uploads/`, { method: 'POST', agent });
    agent.destroy();
  };
  const all = async (to: string): Promise<void> => {
    await Promise.all(Array.from({ length: 20 }, (_, at) => each(to, at * 500, 500)));
  };
  await each(url, 0, 400);
  const before = await scrape(admin);
  await Promise.all([all(url), all(named.url)]);
  const after = await scrape(admin);
  t.equal(after.sum('tagwarden_requests_total'), 10_400);
  // Each worker tells as many apart.
  const more = 201 * (workerCount - 1);
  t.ok(after.samples.length <= before.samples.length + more, 'not one more');
  t.ok(after.samples.length < 1_000, `${after.samples.length} series`);
  t.ok(after.text.length < 150_000, `${after.text.length} bytes`);
  t.notMatch(after.text, 'of-one-of-many');
  const rulesCounted = after.samples.filter(({ name }) => name === 'tagwarden_refusals_total');
  t.ok(rulesCounted.length <= 201 + more, `${rulesCounted.length} rules`);
  t.ok(rulesCounted.some(({ labels }) => labels['rule'] === 'other'));
  t.equal(
    after.sum('tagwarden_refusals_total'),
    after.sum('tagwarden_requests_total', { verdict: 'denied' }),
  );

  const { samples, sum } = await scrape(named.tagwarden.app.adminAddress);
  const counted = samples.filter(({ name }) => name === 'tagwarden_repository_refusals_total');
  t.ok(counted.length >= 200 && counted.length <= 201 + more, `${counted.length} repositories`);
  t.ok(counted.some(({ labels }) => labels['repository'] === 'other'));
  t.equal(sum('tagwarden_repository_refusals_total'), sum('tagwarden_requests_total', { verdict: 'denied' }));
  t.equal(sum('tagwarden_repository_refusals_total'), 7_500);
});

t.test('what a registry answers is a status, or other', async (t) => {
  const { tagwarden, url } = await startFront(t, (req, res) => {
    res.writeHead(Number(/s(\d+)/.exec(req.url ?? '')?.[1] ?? 200), { 'Content-Length': 0 }).end();
  });
  for (let status = 430; status < 600; status++) await ask(`${url}/v2/t/s${status}/tags/list`);
  const { samples, sum } = await scrape(tagwarden.app.adminAddress);
  const statuses = samples.filter(({ name }) => name === 'tagwarden_requests_total');
  t.equal(sum('tagwarden_requests_total'), 170);
  t.ok(statuses.length < 30, `${statuses.length} statuses`);
  t.ok(sum('tagwarden_requests_total', { status: 'other' }) > 100);
});

t.test('it is of the admin listener, and asks for no token', async (t) => {
  const { tagwarden, url } = await startFront(t, empty);
  t.equal((await ask(`${url}/metrics`)).status, 404, 'not where clients are');
  const admin = `http://${tagwarden.app.adminAddress}`;
  t.equal((await ask(`${admin}/metrics`, { method: 'HEAD' })).status, 200);
  t.equal((await ask(`${admin}/metrics?x=y`)).status, 200);
  t.equal((await ask(`${admin}/metrics`, { method: 'POST' })).status, 404);
});
