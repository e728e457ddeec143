import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { InMemoryLedger } from '../../src/adapters/ledger-memory.ts';
import type { Ledger } from '../../src/core/ports.ts';
import type { Digest, Tag } from '../../src/core/reference.ts';
import { ManualClock, settled } from '../fixtures/clock.ts';
import {
  gone,
  moved,
  Observed,
  one,
  present,
  repository,
  shows,
  tag,
  two,
  unverified,
  verified,
} from '../fixtures/ledgered-tag-facts.ts';
import { startUpstream, type ScriptedUpstream } from '../fixtures/upstream.ts';

interface Scene extends Pick<Observed, 'facts' | 'look' | 'told'> {
  readonly upstream: ScriptedUpstream;
  readonly ledger: Ledger;
  readonly clock: ManualClock;
}

/** Time stands still, and the upstream shows `one`. */
async function open(t: Test, ledger: Ledger = new InMemoryLedger()): Promise<Scene> {
  const upstream = await startUpstream(t, shows(one.sha256));
  const clock = new ManualClock();
  const observed = new Observed(t, upstream.url, ledger, clock);
  const { facts, told } = observed;
  return { facts, told, look: (about) => observed.look(about), upstream, ledger, clock };
}

t.test('a tag that was moved behind our back is told once for each change', async (t) => {
  const { look, facts, told, upstream, clock } = await open(t);
  t.same(await look(), present(one.sha256));
  t.equal(facts.tamperings, 0);
  const wasSince = new Date(clock.nowMs()).toISOString();
  clock.jump(5_000);
  await look();
  upstream.script = shows(two.sha256);
  t.same(await look({ pushed: two }), present(two.sha256, true), 'the answer is what the upstream says');
  const fields = { repository, tag, was: one.sha256, is: two.sha256, wasSince };
  t.same(told, [{ level: 'error', message: moved, fields }]);
  await look();
  t.equal(facts.tamperings, 1);
  upstream.script = shows(one.sha256);
  await look();
  t.equal(facts.tamperings, 2, 'moved back: moved again');
});

t.test('a tag that was deleted behind our back is told once, and stays absent', async (t) => {
  const { look, facts, told, upstream } = await open(t);
  await look();
  upstream.script = shows('absent');
  t.same(await look(), { state: 'absent' });
  t.match(told, [{ level: 'error', message: gone, fields: { repository, tag, was: one.sha256 } }]);
  await look();
  upstream.script = shows(two.sha256);
  await look();
  t.equal(facts.tamperings, 1, 'what comes after it is new');
  t.equal(told.length, 1);
});

t.test('what is not known changes nothing', async (t) => {
  const { look, facts, upstream } = await open(t);
  await look();
  upstream.script = shows('nothing');
  t.match(await look({ withinMs: 150 }), { state: 'unknown' }, 'in so little time it is asked once');
  t.equal(facts.tamperings, 0);
  upstream.script = shows(two.sha256);
  await look();
  t.equal(facts.tamperings, 1);
});

t.test('what was seen before a rule covered the tag says nothing', async (t) => {
  const { look, facts, upstream, clock } = await open(t);
  for (const now of [two.sha256, 'absent', one.sha256] as const) {
    await look();
    clock.jump(1_000);
    const sinceMs = clock.nowMs() - 999;
    upstream.script = shows(now);
    const asked = upstream.requests.length;
    await look({ immutable: verified(sinceMs) });
    t.ok(upstream.requests.length > asked, 'nor may it deny');
    t.equal(facts.tamperings, 0);
  }
  upstream.script = shows(two.sha256);
  await look({ immutable: unverified(clock.nowMs()) });
  t.equal(facts.tamperings, 1, 'seen at the very moment from which on it counts');
});

t.test('a caller whom we verified is denied by what was seen in the last minute', async (t) => {
  const { look, upstream, clock } = await open(t);
  const verdict = { immutable: verified(0), pushed: two };
  await look(verdict);
  const asked = upstream.requests.length;
  clock.jump(60_000);
  t.same(await look(verdict), present(one.sha256));
  t.same(await look({ immutable: verified(0) }), present(one.sha256), 'a delete');
  t.equal(upstream.requests.length, asked, 'the upstream was not asked');

  const asksFor = async (about: Parameters<typeof look>[0]): Promise<number> => {
    const before = upstream.requests.length;
    await look(about);
    return upstream.requests.length - before;
  };
  t.equal(await asksFor({ immutable: verified(0), tag: 'v2' as Tag }), 1, 'another tag');
  t.equal(await asksFor({ immutable: unverified(0), pushed: two }), 1, 'the upstream must verify the caller');
  t.equal(await asksFor({ pushed: two, immutable: verified(0) }), 0, 'it was seen again just now');
  clock.jump(60_001);
  t.equal(await asksFor({ pushed: two, immutable: verified(0) }), 1, 'longer ago than a minute');
});

t.test('the ledger may only deny: what it knows as the pushed manifest is looked up', async (t) => {
  const { look, upstream } = await open(t);
  await look();
  upstream.script = shows(two.sha256);
  t.same(await look({ immutable: verified(0), pushed: one }), present(two.sha256));
  const inOtherWords = `sha512:${createHash('sha512').update('one').digest('hex')}` as Digest;
  upstream.script = shows(inOtherWords);
  await look({ tag: 'v2' as Tag });
  upstream.script = shows(two.sha256);
  t.same(
    await look({ tag: 'v2' as Tag, immutable: verified(0), pushed: one }),
    present(two.sha256),
    'by whatever name',
  );
});

t.test('two names by two algorithms are no proof of two manifests', async (t) => {
  const { look, facts, upstream } = await open(t);
  const long = (digit: string): Digest => `sha512:${digit.repeat(128)}` as Digest;
  await look();
  upstream.script = shows(long('a'));
  await look();
  t.equal(facts.tamperings, 0);
  upstream.script = shows(long('b'));
  await look();
  t.equal(facts.tamperings, 1, 'the other name was noted in its place');
});

t.test('nothing is remembered of a tag that may move', async (t) => {
  const { facts, ledger, upstream } = await open(t);
  const question = { repository, tag, asCaller: [], withinMs: 10_000 };
  t.same(await facts.lookUp(question), present(one.sha256));
  upstream.script = shows(two.sha256);
  t.same(await facts.lookUp(question), present(two.sha256));
  t.equal(await ledger.recall(repository, tag), undefined);
  t.equal(facts.tamperings, 0);
});

t.test('of many look-ups that see one change, one tells it', async (t) => {
  const { look, facts, upstream } = await open(t);
  await look();
  for (const now of [two.sha256, 'absent'] as const) {
    const before = facts.tamperings;
    upstream.script = shows(now);
    await Promise.all(Array.from({ length: 20 }, () => look()));
    t.equal(facts.tamperings, before + 1, now);
  }
});

t.test('what was created through us is known before it was looked up', async (t) => {
  const { look, facts, upstream, ledger } = await open(t);
  facts.seen(repository, [tag, 'v2' as Tag], two.sha256);
  await settled();
  t.same(await look({ immutable: verified(0), pushed: one }), present(two.sha256));
  t.match(await ledger.recall(repository, 'v2' as Tag), { digest: two.sha256 });
  t.equal(upstream.requests.length, 0);
  facts.seen(repository, [tag], one.sha256);
  await settled();
  await look();
  t.equal(facts.tamperings, 0, 'it replaces what was known');
});
