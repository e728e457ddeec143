import t, { type Test } from 'tap';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startFront, type Front } from '../fixtures/front.ts';
import { answerOci, type Recorded, type Script } from '../fixtures/upstream.ts';
import { Wire } from '../fixtures/wire.ts';

const rules = `tag_rules:
  - id: releases
    tag_name_pattern: ^v
    immutable: true
`;
const flags = ['--claims-ttl-seconds', '11', '--upstream-idle-timeout-seconds', '1'];

/** What becomes of the first PUT to a repository; all that come later are created, all look-ups find nothing. */
async function startFates(
  t: Test,
  first: (repository: string) => Script,
  putDeadlineSeconds = 1,
): Promise<Front> {
  const seen = new Set<string>();
  return startFront(
    t,
    (req, res, recorded) => {
      const repository = repositoryOf(recorded);
      if (req.method !== 'PUT') {
        answerOci(res, 404, 'MANIFEST_UNKNOWN');
      } else if (seen.has(repository)) {
        res.writeHead(201).end();
      } else {
        seen.add(repository);
        req.on('end', () => void first(repository)(req, res, recorded));
      }
    },
    { rules, flags: [...flags, '--claims-put-deadline-seconds', String(putDeadlineSeconds)] },
  );
}

function repositoryOf({ target }: Recorded): string {
  return target.split('/')[2] ?? '';
}

function pushesTo({ upstream }: Front, repository: string): readonly Recorded[] {
  return upstream.requests.filter((it) => it.method === 'PUT' && repositoryOf(it) === repository);
}

function push({ url }: Front, repository: string, body: string): Promise<Answer> {
  return ask(`${url}/v2/${repository}/manifests/v1`, { method: 'PUT', body: Buffer.from(body) });
}

async function secondsOf<Result>(work: Promise<Result>): Promise<[result: Result, seconds: number]> {
  const startedAt = performance.now();
  return [await work, (performance.now() - startedAt) / 1000];
}

// Most of what follows waits, for a claim to settle or to expire: all at the same time.
t.jobs = 4;

const unknown: Record<string, { answer: Script; client: RegExp }> = {
  'status-500': {
    answer: (_, res) => void res.writeHead(500).end('oops'),
    client: /^500, and no JSON: oops$/,
  },
  'status-503': {
    answer: (_, res) => {
      answerOci(res, 503, 'UNAVAILABLE');
    },
    client: /^503 UNAVAILABLE: unavailable$/,
  },
  'status-429': {
    answer: (_, res) => {
      answerOci(res, 429, 'TOOMANYREQUESTS');
    },
    client: /^429 TOOMANYREQUESTS: toomanyrequests$/,
  },
  'status-408': { answer: (_, res) => void res.writeHead(408).end(), client: /^408, / },
  'status-302': {
    answer: (_, res) => void res.writeHead(302, { Location: 'https://elsewhere.example/' }).end(),
    client: /^502 UNAVAILABLE: the upstream redirected a write$/,
  },
  reset: {
    answer: (req) => void req.socket.destroy(),
    client: /^502 UNAVAILABLE: .*may yet store the manifest/,
  },
  'cut-after-head': {
    answer: (req) => void req.socket.end('HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nx'),
    client: /^502 UNAVAILABLE: .*may yet store the manifest/,
  },
  silent: { answer: () => undefined, client: /^504 UNAVAILABLE: .*may yet store the manifest/ },
};

t.test(
  'an unknown outcome: only the same manifest may be tried again, until the claim expires',
  { buffered: true },
  async (t) => {
    const front = await startFates(t, (repository) => unknown[repository]?.answer ?? (() => undefined));
    const repositories = Object.keys(unknown);
    await Promise.all(
      repositories.map(async (repository) => {
        const armedAt = performance.now();
        const first = await push(front, repository, 'one');
        t.match(refusalOf(first), unknown[repository]?.client, repository);
        t.equal(headerOf(first, 'location'), undefined);

        const [second, seconds] = await secondsOf(push(front, repository, 'two'));
        t.match(
          refusalOf(second),
          /^429 TOOMANYREQUESTS: another push to \S+:v1 is under way; try again$/,
          repository,
        );
        t.equal(headerOf(second, 'retry-after'), '5');
        t.ok(seconds > 4.5 && seconds < 9, `${repository}: after ${seconds} s`);
        t.equal(pushesTo(front, repository).length, 1, `${repository}: it was not forwarded`);

        // Again and again, as clients do that are told 429: the claim ends by itself.
        let later = second;
        while (later.status === 429) later = await push(front, repository, 'two');
        t.equal(later.status, 201, `${repository}: the claim has expired`);
        const lived = (performance.now() - armedAt) / 1000;
        t.ok(lived > 10.5 && lived < 20, `${repository}: it lived for ${lived} s`);
      }),
    );
  },
);

