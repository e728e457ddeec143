import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ClaimsJournal } from '../../src/adapters/claims-journal.ts';
import { InMemoryClaims } from '../../src/adapters/claims-memory.ts';
import type { ClaimRequest, ClaimStore } from '../../src/core/ports.ts';
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
import { ManualClock } from '../fixtures/clock.ts';
import { startRedis } from '../fixtures/redis.ts';
import { admits, openOwnRedisClaims, openRedisClaims } from '../fixtures/redis-claims.ts';

function swap(holder: string, digest = two): ClaimRequest {
  return request(holder, { digest, swaps: true });
}

function swapSuite(name: string, open: Opener): void {
  const pending = { outcome: 'taken', tag: 'v1', digest: two, confirmed: false };
  const confirmedBefore = { outcome: 'taken', tag: 'v1', digest: one, confirmed: true };
  const confirmedByA = async (t: Test, lifetimes = long): Promise<ClaimStore> => {
    const claims = await open(t, lifetimes);
    await claims.claim(request('a'));
    t.ok(await claims.confirm(request('a')));
    return claims;
  };

  t.test(`${name}: a swap takes the place of what is confirmed, and says of what`, async (t) => {
    const claims = await confirmedByA(t);
    t.same(await claims.claim(request('x', { digest: two })), confirmedBefore, 'not everybody may');
    t.same(await claims.claim(swap('b')), { outcome: 'held', base: one });
    t.same(await claims.claim(swap('c')), { outcome: 'held', base: one }, 'who joins hears of it too');
    t.same(await claims.claim(swap('a', one)), pending, 'who waits is not denied');
    t.same(await claims.claim(request('x')), pending);
    t.equal(await claims.arm(request('a')), 'lost');
    t.notOk(await claims.confirm(request('a')), 'it has been replaced');
    t.equal(await claims.arm(swap('b')), 'armed');
    t.ok(await claims.confirm(swap('b')));
    t.same(await claims.claim(swap('d')), { outcome: 'held' }, 'what is confirmed has no base');
    await claims.giveBack(swap('c'));
    await claims.giveBack(swap('d'));
    t.same(await claims.claim(request('x')), { ...confirmedBefore, digest: two }, 'and stays');
    t.same(await claims.claim(swap('e', three)), { outcome: 'held', base: two });
  });

  t.test(`${name}: no swap under one who may still write what was confirmed`, async (t) => {
    const busy = { ...confirmedBefore, confirmed: false };
    const claims = await confirmedByA(t);
    await claims.claim(request('b'));
    t.same(await claims.claim(swap('c')), busy);
    t.same(await claims.claim(request('x', { digest: two })), confirmedBefore, 'who does not swap is denied');
    await claims.giveBack(request('b'));
    t.same(await claims.claim(swap('c')), { outcome: 'held', base: one });
    await claims.giveBack(swap('c'));
    await claims.claim(request('d'));
    await claims.leaveUnknown(request('d'));
    t.same(await claims.claim(swap('c')), busy, 'nor under an unknown outcome');
    const claimsOfNobody = await open(t, long);
    t.same(await claimsOfNobody.claim(swap('a')), { outcome: 'held' }, 'nothing is known');
    t.same(await claimsOfNobody.claim(swap('b', one)), pending, 'what is pending is no base');
  });

  t.test(`${name}: what is given back by all leaves what was confirmed before`, async (t) => {
    const claims = await confirmedByA(t);
    await claims.claim(swap('b'));
    await claims.claim(swap('c'));
    const isFreed = claims.changed('a/b' as Repository, 'v1' as Tag, 60_000);
    await claims.giveBack(swap('b'));
    await claims.giveBack(swap('b'));
    t.same(await claims.claim(request('x')), pending, 'one of them is left');
    await claims.giveBack(swap('c'));
    await isFreed;
    t.same(await claims.claim(request('x', { digest: two })), confirmedBefore);
    t.same(await claims.claim(request('x')), { outcome: 'held' });
    await claims.giveBack(request('x'));
    t.same(await claims.claim(swap('d')), { outcome: 'held', base: one });
    await claims.claim(swap('e'));
    await claims.leaveUnknown(swap('d'));
    await claims.giveBack(swap('e'));
    t.same(await claims.claim(swap('x', one)), pending, 'not while an outcome is unknown');
    t.same(await claims.claim(swap('f')), { outcome: 'held', base: one });
  });

  t.test(`${name}: a delete counts what may stay, and what may take its place`, async (t) => {
    const claims = await confirmedByA(t);
    const grown = { ...swap('b'), needs: [two] };
    const before = { tag: 'v1', digest: one, needs: [one, layer] };
    await claims.claim(grown);
    const both = [{ tag: 'v1', digest: two, needs: [two] }, before];
    t.same(await claims.mark(deleteOf('d', layer)), { outcome: 'marked', claimed: both });
    await claims.giveBack(grown);
    t.same(await claims.mark(deleteOf('d', layer)), { outcome: 'marked', claimed: [before] });
    t.same(await claims.claim(swap('c')), { outcome: 'marked', target: layer });
    t.same(await claims.claim(request('x', { digest: two })), confirmedBefore, 'and nothing was replaced');
    await claims.claim(grown);
    await claims.confirm(grown);
    t.same(await claims.mark(deleteOf('d', layer)), { outcome: 'marked', claimed: both.slice(0, 1) });
  });

  t.test(`${name}: what was confirmed before keeps its time, no less and no more`, async (t) => {
    const claims = await confirmedByA(t, { leaseMs: 300, ttlMs: 60_000 });
    await claims.claim(swap('b'));
    await sleep(350);
    t.same(await claims.claim(request('x')), pending, 'no less for the lease of another');
    await claims.giveBack(swap('b'));
    t.same(await claims.claim(request('x', { digest: two })), confirmedBefore);

    for (const [heldMs, restoredMs] of [
      [350, 0],
      [0, 350],
    ]) {
      const shortly = await confirmedByA(t, { leaseMs: 300, ttlMs: 600 });
      await sleep(300);
      await shortly.claim(swap('b'));
      await shortly.arm(swap('b'));
      await sleep(heldMs);
      await shortly.giveBack(swap('b'));
      await sleep(restoredMs);
      t.same(await shortly.claim(swap('c', three)), { outcome: 'held' }, 'no more for the life of another');
    }
  });
}

