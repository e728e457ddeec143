import t from 'tap';
import { digestsOf } from '../../src/adapters/digests.ts';
import { StoreAway } from '../../src/core/ports.ts';
import type { Repository } from '../../src/core/reference.ts';
import { answered, bent, Scene, wordsOf } from '../fixtures/create-once.ts';

const storeAway = () => Promise.reject(new StoreAway('gone'));

t.test('a store that is away stops first pushes, and nothing else', async (t) => {
  const scene = await Scene.open(t);
  scene.claims = bent(scene.claims, { claim: storeAway });
  t.match(wordsOf(await scene.push('one', answered(201))), /^undecided UNAVAILABLE: the store .* is away/);
  t.equal(scene.puts, 0);
  scene.tags.set('v1', 'one');
  t.match(wordsOf(await scene.push('two', answered(201))), /^deny DENIED: tag is immutable/);
  t.equal(scene.puts, 0);
  t.match(await scene.push('one', answered(201)), { kind: 'sent' });
  t.match(
    scene.sent,
    /^\/v2\/a\/manifests\/sha256:/,
    'by its digest: it moves nothing, however late it arrives',
  );
  const { sha256 } = digestsOf(Buffer.from('one'));
  const both = await scene.push('one', answered(201), { target: `/v2/a/manifests/${sha256}?tag=v1&tag=v2` });
  t.match(wordsOf(both), /^undecided UNAVAILABLE/, 'one of the tags would be new');
  scene.lookUp = () => Promise.resolve({ state: 'unknown', reason: 'it is away too' });
  t.match(wordsOf(await scene.push('one', answered(201))), /^undecided UNAVAILABLE: cannot tell/);
});

t.test('a store that goes away before the claim is armed: nothing is sent', async (t) => {
  const scene = await Scene.open(t);
  const { claims } = scene;
  scene.claims = bent(claims, { arm: storeAway });
  t.match(wordsOf(await scene.push('one', answered(201))), /^undecided UNAVAILABLE: the store .* is away/);
  t.equal(scene.puts, 0);
  scene.claims = claims;
  t.match(await scene.push('two', answered(201)), { kind: 'sent' }, 'the claim was given back');
});

t.test('a store that goes away before the claim is confirmed: nobody is told of a success', async (t) => {
  const scene = await Scene.open(t);
  const { claims } = scene;
  scene.claims = bent(claims, { confirm: storeAway });
  t.equal((await scene.push('one', answered(201))).kind, 'unacknowledged');
  scene.claims = claims;
  t.match(wordsOf(await first(scene)), /TOOMANYREQUESTS/, 'the claim stays until its time is over');
  t.match(await scene.push('one', answered(201)), { kind: 'sent' }, 'the same manifest may be tried again');
});

async function first(scene: Scene) {
  const push = scene.push('two', answered(201));
  await scene.clock.advance(6_000);
  return push;
}

t.test('a quarantine is waited for, if it ends soon', async (t) => {
  const scene = await Scene.open(t);
  const { claims, clock } = scene;
  const endMs = clock.nowMs() + 60_000;
  scene.claims = bent(claims, {
    claim: (request) => {
      const leftMs = endMs - clock.nowMs();
      return leftMs > 0 ? Promise.resolve({ outcome: 'quarantined', leftMs }) : claims.claim(request);
    },
  });
  t.match(await scene.push('one', answered(201)), {
    decision: { effect: 'undecided', refusal: { code: 'UNAVAILABLE', retryAfterSeconds: 60 } },
  });
  scene.tags.set('v2', 'other');
  const overwrite = await scene.push('one', answered(201), { target: '/v2/a/manifests/v2' });
  t.match(wordsOf(overwrite), /^deny DENIED/, 'what is there stays protected');
  await clock.advance(58_000);
  const soon = scene.push('one', answered(201));
  await clock.advance(1_999);
  t.equal(scene.puts, 0);
  await clock.advance(1);
  t.match(await soon, { kind: 'sent' });
});

t.test('a delete of what the manifest needs is waited for a little', async (t) => {
  const scene = await Scene.open(t);
  const target = digestsOf(Buffer.from('one')).sha256;
  const mark = { repository: 'a' as Repository, target, id: 'delete' };
  await scene.claims.mark(mark);
  t.match(
    await scene.push('two', answered(201), { target: '/v2/a/manifests/v2' }),
    { kind: 'sent' },
    'not needed here',
  );
  const late = scene.push('one', answered(201));
  await scene.clock.advance(5_500);
  t.match(wordsOf(await late), /^undecided TOOMANYREQUESTS: a delete of sha256:[0-9a-f]{12}…, which/);
  const next = scene.push('one', answered(201));
  await scene.clock.advance(1_000);
  t.equal(scene.puts, 1);
  await scene.claims.unmark(mark);
  await scene.clock.advance(250);
  t.match(await next, { kind: 'sent' });
});

t.test('a delete that began after the claim stops the push before it is sent', async (t) => {
  const scene = await Scene.open(t);
  const target = digestsOf(Buffer.from('one')).sha256;
  const mark = { repository: 'a' as Repository, target, id: 'delete' };
  scene.lookUp = () => {
    void scene.claims.mark(mark);
    return undefined;
  };
  const push = scene.push('one', answered(201));
  await scene.clock.advance(10_000);
  t.match(wordsOf(await push), /^undecided TOOMANYREQUESTS: a delete of /);
  t.equal(scene.puts, 0);
});

t.test('a push that met a delete at the last moment is tried again when that is over', async (t) => {
  const scene = await Scene.open(t);
  const target = digestsOf(Buffer.from('one')).sha256;
  const mark = { repository: 'a' as Repository, target, id: 'delete' };
  let lookUps = 0;
  scene.lookUp = () => {
    if (++lookUps === 1) void scene.claims.mark(mark);
    return undefined;
  };
  const push = scene.push('one', answered(201));
  await scene.clock.advance(200);
  t.equal(scene.puts, 0);
  await scene.claims.unmark(mark);
  await scene.clock.advance(200);
  t.match(await push, { kind: 'sent' });
  t.equal(lookUps, 2, 'what was looked up before the delete does not count');
});
