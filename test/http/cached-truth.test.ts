import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import {
  immutableTags,
  isKept,
  pathOf,
  setRules,
  startCached,
  throwSwitch,
  type CachedScene,
} from '../fixtures/cached.ts';
import { ShiftedClock } from '../fixtures/clock.ts';
import { eventually } from '../fixtures/eventually.ts';
import { digestOf, imageOf, pushImage, putManifest, type Image } from '../fixtures/image.ts';
import { askApi, tokensText } from '../fixtures/management-api.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';

const oneText = '{"schemaVersion":2,"one":1}';
const twoText = '{"schemaVersion":2,"two":2}';
/** The default of cache.revalidate_seconds. */
const lifetimeMs = 60_000;

/** Of the bytes, which is the one that is told. */
function digestIn(answer: Answer): string | number {
  if (answer.status !== 200) return answer.status;
  const [told, is] = [headerOf(answer, 'docker-content-digest'), digestOf(answer.body)];
  return told === is ? is : `${is}, told as ${told ?? 'nothing'}`;
}

interface RealScene {
  readonly clock: ShiftedClock;
  readonly tagwarden: Tagwarden;
  readonly direct: string;
  readonly read: (reference: string) => Promise<Answer>;
}

const [one, two]: readonly Image[] = [imageOf('one'), imageOf('two')];
if (!one || !two) throw new Error('no images');

async function startReal(t: Test, rules = immutableTags): Promise<RealScene> {
  const registry = await startRegistry(t);
  const clock = new ShiftedClock();
  const tagwarden = await startTagwarden(t, { upstream: registry.url, rules, clock });
  const headers = ['Accept', one?.descriptor.mediaType ?? ''];
  return {
    ...{ clock, tagwarden, direct: registry.url },
    read: (reference) => ask(`${tagwarden.url}/v2/team/app/manifests/${reference}`, { headers }),
  };
}

async function remove(url: string, digest: string): Promise<void> {
  const answer = await ask(`${url}/v2/team/app/manifests/${digest}`, { method: 'DELETE' });
  if (answer.status !== 202) throw new Error(refusalOf(answer));
}

t.test('what is done to the registry itself is seen in time', async (t) => {
  const { clock, direct, read } = await startReal(t);
  for (const [tag, image] of [['v1', one] as const, ['v2', two] as const])
    await pushImage(direct, 'team/app', tag, image);
  const digest = one.descriptor.digest;
  for (const reference of ['v1', digest, 'v2']) await read(reference);
  const seen = async (): Promise<unknown> => [
    digestIn(await read('v1')),
    digestIn(await read(digest)),
    digestIn(await read('v2')),
  ];

  await t.test('nothing', async (t) => {
    for (let minute = 0; minute < 3; minute += 1) {
      t.strictSame(await seen(), [digest, digest, two.descriptor.digest]);
      t.ok(isKept(await read('v1')));
      clock.shift(lifetimeMs);
    }
  });
  await t.test('a tag is moved', async (t) => {
    await read('v1');
    await putManifest(direct, 'team/app', 'v1', two);
    clock.shift(lifetimeMs);
    t.equal(digestIn(await read('v1')), two.descriptor.digest);
    await read('v1');
    t.ok(isKept(await read('v1')));
  });
  await t.test('a manifest is deleted, with its tags', async (t) => {
    await read('v2');
    await remove(direct, two.descriptor.digest);
    clock.shift(lifetimeMs);
    t.strictSame(await seen(), [404, digest, 404]);
    t.strictSame(await seen(), [404, digest, 404]);
  });
});

t.test('what is done through us is seen at once', async (t) => {
  for (const rules of [immutableTags, 'repository_rules: []\n']) {
    const { tagwarden, read } = await startReal(t, rules);
    const digest = one.descriptor.digest;
    t.equal((await read(digest)).status, 404);
    for (let round = 0; round < 3; round += 1) {
      await pushImage(tagwarden.url, 'team/app', 'moving', one);
      t.equal(digestIn(await read(digest)), digest, 'it is there');
      t.ok(isKept(await read(digest)));
      await remove(tagwarden.url, digest);
      t.equal((await read(digest)).status, 404, 'it is gone');
    }
  }
});

t.test('a push and its reader race: whoever was told of a change sees it', async (t) => {
  const scene = await startCached(t);
  const { shelf, tagwarden, read } = scene;
  let wrong = 0;
  for (let round = 0; round < 15; round += 1) {
    const digest = shelf.put('a', 'x', `${round}`);
    let isOver = false;
    const readers = Array.from({ length: 2 }, async () => {
      while (!isOver) await read(`a@${digest}`);
    });
    await read(`a@${digest}`);
    await ask(tagwarden.url + pathOf(`a@${digest}`), { method: 'DELETE' });
    if ((await read(`a@${digest}`)).status !== 404) wrong += 1;
    isOver = true;
    await Promise.all(readers);
    if ((await read(`a@${digest}`)).status !== 404) wrong += 1;
  }
  t.equal(wrong, 0);
});

