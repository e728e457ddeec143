import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { headerValues } from '../../src/core/header-list.ts';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { digest, startFront, type Front } from '../fixtures/front.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';
import { answerOci, type Recorded, type Script } from '../fixtures/upstream.ts';

const rules = `tag_rules:
  - id: releases
    tag_name_pattern: ^v
    immutable: true
`;

/** What the upstream does with the look-ups of one repository. */
interface LookUps {
  readonly head: Script;
  /** Absent: the same. */
  readonly get?: Script;
}

const silent: Script = () => undefined;
const reset: Script = (req) => void req.socket.destroy();
const absent: Script = (_, res) => {
  answerOci(res, 404, 'MANIFEST_UNKNOWN');
};

function answering(status: number, headers: Record<string, string | string[]> = {}, body = ''): Script {
  return (_, res: ServerResponse) => void res.writeHead(status, headers).end(body);
}

function cutAfter(bytes: string): Script {
  return (req) => void req.socket.end(bytes);
}

/** One upstream and one Tagwarden for all: each repository has its own fate. */
async function startFates(t: Test, fates: Map<string, LookUps>, flags: string[] = []): Promise<Front> {
  const script: Script = (req, res, recorded) => {
    const fate = fates.get(repositoryOf(recorded)) ?? { head: absent };
    if (req.method === 'HEAD') return fate.head(req, res, recorded);
    if (req.method === 'GET') return (fate.get ?? fate.head)(req, res, recorded);
    req.on('end', () => res.writeHead(req.method === 'PUT' ? 201 : 202).end());
  };
  return startFront(t, script, { rules, flags });
}

function repositoryOf({ target }: Recorded): string {
  return target.split('/')[2] ?? '';
}

function requestsTo({ upstream }: Front, repository: string, method?: string): readonly Recorded[] {
  const ofIt = upstream.requests.filter((recorded) => repositoryOf(recorded) === repository);
  return method === undefined ? ofIt : ofIt.filter((recorded) => recorded.method === method);
}

function push(url: string, repository: string, body: string, headers: string[] = []): Promise<Answer> {
  return ask(`${url}/v2/${repository}/manifests/v1`, { method: 'PUT', headers, body: Buffer.from(body) });
}

function removeTag(url: string, repository: string, headers: string[] = []): Promise<Answer> {
  return ask(`${url}/v2/${repository}/manifests/v1`, { method: 'DELETE', headers });
}

function isUndecided(t: Test, answer: Answer, what: string): void {
  t.match(refusalOf(answer), /^503 UNAVAILABLE: cannot tell whether \S+:v1 exists/, what);
  t.equal(headerOf(answer, 'retry-after'), '5', what);
  t.equal(headerOf(answer, 'docker-distribution-api-version'), 'registry/2.0', what);
}

