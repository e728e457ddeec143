import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { ask, headerOf, type Answer, type Question } from '../fixtures/ask.ts';
import { ShiftedClock } from '../fixtures/clock.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startFront, type Front } from '../fixtures/front.ts';
import { manifestType } from '../fixtures/manifest-shelf.ts';
import { isInOtherProcess } from '../fixtures/tagwarden.ts';
import type { Recorded } from '../fixtures/upstream.ts';

// Who asks the same at the same time must be in the same process.
const skip = isInOtherProcess && 'each worker joins those that it serves';
const path = '/v2/team/app/manifests/latest';
/** So many are sent before others wait. */
const atOnce = 4;
const rules = 'tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true }\n';

interface Scene extends Front {
  readonly clock: ShiftedClock;
  readonly read: (question?: Question) => Promise<Answer>;
  /** Those that came for the tag. */
  readonly asked: () => readonly Recorded[];
  /** Lets the upstream answer what it has been asked until now. */
  readonly release: () => void;
  /** What is answered, in place of 200. */
  status: number;
}

/** Before an upstream that answers when it is told to, each request with what the manifest was when that came: its number. */
async function startScene(t: Test): Promise<Scene> {
  let held: (() => void)[] = [];
  let count = 0;
  const clock = new ShiftedClock();
  const front = await startFront(
    t,
    async (req, res) => {
      if (req.url !== path) return void res.end();
      count += 1;
      const body = Buffer.from(JSON.stringify({ schemaVersion: 2, number: count }));
      const isHeld = new Promise<void>((resolve) => held.push(resolve));
      await isHeld;
      const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
      const named = { 'Content-Type': manifestType, 'Docker-Content-Digest': digest };
      res.writeHead(scene.status, { ...named, 'Content-Length': body.length });
      res.end(req.method === 'HEAD' ? undefined : body);
    },
    { rules, clock },
  );
  const scene: Scene = {
    ...{ ...front, clock, status: 200 },
    read: (question) => ask(front.url + path, question),
    asked: () => front.upstream.requests.filter(({ target }) => target === path),
    release: () => {
      for (const answer of held) answer();
      held = [];
    },
  };
  return scene;
}

/** All that could be asked is asked, and everybody has arrived who was sent before: this was answered. */
async function arrived({ url }: Front): Promise<void> {
  await ask(`${url}/v2/`);
}

async function startCrowd(scene: Scene, others: number, question?: Question) {
  const first = Array.from({ length: atOnce }, () => scene.read(question));
  await eventually('they are asked', () => scene.asked().length === atOnce);
  const waiting = Array.from({ length: others }, () => scene.read(question));
  for (let turn = 0; turn < 3; turn++) await arrived(scene);
  return { first, waiting };
}

function numberOf({ body }: Answer): unknown {
  return (JSON.parse(body.toString()) as { readonly number: unknown }).number;
}

t.test(
  'of many who ask for a tag that may move a few are sent; the others get what was asked after they came',
  { skip },
  async (t) => {
    const scene = await startScene(t);
    const { first, waiting } = await startCrowd(scene, 20);
    t.equal(scene.asked().length, atOnce);
    scene.release();
    t.same((await Promise.all(first)).map(numberOf).sort(), [1, 2, 3, 4]);
    await eventually('one is asked for all of them', () => scene.asked().length === atOnce + 1);
    scene.release();
    t.same(new Set((await Promise.all(waiting)).map(numberOf)), new Set([5]));
    t.equal(scene.asked().length, atOnce + 1);
    const alone = scene.read();
    await eventually('nothing is kept', () => scene.asked().length === atOnce + 2);
    scene.release();
    t.equal(numberOf(await alone), 6);
  },
);

