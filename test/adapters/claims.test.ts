import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import type { ClaimRequest, ClaimStore, DeleteMark } from '../../src/core/ports.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import {
  deleteOf,
  inMemory,
  layer,
  long,
  one,
  request,
  three,
  two,
  type Opener,
} from '../fixtures/claim-stores.ts';
import { inMemoryOfPrimary } from '../fixtures/channels.ts';
import { startRedis } from '../fixtures/redis.ts';
import { openOwnRedisClaims } from '../fixtures/redis-claims.ts';

function suite(name: string, open: Opener): void {
  t.test(`${name}: set if absent, joined by the same manifest, and gone with its last holder`, async (t) => {
    const claims = await open(t, long);
    t.same(await claims.claim(request('a')), { outcome: 'held' });
    t.same(await claims.claim(request('b')), { outcome: 'held' });
    const other = request('c', { digest: two });
    t.match(await claims.claim(other), { outcome: 'taken', tag: 'v1', digest: one, confirmed: false });
    await claims.giveBack(request('a'));
    await claims.giveBack(request('a'));
    t.match(await claims.claim(other), { outcome: 'taken' }, 'a give-back that arrives twice counts once');
    await claims.giveBack(request('b'));
    t.same(await claims.claim(other), { outcome: 'held' });
    t.equal(await claims.arm(request('b')), 'lost');
    t.equal(await claims.arm(other), 'armed');
  });

  t.test(`${name}: confirmed by its holder alone, once or twice, and then for good`, async (t) => {
    const claims = await open(t, long);
    await claims.claim(request('a'));
    t.notOk(await claims.confirm(request('b')));
    t.notOk(await claims.confirm(request('a', { digest: two })));
    await claims.arm(request('a'));
    t.ok(await claims.confirm(request('a')));
    t.ok(await claims.confirm(request('a')), 'the reply to the first was lost');
    await claims.giveBack(request('a'));
    t.match(await claims.claim(request('c', { digest: two })), {
      outcome: 'taken',
      digest: one,
      confirmed: true,
    });
    t.same(await claims.claim(request('d')), { outcome: 'held' }, 'the same manifest again is no overwrite');
    await claims.giveBack(request('d'));
    t.match(await claims.claim(request('c', { digest: two })), { outcome: 'taken', confirmed: true });
  });

  t.test(`${name}: several tags, all or none`, async (t) => {
    const claims = await open(t, long);
    await claims.claim(request('a', { tags: ['v2'] }));
    const both = request('b', { digest: two, tags: ['v1', 'v2', 'v3'] });
    t.match(await claims.claim(both), { outcome: 'taken', tag: 'v2' });
    for (const tag of ['v1', 'v3'])
      t.same(await claims.claim(request('c', { tags: [tag] })), { outcome: 'held' }, `${tag} was not kept`);
    for (const tag of ['v1', 'v2', 'v3']) {
      await claims.giveBack(request('a', { tags: [tag] }));
      await claims.giveBack(request('c', { tags: [tag] }));
    }
    t.same(await claims.claim(both), { outcome: 'held' });
    await claims.giveBack({ ...both, tags: ['v2' as Tag] });
    t.equal(await claims.arm(both), 'lost', 'one that is gone takes the others with it');
    t.equal(await claims.arm({ ...both, tags: ['v1', 'v3'] as Tag[] }), 'armed');
  });

  t.test(`${name}: an unknown outcome is not given back`, async (t) => {
    const claims = await open(t, long);
    await claims.claim(request('a'));
    await claims.arm(request('a'));
    await claims.leaveUnknown(request('a'));
    await claims.giveBack(request('a'));
    t.match(await claims.claim(request('b', { digest: two })), { outcome: 'taken', confirmed: false });
    t.same(await claims.claim(request('c')), { outcome: 'held' });
    await claims.giveBack(request('c'));
    t.match(await claims.claim(request('b', { digest: two })), { outcome: 'taken' });
  });

  t.test(`${name}: only so many push one manifest at once, and who is done makes room`, async (t) => {
    const claims = await open(t, long);
    for (let holder = 0; holder < 64; holder++) await claims.claim(request(String(holder)));
    t.same(await claims.claim(request('one more')), { outcome: 'crowded', tag: 'v1' });
    t.same(await claims.claim(request('5')), { outcome: 'held' }, 'who is in is in');
    await claims.confirm(request('7'));
    t.same(await claims.claim(request('one more')), { outcome: 'held' });
    t.same(await claims.claim(request('another')), { outcome: 'crowded', tag: 'v1' });
  });

  t.test(`${name}: leased until it is armed`, async (t) => {
    const claims = await open(t, { leaseMs: 300, ttlMs: 60_000 });
    await claims.claim(request('a', { tags: ['armed'] }));
    t.equal(await claims.arm(request('a', { tags: ['armed'] })), 'armed');
    await claims.claim(request('a', { tags: ['idle'] }));
    await sleep(350);
    t.equal(await claims.arm(request('a', { tags: ['idle'] })), 'lost', 'a process that slept must not send');
    t.notOk(await claims.confirm(request('a', { tags: ['idle'] })));
    const other = { digest: two };
    t.match(await claims.claim(request('b', { ...other, tags: ['idle'] })), { outcome: 'held' });
    t.match(await claims.claim(request('b', { ...other, tags: ['armed'] })), { outcome: 'taken' });
    await claims.claim(request('c', { tags: ['armed'] }));
    await sleep(350);
    t.match(
      await claims.claim(request('b', { ...other, tags: ['armed'] })),
      { outcome: 'taken' },
      'a join does not shorten it',
    );
  });

  t.test(`${name}: who waits hears of a change`, async (t) => {
    const claims = await open(t, long);
    for (const end of [claims.giveBack(request('x')), claims.confirm(request('x'))]) await end;
    await claims.claim(request('a'));
    const freed = claims.changed('a/b' as Repository, 'v1' as Tag, 60_000);
    await claims.giveBack(request('a'));
    await freed;
    await claims.claim(request('a'));
    const confirmed = claims.changed('a/b' as Repository, 'v1' as Tag, 60_000);
    await claims.confirm(request('a'));
    await confirmed;
    await claims.changed('a/b' as Repository, 'v1' as Tag, 10);
    t.pass('and is woken in the end anyway');
  });

  t.test(`${name}: a delete keeps away the pushes that need its target, and no others`, async (t) => {
    const claims = await open(t, long);
    await claims.claim(request('before'));
    t.same(await claims.mark(deleteOf('d', layer)), {
      outcome: 'marked',
      claimed: [{ tag: 'v1', digest: one, needs: [one, layer] }],
    });
    t.same(await claims.claim(request('after', { tags: ['v2'] })), { outcome: 'marked', target: layer });
    const unrelated = request('after', { tags: ['v3'], digest: two, needs: [two] });
    t.same(await claims.claim(unrelated), { outcome: 'held' });
    t.same(await claims.claim(request('after', { repository: 'a' as Repository })), { outcome: 'held' });
    t.equal(await claims.arm(request('before')), 'marked', 'looked for again before it is sent');
    t.equal(await claims.arm(unrelated), 'armed');
    t.ok(await claims.armMark(deleteOf('d', layer)));
    await claims.unmark(deleteOf('d', layer));
    t.notOk(await claims.armMark(deleteOf('d', layer)));
    t.equal(await claims.arm(request('before')), 'armed');
  });

  t.test(`${name}: each delete has a mark of its own, that ends with its time`, async (t) => {
    const claims = await open(t, { leaseMs: 100, ttlMs: 2_000 });
    await claims.mark(deleteOf('d1', layer));
    await claims.mark(deleteOf('d2', layer));
    await claims.unmark(deleteOf('d1', layer));
    t.match(await claims.claim(request('a')), { outcome: 'marked' });
    await claims.mark(deleteOf('d3', one, 'c'));
    await sleep(1_200);
    t.ok(await claims.armMark(deleteOf('d2', layer)), 'a walk takes longer than a claim is leased for');
    await sleep(1_200);
    t.match(await claims.claim(request('a')), { outcome: 'marked' }, 'armed: for its full time again');
    t.match(await claims.claim(request('a', { repository: 'c' as Repository })), { outcome: 'held' });
    t.notOk(await claims.armMark(deleteOf('d3', one, 'c')));
  });

  t.test(`${name}: a delete counts what is confirmed too, in this repository alone`, async (t) => {
    const claims = await open(t, long);
    await claims.claim(request('a', { repository: 'a' as Repository }));
    await claims.confirm(request('a', { repository: 'a' as Repository }));
    // The key of a claim in `a:5000/x` begins as those in `a` do.
    await claims.claim(request('b', { repository: 'a:5000/x' as Repository, digest: two }));
    const answer = await claims.mark(deleteOf('d', layer, 'a'));
    t.match(answer, { outcome: 'marked', claimed: [{ tag: 'v1', digest: one, needs: [one, layer] }] });
    t.equal(answer.outcome === 'marked' && answer.claimed.length, 1);
  });
}

