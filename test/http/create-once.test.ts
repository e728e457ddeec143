import t from 'tap';
import { digestsOf } from '../../src/adapters/digests.ts';
import { CredentialsRefused } from '../../src/core/ports.ts';
import type { PutOutcome } from '../../src/http/create-once.ts';
import { settled } from '../fixtures/clock.ts';
import { answered, bent, created, lost, pending, Scene, wordsOf } from '../fixtures/create-once.ts';

t.test('a first push is claimed, asked about, sent and confirmed', async (t) => {
  const scene = await Scene.open(t);
  t.match(await scene.push('one', answered(201)), { kind: 'sent', outcome: { status: 201 } });
  t.same(scene.lookUps, ['v1']);
  t.same(scene.createdTags, ['v1'], 'the ledger is told');
  // The upstream's reads lag: it still says that the tag is absent.
  t.match(wordsOf(await scene.push('two', answered(201))), /^deny DENIED: tag is immutable; a:v1 is sha256:/);
  t.equal(scene.puts, 1);
  t.equal((await scene.push('one', answered(201))).kind, 'sent', 'the same manifest again is no overwrite');
});

t.test('ask: a tag that is there stays, and the claim is given back', async (t) => {
  const scene = await Scene.open(t);
  scene.tags.set('v1', 'one');
  t.match(wordsOf(await scene.push('two', answered(201))), /^deny DENIED/);
  t.equal((await scene.push('one', answered(201))).kind, 'sent', 'no claim for "two" is in the way');
  t.equal(scene.puts, 1);
});

t.test('claim before asking: of two pushes at once only one is sent', async (t) => {
  const scene = await Scene.open(t);
  const first = pending();
  const winner = scene.push('one', first.put);
  await settled();
  const loser = scene.push('two', answered(201));
  await scene.clock.advance(1_500);
  first.end(created);
  t.match(await winner, { kind: 'sent' });
  t.match(wordsOf(await loser), /^deny DENIED: tag is immutable/);
  t.equal(scene.puts, 1);
});

t.test('a push waits at most 5 s for another one, and is then told to come again', async (t) => {
  const scene = await Scene.open(t);
  const first = pending();
  const winner = scene.push('one', first.put);
  await settled();
  const loser = scene.push('two', answered(201));
  await scene.clock.advance(4_900);
  let isOver = false;
  void loser.then(() => (isOver = true));
  await settled();
  t.notOk(isOver);
  await scene.clock.advance(200);
  t.match(await loser, {
    decision: { effect: 'undecided', refusal: { code: 'TOOMANYREQUESTS', retryAfterSeconds: 5 } },
  });
  first.end(created);
  await winner;
});

t.test(
  'a waiter asks the upstream too: a claim is as good as confirmed once its digest is there',
  async (t) => {
    const scene = await Scene.open(t);
    void scene.push('one', pending().put);
    await settled();
    const loser = scene.push('two', answered(201));
    scene.tags.set('v1', 'one');
    await scene.clock.advance(2_000);
    t.match(wordsOf(await loser), /^deny DENIED/);
  },
);

t.test('a waiter goes on when the other push comes to nothing', async (t) => {
  const scene = await Scene.open(t);
  const first = pending();
  const refused = scene.push('one', first.put);
  await settled();
  const second = scene.push('two', answered(201));
  await scene.clock.advance(500);
  first.end({ kind: 'answered', status: 400, tags: [], answer: '' });
  t.match(await refused, { kind: 'sent', outcome: { status: 400 } }, "the registry's refusal is passed on");
  t.match(await second, { kind: 'sent', outcome: { status: 201 } });
});

t.test('arm: a look-up that outlasts the claim sends nothing', async (t) => {
  const scene = await Scene.open(t);
  scene.lookUp = () => {
    scene.clock.jump(10_000);
    return Promise.resolve({ state: 'absent' });
  };
  t.match(await scene.push('one', answered(201)), {
    decision: { effect: 'undecided', refusal: { code: 'UNAVAILABLE' } },
  });
  t.equal(scene.puts, 0);
});

t.test('confirm: a PUT that outlasts its claim is not acknowledged', async (t) => {
  const scene = await Scene.open(t);
  const slow = (): Promise<PutOutcome<string>> => {
    scene.clock.jump(120_000);
    return Promise.resolve(created);
  };
  t.same(await scene.push('one', slow), { kind: 'unacknowledged' });
});

for (const status of [400, 401, 403, 404, 405, 413, 415]) {
  t.test(`a definite refusal (${status}) gives the claim back`, async (t) => {
    const scene = await Scene.open(t);
    await scene.push('one', answered(status));
    t.match(await scene.push('two', answered(201)), { kind: 'sent', outcome: { status: 201 } });
  });
}

const unknowns: [string, PutOutcome<string>][] = [
  ...[302, 408, 409, 429, 499, 500, 502, 503, 504].map((status): [string, PutOutcome<string>] => [
    String(status),
    { kind: 'answered', status, tags: [], answer: '' },
  ]),
  ['no answer', lost],
];
for (const [name, outcome] of unknowns) {
  t.test(
    `an unknown outcome (${name}) keeps the claim until it expires; only the same manifest may be tried`,
    async (t) => {
      const scene = await Scene.open(t);
      t.match(await scene.push('one', () => Promise.resolve(outcome)), { kind: 'sent', outcome });
      const other = scene.push('two', answered(201));
      await scene.clock.advance(6_000);
      t.match(wordsOf(await other), /^undecided TOOMANYREQUESTS/);
      t.match(await scene.push('one', answered(400)), { kind: 'sent', outcome: { status: 400 } });
      const still = scene.push('two', answered(201));
      await scene.clock.advance(6_000);
      t.match(wordsOf(await still), /^undecided/, 'one holder gave back, the unknown one is still there');
      await scene.clock.advance(120_000);
      t.match(await scene.push('two', answered(201)), { kind: 'sent', outcome: { status: 201 } });
    },
  );
}