swapSuite('memory', inMemory);
swapSuite('memory of the primary', inMemoryOfPrimary);
const redis = await startRedis(t);
swapSuite('Redis', (t, lifetimes) => openOwnRedisClaims(t, redis, lifetimes));

t.test('Redis: no swap of what is left over from before the store lost something', async (t) => {
  const claims = await openRedisClaims(t, redis, { ...long, graceMs: 0 }, { keyPrefix: 'lost' });
  await admits(claims);
  await claims.claim(request('a'));
  await claims.confirm(request('a'));
  await redis.cli('hset', '{lost}:claim:a/b:v1', 'epoch', '0-before');
  t.match(await claims.claim(swap('b')), { outcome: 'quarantined' });
});

t.test('a restart knows what was confirmed before, and whether that is what stays', async (t) => {
  const path = join(t.testdir(), 'claims.journal');
  const clock = new ManualClock();
  let claims: InMemoryClaims | undefined;
  const restarted = async (): Promise<InMemoryClaims> => {
    await claims?.close();
    const journal = await ClaimsJournal.open(path, clock.nowMs());
    return (claims = new InMemoryClaims(long, clock, journal));
  };
  t.teardown(() => claims?.close());
  const first = await restarted();
  await first.claim(swap('a', one));
  await first.arm(swap('a', one));
  await first.confirm(swap('a', one));
  await first.claim(swap('b', two));
  const second = await restarted();
  t.same(await second.claim(swap('c', two)), { outcome: 'held', base: one }, 'nothing was sent');
  await second.arm(swap('c', two));
  await second.giveBack(swap('c', two));
  const third = await restarted();
  t.same(await third.claim(swap('d', three)), { outcome: 'held', base: one }, 'it was given back');
  await third.giveBack(swap('d', three));
  await third.claim(swap('d', two));
  await third.arm(swap('d', two));
  const fourth = await restarted();
  t.match(await fourth.claim(swap('e', three)), { outcome: 'taken', digest: two, confirmed: false });
  t.same(await fourth.claim(swap('e', two)), { outcome: 'held', base: one });
  t.match(await fourth.mark(deleteOf('delete', three)), {
    claimed: [{ needs: [two, layer] }, { needs: [one, layer] }],
  });
  await fourth.confirm(swap('e', two));
  const fifth = await restarted();
  const once = request('f', { digest: three });
  t.match(await fifth.claim(once), { outcome: 'taken', digest: two, confirmed: true }, 'it was confirmed');
  t.match(await fifth.claim(swap('f', three)), { outcome: 'taken' }, 'but d may still write it again');
  clock.jump(120_000);
  t.same(await fifth.claim(swap('g', two)), { outcome: 'held' });
});