suite('memory', inMemory);
suite('memory of the primary', inMemoryOfPrimary);
const redis = await startRedis(t);
suite('Redis', (t, lifetimes) => openOwnRedisClaims(t, redis, lifetimes));

type Step = (claims: ClaimStore, repository: Repository) => Promise<unknown>;

type Who = { readonly tags: readonly string[] } & Pick<ClaimRequest, 'swaps'>;

function stepsOf(parts: Who & Pick<ClaimRequest, 'holder' | 'digest'>): Record<string, Step> {
  const asked = (repository: Repository): ClaimRequest => request(parts.holder, { ...parts, repository });
  const mark = (repository: Repository): DeleteMark =>
    deleteOf(`delete of ${parts.digest}`, parts.digest, repository);
  return {
    claim: (claims, repository) => claims.claim(asked(repository)),
    arm: (claims, repository) => claims.arm(asked(repository)),
    confirm: (claims, repository) => claims.confirm(asked(repository)),
    giveBack: (claims, repository) => claims.giveBack(asked(repository)),
    leaveUnknown: (claims, repository) => claims.leaveUnknown(asked(repository)),
    mark: async (claims, repository) => {
      const answer = await claims.mark(mark(repository));
      return answer.outcome === 'marked'
        ? answer.claimed.toSorted((a, b) => (a.tag < b.tag ? -1 : 1))
        : answer;
    },
    armMark: (claims, repository) => claims.armMark(mark(repository)),
    unmark: (claims, repository) => claims.unmark(mark(repository)),
  };
}

