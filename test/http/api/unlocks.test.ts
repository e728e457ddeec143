import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, refusalOf, type Answer } from '../../fixtures/ask.ts';
import { digestOf, imageOf, pushParts, type Image } from '../../fixtures/image.ts';
import {
  askApi,
  startManagementApi,
  tokensText,
  type ApiAnswer,
  type Roles,
} from '../../fixtures/management-api.ts';
import { temporaryDirectory } from '../../fixtures/program.ts';
import { startRegistry } from '../../fixtures/registry.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { startTagwarden } from '../../fixtures/tagwarden.ts';
import { startUpstream, type ScriptedUpstream } from '../../fixtures/upstream.ts';

const asked = {
  ...{ repository: 'flightjs/flight', tag: 'v1', actions: ['push'], reason: 'CVE-2026-1' },
  expires_in: 900,
};

t.test('what an unlock may be, and who may make one', async (t) => {
  const api = await startManagementApi(t, {
    root: ['read', 'write', 'unlock'],
    unlocker: ['unlock:flightjs'],
    writer: ['write:flightjs'],
    stranger: ['unlock:other'],
  });
  const post = async (json: object, as = 'unlocker'): Promise<unknown[]> => {
    const answer = await api.ask({ method: 'POST', path: '/api/v4/unlocks', as, json });
    return [answer.status, answer.json];
  };
  const cases: [what: string, change: object, answer: unknown[]][] = [
    ['a repository that is none', { repository: 'A//b' }, [400, { error: 'repository is invalid' }]],
    ['a tag that is none', { tag: 'a b' }, [400, { error: 'tag is invalid' }]],
    ['no action', { actions: [] }, [400, { error: 'actions is invalid' }]],
    ['an unknown action', { actions: ['move'] }, [400, /actions/]],
    ['no reason', { reason: ' ' }, [400, { error: 'reason needs 1 to 500 characters' }]],
    ['no time', { expires_in: 0 }, [400, { error: 'expires_in must be from 1 to 86400 seconds' }]],
    ['more than a day', { expires_in: 86_401 }, [400, /expires_in must be from 1/]],
    [
      'the tag of signatures',
      { tag: `sha256-${'a'.repeat(64)}.sig` },
      [422, /signatures cannot be unlocked/],
    ],
  ];
  for (const [what, change, [status, body]] of cases) {
    const [actualStatus, actual] = await post({ ...asked, ...change });
    t.equal(actualStatus, status, what);
    if (body instanceof RegExp) t.match(JSON.stringify(actual), body, what);
    else t.same(actual, body, what);
  }
  t.match(await post({ ...asked, reason: undefined }), [400, { error: 'reason is missing' }]);
  t.match(await post(asked, 'writer'), [403, { message: '403 Forbidden' }]);
  t.match(await post(asked, 'stranger'), [404, { message: '404 Project Not Found' }]);
  const made = await post({ ...asked, subject: 'ci' });
  t.match(made, [201, { ...asked, expires_in: undefined, subject: 'ci', created_by: 'unlocker' }]);
  const { id } = made[1] as { id: string };
  const list = async (as: string): Promise<unknown> => (await api.ask({ path: '/api/v4/unlocks', as })).json;
  t.match(await list('root'), [{ id }]);
  t.same(await list('stranger'), [], 'of another project');
  const end = async (as: string): Promise<number> =>
    (await api.ask({ method: 'DELETE', path: `/api/v4/unlocks/${id}`, as })).status;
  t.equal(await end('stranger'), 404);
  t.equal(await end('writer'), 403);
  t.equal(await end('unlocker'), 204);
  t.equal(await end('unlocker'), 404);
  t.same(await list('root'), []);
});

const rules = 'tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true }\n';

interface Door {
  readonly url: string;
  readonly unlock: (change?: object) => Promise<ApiAnswer>;
  /** What the API says of a push of `two`. */
  readonly explain: () => Promise<unknown>;
  readonly lock: (unlock: ApiAnswer) => Promise<number>;
  readonly audit: () => readonly Record<string, unknown>[];
}

