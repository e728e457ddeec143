import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CloudEvent } from '../../src/core/cloud-event.ts';
import { ask } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { askApi, startTagwardenOfApi, type TagwardenOfApi } from '../fixtures/management-api.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { isSigned, secretA, startReceiver, type Receiver } from '../fixtures/receiver.ts';
import { projectRoot } from '../fixtures/start.ts';
import { startTagStore, type TagStore } from '../fixtures/tag-store.ts';
import { logged, workerCount } from '../fixtures/tagwarden.ts';

const rules = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
  - { id: latest, tag_name_pattern: ^latest$, minimum_access_level_for_push: owner, enforcement: warn }
`;
const repository = 'flightjs/flight';

interface Scene {
  readonly receiver: Receiver;
  readonly store: TagStore;
  readonly tagwarden: TagwardenOfApi;
  readonly push: (tag: string, text: string, id?: string) => Promise<number>;
}

async function open(t: Test, events?: string, flags: readonly string[] = []): Promise<Scene> {
  const [receiver, store] = [await startReceiver(t), await startTagStore(t)];
  const hook = `url: ${receiver.url}/hook, secret_file: ${receiver.secretFile}`;
  const tagwarden = await startTagwardenOfApi(t, {
    ...{ upstream: store.upstream.url, rules, flags },
    roles: { alice: ['read', 'write', 'unlock'] },
    config: `public_url: https://registry.example\nwebhooks: [{ ${hook}${events ?? ''} }]\n`,
  });
  const push = async (tag: string, text: string, id = `push-${tag}`): Promise<number> => {
    const headers = ['X-Request-Id', id, 'User-Agent', 'docker/28.2.2'];
    const question = { method: 'PUT', headers, body: manifestOf(text) };
    return (await ask(`${tagwarden.url}/v2/${repository}/manifests/${tag}`, question)).status;
  };
  return { receiver, store, tagwarden, push };
}

function manifestOf(text: string): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, text }));
}

const typed =
  (type: string) =>
  (event: CloudEvent): boolean =>
    event.type === `io.tagwarden.${type}`;

function api({ adminUrl }: TagwardenOfApi, method: string, path: string, json?: unknown) {
  return askApi(adminUrl, { method, path, as: 'alice', ...(json !== undefined && { json }) });
}

/** All that there are events of happens once. */
async function story({ receiver, store, tagwarden, push }: Scene): Promise<readonly CloudEvent[]> {
  await push('v1.0', 'one');
  await push('v1.0', 'two', 'the-denied-one');
  await push('latest', 'two');
  const asked = { repository, tag: 'v1.0', actions: ['push'], reason: 'CVE-2026-1', expires_in: 900 };
  const { id } = (await api(tagwarden, 'POST', '/api/v4/unlocks', asked)).json as { id: string };
  await push('v1.0', 'two', 'the-unlocked-one');
  await api(tagwarden, 'DELETE', `/api/v4/unlocks/${id}`);
  // Behind our back.
  await push('v2.0', 'one');
  const path = `/v2/${repository}/manifests/v2.0`;
  await ask(store.upstream.url + path, { method: 'PUT', body: manifestOf('other') });
  await push('v2.0', 'one');
  // Nobody knows whether it may pass.
  const { script } = store.upstream;
  store.upstream.script = (_, res) => void res.writeHead(404).end();
  await push('v3.0', 'one', 'the-undecided-one');
  store.upstream.script = script;
  const levels = { minimum_access_level_for_push: 'owner', minimum_access_level_for_delete: 'owner' };
  const rule = { tag_name_pattern: 'stable', ...levels };
  const made = await api(
    tagwarden,
    'POST',
    `${encodeURIComponent(repository)}/registry/protection/tag/rules`,
    rule,
  );
  if (made.status !== 201) throw new Error(made.body);
  const told = await Promise.all(types.map((type) => receiver.told(type, typed(type))));
  await receiver.told(
    'v2.0',
    ({ subject, type }) => type.endsWith('tampering.seen') && subject !== undefined,
  );
  return told;
}

const types = [
  'write.denied',
  'write.undecided',
  'write.warned',
  'rule.changed',
  'rules.changed',
  'unlock.created',
  'unlock.used',
  'unlock.revoked',
  'tampering.seen',
];