const anyStep = fc
  .record({
    name: fc.constantFrom(
      ...['claim', 'claim', 'claim', 'arm', 'arm', 'confirm', 'confirm', 'giveBack', 'giveBack'],
      ...['leaveUnknown', 'mark', 'armMark', 'unmark'],
    ),
    holder: fc.constantFrom('h1', 'h2', 'h3'),
    digest: fc.constantFrom(one, two, three),
    who: fc.constantFrom<Who>(
      { tags: ['v1'] },
      { tags: ['v2'] },
      { tags: ['v1', 'v2'] },
      { tags: ['v1'], swaps: true },
      { tags: ['v2'], swaps: true },
    ),
  })
  .map(({ name, who, ...rest }) => {
    const parts = { ...rest, ...who };
    return { words: `${name} ${JSON.stringify(parts)}`, step: stepsOf(parts)[name] as Step };
  });

t.test('Redis and memory answer every history alike', async (t) => {
  const [inRedis, inThisProcess] = await Promise.all([openOwnRedisClaims(t, redis, long), inMemory(t, long)]);
  let histories = 0;
  const property = fc.asyncProperty(fc.array(anyStep, { minLength: 5, maxLength: 40 }), async (steps) => {
    const repository = `history-${++histories}` as Repository;
    for (const { words, step } of steps) {
      assert.deepEqual(await step(inRedis, repository), await step(inThisProcess, repository), words);
    }
  });
  await fc.assert(property, { numRuns: 300 });
});