const noRegistry404 = answering(404, { 'Content-Type': 'text/html' }, '<h1>404 Not Found</h1>');
const undecidable: Record<string, LookUps> = {
  silent: { head: silent },
  reset: { head: reset },
  'reset-in-head': { head: cutAfter('HTTP/1.1 200 OK\r\nDocker-Content-Di') },
  'status-500': { head: answering(500) },
  'status-502-html': { head: answering(502, {}, '<h1>Bad Gateway</h1>') },
  'status-429': { head: answering(429, { 'Retry-After': '1' }) },
  'status-301': { head: answering(301, { Location: `/v2/x/manifests/v1`, 'Docker-Content-Digest': digest }) },
  'status-307': { head: answering(307, { Location: 'https://elsewhere.example/' }) },
  'status-410': { head: answering(410) },
  'html-404': { head: noRegistry404 },
  'empty-404': { head: answering(404) },
  'json-404': { head: answering(404, {}, '{"message":"MANIFEST_UNKNOWN","code":"MANIFEST_UNKNOWN"}') },
  'null-404': { head: answering(404, {}, 'null') },
  'empty-errors-404': { head: answering(404, {}, '{"errors":[]}') },
  'other-error-404': {
    head: answering(404, {}, '{"errors":[null,{"code":"DENIED"},{"code":["NAME_UNKNOWN"]}]}'),
  },
  'no-digest': { head: answering(200) },
  'bad-digest': { head: answering(200, { 'Docker-Content-Digest': 'sha256:abc' }) },
  'two-digests': { head: answering(200, { 'Docker-Content-Digest': [digest, digest] }) },
  'get-reset': { head: noRegistry404, get: reset },
  'get-500': { head: answering(404), get: answering(500, {}, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}') },
  'get-no-digest': { head: answering(404), get: answering(200, {}, '{}') },
  'get-cut': {
    head: answering(404),
    get: cutAfter(
      'HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n{"errors":[{"code":"MANIFEST_UNKNOWN"}]}',
    ),
  },
  'get-endless': { head: answering(404), get: (_, res) => void res.writeHead(404).write('{"errors":[') },
};

// Most of what follows waits for the ten seconds in which look-ups are tried again: all at the same time.
t.jobs = 8;

t.test('what cannot be learnt is undecided, and nothing is forwarded', { buffered: true }, async (t) => {
  const fates = new Map(Object.entries(undecidable));
  const front = await startFates(t, fates);
  const startedAt = performance.now();
  const answers = await Promise.all(
    [...fates.keys()].map(
      async (repository) =>
        [
          repository,
          await Promise.all([push(front.url, repository, '{}'), removeTag(front.url, repository)]),
        ] as const,
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  t.ok(seconds > 9 && seconds < 15, `after ${seconds} s`);
  for (const [repository, [put, removal]] of answers) {
    isUndecided(t, put, `${repository}: PUT`);
    isUndecided(t, removal, `${repository}: DELETE`);
    const methods = new Set(requestsTo(front, repository).map(({ method }) => method));
    t.notOk(methods.has('PUT') || methods.has('DELETE'), `${repository}: nothing was forwarded`);
    t.ok(requestsTo(front, repository, 'HEAD').length >= 6, `${repository}: asked again and again`);
  }
  fates.clear();
  for (const [repository] of answers) {
    t.equal(
      (await push(front.url, repository, 'other')).status,
      201,
      `${repository}: no claim is left behind`,
    );
  }
});

t.test('an upstream that is down', { buffered: true }, async (t) => {
  const unused = createServer().listen(0, '127.0.0.1');
  await once(unused, 'listening');
  const { port } = unused.address() as AddressInfo;
  await new Promise((resolve) => unused.close(resolve));
  const { url } = await startTagwarden(t, { upstream: `http://127.0.0.1:${port}`, rules });
  const [put, removal] = await Promise.all([push(url, 'a', '{}'), removeTag(url, 'a')]);
  isUndecided(t, put, 'PUT');
  isUndecided(t, removal, 'DELETE');
  const unjudged = [
    ['GET', '/v2/'],
    ['GET', `/v2/a/blobs/${digest}`],
    ['POST', '/v2/a/blobs/uploads/'],
    ['PATCH', '/v2/a/blobs/uploads/1'],
    ['PUT', '/v2/a/manifests/latest'],
    ['DELETE', '/v2/a/manifests/latest'],
  ] as const;
  for (const [method, path] of unjudged) {
    const body = method === 'PATCH' || method === 'PUT' ? { body: Buffer.from('{}') } : {};
    t.match(refusalOf(await ask(url + path, { method, ...body })), /^502 UNAVAILABLE: /, `${method} ${path}`);
  }
  t.match(await ask(`${url}/v2/`, { method: 'HEAD' }), { status: 502 });
});

t.test('an upstream that can be asked again answers in the end', { buffered: true }, async (t) => {
  const failures: Script[] = [answering(503), reset, noRegistry404];
  const recovering: Script = (req, res, recorded) => (failures.shift() ?? absent)(req, res, recorded);
  const front = await startFates(t, new Map([['a', { head: recovering }]]));
  t.equal((await push(front.url, 'a', '{}')).status, 201);
  t.equal(failures.length, 0);
});

t.test('401 is relayed, so that the client can get a token', { buffered: true }, async (t) => {
  const challenges = ['Bearer realm="https://auth.example/token",service="r"', 'Basic realm="r"'];
  const challenging: Script = (req, res, recorded) =>
    req.headers.authorization === 'Bearer good'
      ? absent(req, res, recorded)
      : answering(401, { 'WWW-Authenticate': challenges })(req, res, recorded);
  const fates = new Map<string, LookUps>([
    ['head', { head: challenging }],
    ['get', { head: answering(404), get: challenging }],
  ]);
  const front = await startFates(t, fates);
  for (const repository of fates.keys()) {
    for (const answer of [
      await push(front.url, repository, '{}', ['Authorization', 'Bearer old']),
      await removeTag(front.url, repository),
    ]) {
      t.match(refusalOf(answer), /^401 UNAUTHORIZED: /, repository);
      t.same(headerValues(answer.headers, 'www-authenticate'), challenges, repository);
    }
    t.equal(requestsTo(front, repository, 'HEAD').length, 2, 'it is not tried again');
    t.same(requestsTo(front, repository, 'PUT'), []);
    const retried = await push(front.url, repository, 'other', ['Authorization', 'Bearer good']);
    t.equal(retried.status, 201, `${repository}: no claim is in the way`);
    t.equal(requestsTo(front, repository, 'PUT')[0]?.headers.authorization, 'Bearer good');
    const removal = await removeTag(front.url, repository, ['Authorization', 'Bearer good']);
    t.match(refusalOf(removal), /^404 MANIFEST_UNKNOWN: /, 'a delete of what is absent is answered here');
    t.same(requestsTo(front, repository, 'DELETE'), []);
  }
});

t.test('403 to the caller: Tagwarden asks for itself, if it can', { buffered: true }, async (t) => {
  const own = `Basic ${Buffer.from('warden:secret').toString('base64')}`;
  const forOwn =
    (script: Script, refused = 403): Script =>
    (req, res, recorded) =>
      (req.headers.authorization === own ? script : answering(refused))(req, res, recorded);
  const fates = new Map<string, LookUps>([
    ['absent', { head: forOwn(absent) }],
    ['present', { head: forOwn(answering(200, { 'Docker-Content-Digest': digest })) }],
    ['get-403', { head: answering(404), get: forOwn(absent) }],
    ['own-403', { head: answering(403) }],
    ['own-401', { head: forOwn(answering(401, { 'WWW-Authenticate': 'Basic' })) }],
  ]);
  const flags = [
    '--upstream-username',
    'warden',
    '--upstream-password-file',
    join(t.testdir({ p: 'secret' }), 'p'),
  ];
  const front = await startFates(t, fates, flags);
  const theirs = ['Authorization', 'Basic dGhlaXJz'];
  for (const repository of ['absent', 'get-403']) {
    t.equal((await push(front.url, repository, '{}', theirs)).status, 201, repository);
    t.equal(
      requestsTo(front, repository, 'PUT')[0]?.headers.authorization,
      theirs[1],
      'ours never goes with a write',
    );
    t.match(refusalOf(await removeTag(front.url, repository, theirs)), /^404 MANIFEST_UNKNOWN: /);
  }
  t.match(
    refusalOf(await push(front.url, 'present', '{}', theirs)),
    /^403 DENIED: tag is immutable; present:v1 is/,
  );
  t.match(refusalOf(await removeTag(front.url, 'present', theirs)), /^403 DENIED: tag is immutable; /);
  isUndecided(t, await push(front.url, 'own-403', '{}', theirs), 'own-403');
  const answers = await Promise.all([
    push(front.url, 'own-401', '{}', theirs),
    removeTag(front.url, 'own-401'),
  ]);
  for (const answer of answers) {
    isUndecided(t, answer, 'own-401');
    t.same(headerValues(answer.headers, 'www-authenticate'), [], 'a challenge that is not for the caller');
  }

  const without = await startFates(t, new Map([['a', { head: answering(403) }]]));
  for (const answer of [
    await push(without.url, 'a', '{}', theirs),
    await removeTag(without.url, 'a', theirs),
  ]) {
    isUndecided(t, answer, 'without credentials of its own');
  }
  t.equal(requestsTo(without, 'a').length, 2, 'it is not tried again');
});