async function startDoor(t: Test, upstream: string, text = rules): Promise<Door> {
  const directory = temporaryDirectory(t);
  const tokenFile = join(directory, 'tokens.yaml');
  const auditFile = join(directory, 'audit.jsonl');
  const roles: Roles = { alice: ['unlock'] };
  writeFileSync(tokenFile, tokensText(roles));
  const flags = ['--admin-token-file', tokenFile, '--log-audit-file', auditFile];
  const { url, app } = await startTagwarden(t, { upstream, rules: text, flags });
  return {
    url,
    unlock: (change = {}) =>
      askApi(`http://${app.adminAddress}`, {
        ...{ method: 'POST', path: '/api/v4/unlocks', as: 'alice' },
        json: { ...asked, ...change },
      }),
    explain: async () => {
      const { repository, tag: reference } = asked;
      const json = { action: 'push', repository, reference, pushed: two.descriptor.digest };
      const question = { method: 'POST', path: '/api/v4/explain', as: 'alice', json };
      return (await askApi(`http://${app.adminAddress}`, question)).json;
    },
    lock: async ({ json }) => {
      const path = `/api/v4/unlocks/${(json as { id: string }).id}`;
      const question = { method: 'DELETE', path, as: 'alice' };
      return (await askApi(`http://${app.adminAddress}`, question)).status;
    },
    audit: () => {
      const lines = readFileSync(auditFile, 'utf8').trim().split('\n');
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}

function push({ url }: Door, { bytes, descriptor }: Image): Promise<Answer> {
  return ask(`${url}/v2/${asked.repository}/manifests/v1`, {
    method: 'PUT',
    headers: ['Content-Type', descriptor.mediaType],
    body: bytes,
  });
}

function remove({ url }: Door, reference: string): Promise<Answer> {
  return ask(`${url}/v2/${asked.repository}/manifests/${reference}`, { method: 'DELETE' });
}

const [one, two, three] = [imageOf('one'), imageOf('two'), imageOf('three')];

t.test('a release is replaced, and the audit tells the story', async (t) => {
  const registry = await startRegistry(t);
  for (const image of [one, two, three]) await pushParts(registry.url, asked.repository, image);
  const door = await startDoor(t, registry.url);
  t.equal((await push(door, one)).status, 201);
  t.match(refusalOf(await push(door, two)), /^403 DENIED: tag is immutable/);
  t.match(await door.explain(), { verdict: 'denied' });
  const unlocked = (await door.unlock()).json as { id: string };
  t.match(await door.explain(), { verdict: 'allowed', matched: [{ id: 'releases', outcome: 'met' }] });
  t.equal((await push(door, two)).status, 201);
  t.match(refusalOf(await remove(door, two.descriptor.digest)), /^403 DENIED: .*needed by immutable tag/);
  t.match((await door.unlock({ actions: ['delete'] })).status, 201);
  t.match(refusalOf(await remove(door, three.descriptor.digest)), /^404/, 'what is not there');
  t.equal((await remove(door, two.descriptor.digest)).status, 202, 'with its tag');
  await eventually('the last is in the audit', () => door.audit().length === 6);
  t.match(door.audit(), [
    { audit: 'denied', digestBefore: one.descriptor.digest, ruleIds: ['releases'] },
    { audit: 'unlock', action: 'unlock', caller: 'alice', unlock: { reason: asked.reason } },
    {
      audit: 'unlocked',
      unlocks: [{ id: unlocked.id, tag: 'v1', by: 'alice', reason: asked.reason }],
      digestBefore: one.descriptor.digest,
      digestAfter: two.descriptor.digest,
      status: 201,
    },
    { audit: 'denied', operation: 'deleteManifest' },
    { audit: 'unlock' },
    { audit: 'unlocked', operation: 'deleteManifest', status: 202, unlocks: [{ by: 'alice' }] },
  ]);
});

/** An upstream with one tag, which may be deleted by its name. */
function startOneTag(t: Test, first?: Buffer): Promise<ScriptedUpstream> {
  let stored = first;
  return startUpstream(t, (req, res) => {
    const isThere = stored !== undefined;
    const known = isThere ? { 'Docker-Content-Digest': digestOf(stored ?? Buffer.alloc(0)) } : {};
    switch (req.method) {
      case 'PUT': {
        const chunks: Buffer[] = [];
        req.on('data', (chunk: Buffer) => chunks.push(chunk));
        req.on('end', () => {
          stored = Buffer.concat(chunks);
          res.writeHead(201, { 'Content-Length': 0 }).end();
        });
        return;
      }
      case 'DELETE':
        stored = undefined;
        return void res.writeHead(202).end();
      default:
        if (!isThere) res.writeHead(404, { 'Content-Type': 'application/json' });
        else res.writeHead(200, known);
        res.end(
          req.method === 'GET' && !isThere ? '{"errors":[{"code":"MANIFEST_UNKNOWN","message":""}]}' : '',
        );
    }
  });
}

t.test('an unlocked tag is deleted, and its name is free at once', async (t) => {
  const upstream = await startOneTag(t, one.bytes);
  const door = await startDoor(t, upstream.url);
  t.match(refusalOf(await remove(door, 'v1')), /^403 DENIED: tag is immutable; .* cannot be deleted/);
  t.equal((await push(door, one)).status, 201, 'the same manifest: its claim is confirmed');
  const forPush = await door.unlock({ actions: ['push'] });
  t.match(refusalOf(await remove(door, 'v1')), /^403 DENIED/, 'only a push was unlocked');
  t.equal(await door.lock(forPush), 204);
  const { json } = await door.unlock({ actions: ['delete'], expires_in: 60 });
  t.equal((await remove(door, 'v1')).status, 202);
  await eventually('it is in the audit', () => door.audit().at(-1)?.['audit'] === 'unlocked');
  t.match(door.audit().at(-1), { unlocks: [{ id: (json as { id: string }).id }] });
  t.match(refusalOf(await remove(door, 'v1')), /^404 MANIFEST_UNKNOWN/);
  t.equal((await push(door, three)).status, 201, 'and may be made anew');
  t.equal((await push(door, three)).status, 201);
});

t.test('an unlock that ends before the write would is none', async (t) => {
  const registry = await startRegistry(t);
  for (const image of [one, two]) await pushParts(registry.url, asked.repository, image);
  const door = await startDoor(t, registry.url);
  await push(door, one);
  // A push may take 25 s.
  await door.unlock({ expires_in: 20 });
  t.match(refusalOf(await push(door, two)), /^403 DENIED: tag is immutable/);
});

t.test('fix: a tag that robots may make is deleted, and made again at once', async (t) => {
  const upstream = await startOneTag(t);
  const creating = `tag_rules:
  - tag_name_pattern: ^v
    minimum_access_level_for_create: developer
    minimum_access_level_for_push: maintainer
`;
  const door = await startDoor(t, upstream.url, creating);
  t.equal((await push(door, one)).status, 201);
  t.match(refusalOf(await push(door, two)), /^403 DENIED: tag protected/);
  t.equal((await remove(door, 'v1')).status, 202);
  const beganMs = performance.now();
  t.equal((await push(door, two)).status, 201);
  t.ok(performance.now() - beganMs < 4_000, 'nothing waits for what is gone');
});

t.test(
  'immutable_after: a young tag may be deleted by its name, and pushed anew; an old one not',
  async (t) => {
    const aging =
      'tag_rules:\n  - { id: settles, tag_name_pattern: ^v, immutable: true, immutable_after: 1h }\n';
    const old = await startDoor(t, (await startOneTag(t, one.bytes)).url, aging);
    t.match(refusalOf(await remove(old, 'v1')), /^403 DENIED: tag is immutable; .* \(rule settles\)/);
    const upstream = await startOneTag(t);
    const young = await startDoor(t, upstream.url, aging);
    t.equal((await push(young, one)).status, 201);
    t.equal((await remove(young, 'v1')).status, 202);
    t.match(refusalOf(await remove(young, 'v1')), /^404 MANIFEST_UNKNOWN/);
    t.equal((await push(young, two)).status, 201);
    t.equal(upstream.requests.filter(({ method }) => method === 'DELETE').length, 1);
  },
);