t.test(
  'an unknown outcome: the same manifest again is let through, and settles it',
  { buffered: true },
  async (t) => {
    const front = await startFates(t, (repository) => unknown[repository]?.answer ?? (() => undefined));
    for (const repository of Object.keys(unknown)) {
      await push(front, repository, 'one');
      t.equal((await push(front, repository, 'one')).status, 201, repository);
      const [second, seconds] = await secondsOf(push(front, repository, 'two'));
      t.match(refusalOf(second), /^403 DENIED: tag is immutable; \S+:v1 is sha256:7692c3ad3540/, repository);
      t.ok(seconds < 3, `${repository}: at once`);
      t.equal(pushesTo(front, repository).length, 2);
    }
  },
);

t.test('a definite refusal is relayed, and the tag is free again at once', { buffered: true }, async (t) => {
  const refusals = [400, 401, 403, 404, 405, 413, 415];
  const front = await startFates(t, (repository) => (_, res) => {
    res.setHeader('WWW-Authenticate', 'Basic');
    answerOci(res, Number(repository), 'MANIFEST_INVALID');
  });
  for (const status of refusals) {
    const first = await push(front, String(status), 'one');
    t.equal(refusalOf(first), `${status} MANIFEST_INVALID: manifest_invalid`);
    t.equal(headerOf(first, 'www-authenticate'), 'Basic');
    const [second, seconds] = await secondsOf(push(front, String(status), 'two'));
    t.equal(second.status, 201);
    t.ok(seconds < 3, `${status}: at once`);
  }
});

t.test(
  'a client that leaves after its manifest was armed leaves no unknown outcome',
  { buffered: true },
  async (t) => {
    let finish: () => void = () => undefined;
    const front = await startFates(
      t,
      () => (_, res) => {
        finish = () => void res.writeHead(201).end();
      },
      5,
    );
    const wire = await Wire.open(t, front.tagwarden);
    await wire.send('PUT /v2/left/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none');
    await eventually('the manifest is at the upstream', () => pushesTo(front, 'left')[0]?.complete ?? false);
    wire.leave();
    // Another push waits for the one whose client has gone; after a second it asks the upstream.
    const waiting = push(front, 'left', 'two');
    const lookUps = (): number => front.upstream.requests.filter(({ method }) => method === 'HEAD').length;
    await eventually('it waits', () => lookUps() === 2);
    finish();
    const [second, seconds] = await secondsOf(waiting);
    t.match(refusalOf(second), /^403 DENIED: tag is immutable; left:v1 is sha256:7692c3ad3540/);
    t.ok(seconds < 1, 'as soon as there is an outcome');
    t.equal((await push(front, 'left', 'one')).status, 201, 'it was pushed');
  },
);

t.test('a client that leaves before its manifest is whole leaves nothing', { buffered: true }, async (t) => {
  const front = await startFates(t, () => (_, res) => void res.writeHead(201).end());
  const wire = await Wire.open(t, front.tagwarden);
  await wire.send('PUT /v2/partly/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\none');
  wire.leave();
  const slow = await Wire.open(t, front.tagwarden);
  await slow.send('PUT /v2/partly/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\none');
  t.match(
    await slow.until(/\r\n\r\n.*\}$/),
    /^HTTP\/1\.1 408 [^]*"UNAVAILABLE"/,
    'it stands still: idle timeout',
  );
  t.equal(front.upstream.requests.length, 0);
  t.equal((await push(front, 'partly', 'two')).status, 201);
});
