import t from 'tap';
import { arm, confirm, giveBack, join, leaveUnknown, unexpired, type Claim } from '../../src/core/claim.ts';
import type { Digest } from '../../src/core/reference.ts';

const one = `sha256:${'1'.repeat(64)}` as Digest;
const two = `sha256:${'2'.repeat(64)}` as Digest;
const lifetimes = { leaseMs: 10_000, ttlMs: 120_000 };

function manifest(digest: Digest, holder: string) {
  return { digest, needs: [digest], holder };
}

function held(current: Claim | undefined, holder: string, nowMs = 0): Claim {
  const joined = join(current, manifest(one, holder), nowMs, lifetimes);
  if (joined.outcome !== 'held') throw new Error(joined.outcome);
  return joined.claim;
}

t.test('set if absent: another manifest is told who has the tag, until the claim expires', (t) => {
  const claim = held(undefined, 'a');
  t.match(join(claim, manifest(two, 'b'), 9_999, lifetimes), {
    outcome: 'taken',
    digest: one,
    confirmed: false,
  });
  t.match(join(claim, manifest(two, 'b'), 10_000, lifetimes), { outcome: 'held', claim: { digest: two } });
  t.end();
});

t.test('a join prolongs the claim, and never shortens it', (t) => {
  t.equal(held(held(undefined, 'a', 0), 'b', 5_000).expiresAtMs, 15_000);
  const armed = arm(held(undefined, 'a'), one, 'a', 0, lifetimes);
  t.equal(held(armed, 'b', 1_000).expiresAtMs, 120_000);
  t.end();
});

t.test('arming gives the full life, but only to a holder of an unexpired claim', (t) => {
  const claim = held(undefined, 'a');
  t.equal(arm(claim, one, 'a', 9_999, lifetimes)?.expiresAtMs, 129_999);
  t.equal(arm(claim, one, 'a', 10_000, lifetimes), undefined, 'a process that slept must not send');
  t.equal(arm(claim, one, 'b', 0, lifetimes), undefined, 'by id, not by digest');
  t.equal(arm(claim, two, 'a', 0, lifetimes), undefined);
  t.equal(arm(undefined, one, 'a', 0, lifetimes), undefined);
  t.end();
});

t.test('confirming needs the holder too, and keeps the claim for a life of its own', (t) => {
  const claim = held(undefined, 'a');
  const confirmed = confirm(claim, one, 'a', 5_000, lifetimes);
  t.match(confirmed, { confirmed: true, expiresAtMs: 125_000 });
  t.equal(confirm(claim, one, 'b', 0, lifetimes), undefined);
  t.equal(confirm(claim, one, 'a', 10_000, lifetimes), undefined);
  t.match(join(confirmed, manifest(two, 'b'), 6_000, lifetimes), { outcome: 'taken', confirmed: true });
  t.end();
});

t.test('a claim goes with its last holder', (t) => {
  const both = held(held(undefined, 'a'), 'b');
  const left = giveBack(both, one, 'a', 0);
  t.same([...(left?.holders.keys() ?? [])], ['b']);
  t.equal(giveBack(left, one, 'b', 0), undefined);
  t.end();
});

t.test('a give-back that arrives twice counts once', (t) => {
  const once = giveBack(held(held(undefined, 'a'), 'b'), one, 'a', 0);
  t.same(giveBack(once, one, 'a', 0), once);
  t.end();
});

t.test('a give-back does not touch a confirmed claim, nor that of another manifest', (t) => {
  const confirmed = confirm(held(held(undefined, 'a'), 'b'), one, 'a', 0, lifetimes);
  t.match(giveBack(confirmed, one, 'b', 0), { confirmed: true });
  t.same(giveBack(confirmed, two, 'b', 0), confirmed);
  t.end();
});