t.test('an answer that was on its way while its manifest was deleted', async (t) => {
  const clock = new ShiftedClock();
  // Nobody who waits in vain is let go.
  clock.sleep = () => new Promise(() => undefined);
  const { shelf, upstream, tagwarden, read } = await startCached(t, { clock });
  const beginAt = async (name: string): Promise<() => void> => {
    const release = shelf.hold(pathOf(name));
    const before = upstream.requests.length;
    void begun.push(read(name), read(name));
    await eventually('it is asked', () => upstream.requests.length > before);
    await read('z:moving');
    shelf.letGoOn(pathOf(name));
    return release;
  };
  const begun: Promise<Answer>[] = [];
  const removeThrough = (name: string): Promise<Answer> =>
    ask(tagwarden.url + pathOf(name), { method: 'DELETE' });

  for (const what of ['read', 'confirmed']) {
    const name = `a@${shelf.put('a', what, what)}`;
    if (what === 'confirmed') {
      await read(name);
      clock.shift(lifetimeMs);
    }
    const release = await beginAt(name);
    t.equal((await removeThrough(name)).status, 202);
    t.equal((await read(name)).status, 404);
    shelf.put('a', what, what);
    await read(name);
    t.ok(isKept(await read(name)), `${what}: nobody waits for what was asked before`);
    t.equal((await removeThrough(name)).status, 202);
    release();
    const [first, second] = await Promise.all(begun.splice(0));
    t.equal(first?.status, what === 'read' ? 200 : 404, `${what}: it was right when it was asked`);
    t.equal(second?.status, 404, `${what}: who waited is not told what was so before`);
    t.equal((await read(name)).status, 404, what);
    t.notOk(isKept(await read(name)));
  }
});

t.test('what was read while its delete was under way', async (t) => {
  const { shelf, upstream, tagwarden, read } = await startCached(t);
  const name = `a@${shelf.put('a', 'x', oneText)}`;
  let go: (() => void) | undefined;
  upstream.script = async (req, res, recorded) => {
    if (recorded.method === 'DELETE') await new Promise<void>((resolve) => (go = resolve));
    return shelf.script(req, res, recorded);
  };
  const removed = ask(tagwarden.url + pathOf(name), { method: 'DELETE' });
  await eventually('it is under way', () => go !== undefined);
  t.equal((await read(name)).status, 200);
  t.equal((await read(name)).status, 200);
  go?.();
  t.equal((await removed).status, 202);
  t.equal((await read(name)).status, 404);
});

t.test('a write counts, whatever came of it', async (t) => {
  const { shelf, upstream, tagwarden, read } = await startCached(t);
  const other = `other@${shelf.put('other', 'x', oneText)}`;
  const outcomes: [what: string, method: string, reference: string | undefined, status: number][] = [
    ['refused', 'PUT', 'x', 403],
    ['failed', 'DELETE', undefined, 500],
    ['lost', 'DELETE', undefined, 0],
    ['lost', 'PUT', undefined, 0],
    ['a tag', 'DELETE', 'x', 202],
  ];
  for (const [at, [what, method, reference, status]] of outcomes.entries()) {
    // What was lost keeps others away for a while.
    const digest = shelf.put(`a${at}`, 'x', oneText);
    const name = `a${at}@${digest}`;
    for (const kept of [name, other]) await read(kept);
    for (const kept of [name, other]) t.ok(isKept(await read(kept)));
    upstream.script = (req, res, recorded) => {
      if (recorded.method !== method) return shelf.script(req, res, recorded);
      if (status === 0) req.socket.destroy();
      else res.writeHead(status).end();
    };
    const body = method === 'PUT' ? { body: Buffer.from(oneText) } : {};
    const written = await ask(tagwarden.url + pathOf(`a${at}:${reference ?? digest}`), { method, ...body });
    t.equal(written.status, status || 502, what);
    t.ok(isKept(await read(other)), `${what}: another repository`);
    upstream.script = shelf.script;
    t.notOk(isKept(await read(name, { method: 'HEAD' })), `${what}: ${method}`);
  }
});

/** Before a rule admits first pushes, or counts for what is kept. */
const settledMs = 2_000;
const soon = ['--claims-ttl-seconds', String(settledMs / 1000), '--claims-put-deadline-seconds', '1'];