t.test('a PUT that throws is an unknown outcome', async (t) => {
  const scene = await Scene.open(t);
  t.match(await scene.push('one', () => Promise.reject(new Error('a bug'))), { outcome: { kind: 'lost' } });
  const other = scene.push('two', answered(201));
  await scene.clock.advance(6_000);
  t.match(wordsOf(await other), /^undecided/);
});

t.test('what was never sent gives the claim back', async (t) => {
  const scene = await Scene.open(t);
  await scene.push('one', () => Promise.resolve({ kind: 'notSent', error: new Error('refused') }));
  t.match(await scene.push('two', answered(201)), { kind: 'sent' });
});

t.test('holders are ids: the refusal of one does not take the claim of another', async (t) => {
  const scene = await Scene.open(t);
  const first = pending();
  const winner = scene.push('one', first.put);
  await settled();
  await scene.push('one', answered(400));
  const other = scene.push('two', answered(201));
  await scene.clock.advance(6_000);
  t.match(wordsOf(await other), /^undecided/, 'the first one is still on its way');
  first.end(created);
  t.match(await winner, { kind: 'sent' });
});

t.test('undecided facts send nothing and hold nothing', async (t) => {
  const scene = await Scene.open(t);
  scene.lookUp = () => Promise.resolve({ state: 'unknown', reason: 'the upstream answered 500' });
  t.match(wordsOf(await scene.push('one', answered(201))), /^undecided UNAVAILABLE: .*500/);
  t.equal(scene.puts, 0);
  scene.lookUp = () => undefined;
  t.match(await scene.push('two', answered(201)), { kind: 'sent' });
});

t.test('refused credentials are passed on, and hold nothing', async (t) => {
  const scene = await Scene.open(t);
  scene.lookUp = () => Promise.reject(new CredentialsRefused(['Bearer realm="x"']));
  await t.rejects(scene.push('one', answered(201)), new CredentialsRefused(['Bearer realm="x"']));
  scene.lookUp = () => undefined;
  t.match(await scene.push('two', answered(201)), { kind: 'sent' });
});

t.test('several tags are claimed all or none', async (t) => {
  const scene = await Scene.open(t);
  const digest = digestsOf(Buffer.from('two')).sha256;
  const first = pending();
  const winner = scene.push('one', first.put);
  await settled();
  const both = scene.push('two', answered(201), { target: `/v2/a/manifests/${digest}?tag=u&tag=v1` });
  const free = scene.push('three', answered(201), { target: '/v2/a/manifests/u' });
  t.match(await free, { kind: 'sent' }, 'u was not kept while v1 was waited for');
  await scene.clock.advance(6_000);
  t.match(wordsOf(await both), /^undecided|^deny/);
  first.end(created);
  await winner;
});

t.test('of several tags those are confirmed that the upstream names or has', async (t) => {
  const scene = await Scene.open(t);
  const digest = digestsOf(Buffer.from('one')).sha256;
  const target = `/v2/a/manifests/${digest}?tag=named&tag=there&tag=absent&tag=unknown`;
  const put = (): Promise<PutOutcome<string>> => {
    scene.tags.set('there', 'one');
    scene.lookUp = (tag) =>
      tag === 'unknown' ? Promise.resolve({ state: 'unknown', reason: '500' }) : undefined;
    return Promise.resolve({ kind: 'answered', status: 201, tags: ['named'], answer: '' });
  };
  t.match(await scene.push('one', put, { target }), { kind: 'sent' });
  scene.tags.clear();
  scene.lookUp = () => undefined;
  const next = async (tag: string): Promise<string> => {
    const result = scene.push('two', answered(201), { target: `/v2/a/manifests/${tag}` });
    await scene.clock.advance(6_000);
    return wordsOf(await result);
  };
  t.match(await next('named'), /^deny/);
  t.match(await next('there'), /^deny/);
  t.match(await next('absent'), 'sent');
  t.match(await next('unknown'), /^undecided/);
});

t.test('a restart remembers what may be on its way, and what was acknowledged', async (t) => {
  const scene = await Scene.open(t);
  void scene.push('one', pending().put);
  await scene.push('one', answered(201), { target: '/v2/a/manifests/done' });
  await settled();
  await scene.clock.advance(10);
  await scene.restart();
  const other = scene.push('two', answered(201));
  await scene.clock.advance(6_000);
  t.match(wordsOf(await other), /^undecided TOOMANYREQUESTS/, 'killed in the middle of its PUT');
  t.match(wordsOf(await scene.push('two', answered(201), { target: '/v2/a/manifests/done' })), /^deny/);
  t.match(await scene.push('one', answered(201)), { kind: 'sent' }, 'the same manifest may be tried again');
  await scene.restart();
  await scene.clock.advance(121_000);
  t.match(await scene.push('two', answered(201), { target: '/v2/a/manifests/other' }), { kind: 'sent' });
});

t.test('a claim store that fails sends nothing', async (t) => {
  const scene = await Scene.open(t);
  const { claims } = scene;
  scene.claims = bent(claims, { arm: () => Promise.reject(new Error('no space left on device')) });
  await t.rejects(scene.push('one', answered(201)), { message: 'no space left on device' });
  t.equal(scene.puts, 0);
  scene.claims = claims;
  t.match(await scene.push('two', answered(201)), { kind: 'sent' });
});