t.test('every event, signed, and as docs/webhooks.md shows it', async (t) => {
  const scene = await open(t, `, events: [${types.join(', ')}]`, ['--claims-put-deadline-seconds', '2']);
  const events = await story(scene);
  const { receiver } = scene;
  for (const request of receiver.requests) t.ok(isSigned(request, secretA));
  const ids = receiver.events().map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length, 'each was told once');
  const documented = readFileSync(join(projectRoot, 'docs/webhooks.md'), 'utf8');
  const examples = [...documented.matchAll(/^```json\n(.*?)^```/gms)].map(
    ([, text = '']) => JSON.parse(text) as CloudEvent,
  );
  for (const event of events) {
    t.match(event, {
      ...{ specversion: '1.0', source: 'https://registry.example', datacontenttype: 'application/json' },
      ...{ id: /^[\da-f-]{36}$/, time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ },
    });
    const example = examples.find(({ type }) => type === event.type);
    t.ok(example, `${event.type} is documented`);
    t.strictSame(shapeOf(example), shapeOf(event), event.type);
    t.equal(example?.subject, event.subject, event.type);
  }
  t.match(
    events.find(({ type }) => type.endsWith('write.denied')),
    { data: { requestId: 'the-denied-one', ruleIds: ['releases'], status: 403, code: 'DENIED' } },
  );
});

/** The names of everything in it, and of what kind it is. */
function shapeOf(value: unknown, path = ''): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((item) => shapeOf(item, `${path}[]`)))];
  if (typeof value !== 'object' || value === null) return [`${path}: ${typeof value}`];
  return Object.entries(value)
    .flatMap(([name, part]) => shapeOf(part, `${path}.${name}`))
    .sort();
}

t.test('nobody who does not ask hears of what passed, or may pass later', async (t) => {
  const scene = await open(t);
  const { push, receiver, tagwarden } = scene;
  await push('latest', 'one');
  await push('v1.0', 'one');
  await push('v1.0', 'two');
  await receiver.told('denied', typed('write.denied'));
  t.strictSame(
    receiver.events().map(({ type }) => type),
    ['io.tagwarden.write.denied'],
  );
  writeFileSync(tagwarden.rulesFile, `${rules}  - { id: more, tag_name_pattern: ^w, immutable: true }\n`);
  const { data } = await receiver.told('rules', typed('rules.changed'));
  t.match(data, { added: [/^more: /], removed: [] });
  t.equal(receiver.events().filter(typed('rules.changed')).length, 1, `once, with ${workerCount} workers`);
});

t.test('a receiver that hangs, or is gone, slows nobody down', async (t) => {
  const { push, receiver, tagwarden } = await open(t);
  await push('v1.0', 'one');
  const took = async (): Promise<number> => {
    const beganMs = performance.now();
    for (let at = 0; at < 20; at += 1) t.equal(await push('v1.0', 'two', `denied-${at}`), 403);
    return performance.now() - beganMs;
  };
  receiver.script = () => undefined;
  t.ok((await took()) < 5_000, 'while it hangs');
  await receiver.told('the first', typed('write.denied'));
  t.equal(receiver.events().length <= workerCount, true, 'one at a time');
  const beganMs = performance.now();
  await tagwarden.app.close();
  t.ok(performance.now() - beganMs < 8_000, 'nor the end of the process');
});

t.test('events of a process that ends are told before', async (t) => {
  const { push, receiver, tagwarden } = await open(t);
  await push('v1.0', 'one');
  receiver.script = (_, res) => void res.writeHead(503, { 'Retry-After': '600' }).end();
  await push('v1.0', 'two');
  await logged(tagwarden, ({ msg }) => msg === 'a webhook takes no events now; they wait');
  receiver.script = (_, res) => void res.end();
  await tagwarden.app.close();
  t.strictSame(
    receiver.events().map(({ type }) => type),
    ['io.tagwarden.write.denied', 'io.tagwarden.write.denied'],
  );
});

t.test('on SIGHUP the secret is read again', async (t) => {
  const { push, receiver, tagwarden } = await open(t);
  await push('v1.0', 'one');
  const next = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  writeFileSync(receiver.secretFile, next);
  tagwarden.app.reopen();
  let at = 0;
  await eventually('it signs with it', async () => {
    await push('v1.0', 'two', `denied-${++at}`);
    await eventually('it is told', () => receiver.events().length >= at);
    const last = receiver.requests.at(-1);
    return last !== undefined && isSigned(last, next);
  });
});

t.test('beside the audit, which is told the same', async (t) => {
  const auditFile = join(temporaryDirectory(t), 'audit.jsonl');
  const { push, receiver } = await open(t, '', ['--log-audit-file', auditFile]);
  await push('v1.0', 'one');
  await push('v1.0', 'two');
  const { data } = await receiver.told('denied', typed('write.denied'));
  await eventually('it is written', () => existsSync(auditFile) && readFileSync(auditFile, 'utf8') !== '');
  const { audit, time, ...line } = JSON.parse(readFileSync(auditFile, 'utf8')) as Record<string, unknown>;
  t.strictSame([audit, line], ['denied', data]);
  t.type(time, 'string');
});