t.test('a tag that could move for a while is answered by what was asked since', async (t) => {
  const changes: [
    what: string,
    away: (scene: CachedScene) => Promise<void>,
    back: (scene: CachedScene) => Promise<void>,
  ][] = [
    ['the rule', (scene) => setRules(scene, 'tag_rules: []\n'), (scene) => setRules(scene, immutableTags)],
    ['the switch', (scene) => throwSwitch(scene, false), (scene) => throwSwitch(scene, true)],
    [
      'a rule that only warns',
      (scene) => setRules(scene, warning),
      (scene) => setRules(scene, immutableTags),
    ],
    ['a rule for later', (scene) => setRules(scene, later), (scene) => setRules(scene, immutableTags)],
  ];
  for (const [what, away, back] of changes) {
    const scene = await startCached(t, { flags: soon, config: 'immutability: { enabled: true }\n' });
    const { shelf, read, clock, asked } = scene;
    shelf.put('a', 'v1', oneText);
    await read('a:v1');
    t.ok(isKept(await read('a:v1')), what);
    await away(scene);
    t.notOk(isKept(await read('a:v1')), `${what}: it may move`);
    const moved = shelf.put('a', 'v1', twoText);
    t.equal(digestIn(await read('a:v1')), moved);
    await back(scene);
    t.equal(digestIn(await read('a:v1')), moved, `${what}: writes from before may still arrive`);
    clock.shift(settledMs + 2_000);
    asked();
    t.equal(digestIn(await read('a:v1')), moved, `${what}: what was so before is forgotten`);
    t.not(asked().length, 0);
    await read('a:v1');
    t.ok(isKept(await read('a:v1')), `${what}: it is back`);
  }
});

const warning = `enforcement: warn\n${immutableTags}`;
const later = immutableTags.replace('immutable: true', 'immutable: true, immutable_after: 1h');

t.test('a tag that is moved by an unlock', async (t) => {
  const tokenFile = join(temporaryDirectory(t), 'tokens.yaml');
  writeFileSync(tokenFile, tokensText({ alice: ['unlock'] }));
  const { shelf, read, tagwarden } = await startCached(t, { flags: ['--admin-token-file', tokenFile] });
  const before = shelf.put('a', 'v1', oneText);
  t.equal(digestIn(await read('a:v1')), before);
  const json = { repository: 'a', tag: 'v1', actions: ['push'], reason: 'a test', expires_in: 900 };
  const adminUrl = `http://${tagwarden.app.adminAddress}`;
  const unlock = await askApi(adminUrl, { method: 'POST', path: '/api/v4/unlocks', as: 'alice', json });
  t.equal(unlock.status, 201);
  t.ok(isKept(await read('a:v1')), 'as long as it is not used nothing has changed');
  const push = { method: 'PUT', body: Buffer.from(twoText) };
  t.equal((await ask(tagwarden.url + pathOf('a:v1'), push)).status, 201);
  const after = digestIn(await read('a:v1'));
  t.not(after, before);
  t.equal(digestIn(await read('a:v1')), after);
});

t.test('who may see less than others spoils nothing', async (t) => {
  const { shelf, read, clock } = await startCached(t);
  const digest = shelf.put('a', 'v1', oneText);
  await read('a:v1');
  clock.shift(lifetimeMs);
  for (const status of [401, 403, 429, 500]) {
    shelf.adjust = (draft) => (draft.status = status);
    t.equal((await read('a:v1')).status, status, 'it is passed on');
    shelf.adjust = () => undefined;
    t.equal(digestIn(await read('a:v1')), digest);
    t.ok(isKept(await read('a:v1')));
    clock.shift(lifetimeMs);
  }
});

t.test('what is confirmed again and again is read anew once an hour', async (t) => {
  const { shelf, read, clock, asked } = await startCached(t);
  shelf.put('a', 'v1', oneText);
  await read('a:v1');
  asked();
  const seen = [];
  for (let minute = 0; minute < 121; minute += 1) {
    clock.shift(lifetimeMs);
    t.equal((await read('a:v1')).body.toString(), oneText);
    seen.push(...asked());
  }
  const reads = seen.flatMap((what, at) => (what === 'GET a:v1' ? [at] : []));
  t.strictSame([seen.length, reads], [121, [59, 119]], 'else by HEAD');
});

t.test('the upstream may want it shorter', async (t) => {
  const { shelf, read, clock } = await startCached(t);
  shelf.put('a', 'v1', oneText);
  shelf.adjust = ({ headers }) => {
    headers['cache-control'] = 'max-age=10';
    headers['age'] = '4';
  };
  await read('a:v1');
  clock.shift(5_000);
  t.match(headerOf(await read('a:v1'), 'age'), /^9$/);
  clock.shift(1_000);
  t.equal(headerOf(await read('a:v1'), 'age'), '4', 'as it came, from the upstream');
});