t.test('HEAD, and what the client has already', { skip }, async (t) => {
  const scene = await startScene(t);
  const { first, waiting } = await startCrowd(scene, 3, { method: 'HEAD' });
  scene.release();
  await Promise.all(first);
  await eventually('one is asked', () => scene.asked().length === atOnce + 1);
  scene.release();
  const [answer] = await Promise.all(waiting);
  t.match(answer, { status: 200, body: Buffer.alloc(0) });
  t.match(headerOf(answer ?? { headers: [] }, 'docker-content-digest'), /^sha256:/);

  const number = scene.asked().length + atOnce + 1;
  const known = createHash('sha256')
    .update(JSON.stringify({ schemaVersion: 2, number }))
    .digest('hex');
  const crowd = Array.from({ length: atOnce }, () => scene.read());
  await eventually('they are asked', () => scene.asked().length === number - 1);
  const later = [scene.read(), scene.read({ headers: ['If-None-Match', `"sha256:${known}"`] })];
  for (let turn = 0; turn < 3; turn++) await arrived(scene);
  scene.release();
  await Promise.all(crowd);
  await eventually('one is asked', () => scene.asked().length === number);
  scene.release();
  t.same(
    (await Promise.all(later)).map(({ status }) => status),
    [200, 304],
  );
});

t.test('a refusal is an answer to one alone, and for a while nobody waits', { skip }, async (t) => {
  const scene = await startScene(t);
  const { first, waiting } = await startCrowd(scene, 5);
  scene.status = 404;
  scene.release();
  await Promise.all(first);
  await eventually('one is asked', () => scene.asked().length === atOnce + 1);
  scene.release();
  await eventually('each is asked', () => scene.asked().length === atOnce + 1 + 5);
  scene.release();
  t.same((await Promise.all(waiting)).map(numberOf).sort(), [10, 6, 7, 8, 9]);
  const apart = Array.from({ length: 10 }, () => scene.read());
  await eventually('all are asked', () => scene.asked().length === 20);
  scene.status = 200;
  scene.release();
  await Promise.all(apart);
  scene.clock.shift(5_000);
  const { waiting: again } = await startCrowdAfter(scene, 20, 3);
  scene.release();
  await eventually('one is asked again', () => scene.asked().length === 20 + atOnce + 1);
  scene.release();
  await Promise.all(again);
});

async function startCrowdAfter(scene: Scene, before: number, others: number) {
  const first = Array.from({ length: atOnce }, () => scene.read());
  await eventually('they are asked', () => scene.asked().length === before + atOnce);
  const waiting = Array.from({ length: others }, () => scene.read());
  for (let turn = 0; turn < 3; turn++) await arrived(scene);
  return { first, waiting };
}

t.test('nobody waits for what stands still', { skip }, async (t) => {
  const scene = await startScene(t);
  const { first, waiting } = await startCrowd(scene, 3);
  await eventually('each is asked', () => scene.asked().length === atOnce + 3, 5_000);
  scene.release();
  t.equal(
    (await Promise.all([...first, ...waiting])).filter(({ status }) => status === 200).length,
    atOnce + 3,
  );
});

t.test('who brings something by which they may be let in is not answered with others', async (t) => {
  const scene = await startScene(t);
  const read = (): Promise<Answer> => scene.read({ headers: ['Authorization', 'Basic YTpi'] });
  const all = Array.from({ length: 12 }, read);
  await eventually('each is asked', () => scene.asked().length === 12);
  scene.release();
  t.equal(new Set((await Promise.all(all)).map(numberOf)).size, 12);
});

t.test('the one who would have asked for all goes away', { skip }, async (t) => {
  const scene = await startScene(t);
  const first = Array.from({ length: atOnce }, () => scene.read());
  await eventually('they are asked', () => scene.asked().length === atOnce);
  const gone = new AbortController();
  const cut = t.rejects(scene.read({ signal: gone.signal }), { name: 'AbortError' });
  for (let turn = 0; turn < 3; turn++) await arrived(scene);
  const waiting = [scene.read(), scene.read()];
  for (let turn = 0; turn < 3; turn++) await arrived(scene);
  gone.abort();
  await cut;
  scene.release();
  await Promise.all(first);
  await eventually('one is asked', () => scene.asked().length === atOnce + 1);
  scene.release();
  t.same((await Promise.all(waiting)).map(numberOf), [5, 5]);
});