t.test('an unknown outcome stays until the claim expires, whatever others give back', (t) => {
  const armed = arm(held(held(undefined, 'a'), 'b'), one, 'a', 0, lifetimes);
  const unknown = giveBack(leaveUnknown(armed, one, 'a', 0), one, 'b', 0);
  t.same([...(unknown?.holders ?? [])], [['a', 'unknown']]);
  t.same(giveBack(unknown, one, 'a', 0), unknown, 'it cannot be given back any more');
  t.match(join(unknown, manifest(two, 'c'), 119_999, lifetimes), { outcome: 'taken' });
  t.equal(unexpired(unknown, 120_000), undefined);
  const again = join(unknown, manifest(one, 'a'), 1_000, lifetimes);
  t.match(again, { outcome: 'held' }, 'the same manifest may be tried again');
  if (again.outcome === 'held')
    t.equal(again.claim.holders.get('a'), 'unknown', 'and what was sent stays unknown');
  t.end();
});

t.test('so many may hold a claim at once, and no more', (t) => {
  let claim: Claim | undefined;
  for (let holder = 0; holder < 64; holder++) claim = held(claim, String(holder));
  t.match(join(claim, manifest(one, 'one more'), 0, lifetimes), { outcome: 'crowded' });
  t.match(join(claim, manifest(one, '5'), 0, lifetimes), { outcome: 'held' });
  t.end();
});

t.test('a confirmation that is sent twice succeeds twice, and is no open holder', (t) => {
  const once = confirm(held(undefined, 'a'), one, 'a', 0, lifetimes);
  const twice = confirm(once, one, 'a', 1_000, lifetimes);
  t.match(twice, { confirmed: true, expiresAtMs: 121_000 });
  t.same(giveBack(twice, one, 'a', 2_000), twice, 'what is confirmed is not given back');
  t.end();
});

t.test('those who are done make room for others', (t) => {
  let claim = confirm(held(undefined, 'first'), one, 'first', 0, lifetimes);
  for (let holder = 1; holder < 64; holder++) claim = held(claim, String(holder));
  t.equal(claim?.holders.size, 64);
  t.match(join(claim, manifest(one, 'one more'), 0, lifetimes), {
    outcome: 'held',
    claim: { confirmed: true },
  });
  t.end();
});

function swappedIn(current: Claim | undefined, holder: string, nowMs = 0): Claim {
  const joined = join(current, { ...manifest(two, holder), swaps: true }, nowMs, lifetimes);
  if (joined.outcome !== 'held') throw new Error(joined.outcome);
  return joined.claim;
}

t.test('a swap keeps what it takes the place of, and does not shorten its time', (t) => {
  const confirmed = confirm(held(undefined, 'a'), one, 'a', 5_000, lifetimes);
  const base = { digest: one, needs: [one], expiresAtMs: 125_000 };
  const swapped = swappedIn(confirmed, 'b', 6_000);
  t.match(swapped, { digest: two, confirmed: false, base, expiresAtMs: 125_000 });
  t.same([...swapped.holders], [['b', 'live']], 'who confirmed before is no holder');
  const late = swappedIn(confirmed, 'b', 124_999);
  t.match(late, { base, expiresAtMs: 134_999 });
  t.equal(swappedIn(confirmed, 'b', 125_000).base, undefined, 'its time is over');
  t.equal(confirm(swapped, two, 'b', 7_000, lifetimes)?.base, undefined);
  t.end();
});

t.test('what was confirmed before comes back for what is left of its own time', (t) => {
  const confirmed = confirm(held(undefined, 'a'), one, 'a', 5_000, lifetimes);
  const armed = arm(swappedIn(confirmed, 'b', 6_000), two, 'b', 20_000, lifetimes);
  t.equal(armed?.expiresAtMs, 140_000);
  const restored = { digest: one, needs: [one], confirmed: true, holders: new Map(), expiresAtMs: 125_000 };
  t.same(giveBack(armed, two, 'b', 124_999), restored);
  t.equal(giveBack(armed, two, 'b', 125_000), undefined);
  t.match(giveBack(leaveUnknown(armed, two, 'b', 21_000), two, 'b', 22_000), { digest: two });
  t.end();
});
