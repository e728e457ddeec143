import t, { type Test } from 'tap';
import { FollowedRules } from '../../../src/adapters/workers/followed-rules.ts';
import { Lease, leaseMs, waitedOutMs } from '../../../src/adapters/workers/lease.ts';
import { RulesFeed, type Beat, type ToldRules } from '../../../src/adapters/workers/rules-feed.ts';
import { readRules, writeRules } from '../../../src/adapters/workers/written-rules.ts';
import type { Settle } from '../../../src/adapters/rules-in-force.ts';
import type { RuleSet } from '../../../src/core/rule.ts';
import { ManualClock, settled } from '../../fixtures/clock.ts';
import { immutableTags, protectedTags, repositoryRule, ruleSet } from '../../fixtures/rules.ts';

/** Rules that a test puts in force. */
class Rules implements ToldRules {
  settle: Settle = () => Promise.resolve();
  #doubt: string | undefined;
  #rules: RuleSet;

  constructor(rules: RuleSet) {
    this.#rules = rules;
  }

  current(): RuleSet {
    return this.#rules;
  }

  doubt(): string | undefined {
    return this.#doubt;
  }

  onInForce(settle: Settle): void {
    this.settle = settle;
  }

  async put(rules: RuleSet): Promise<void> {
    this.#rules = rules;
    await this.settle();
  }

  doubtThat(doubt: string | undefined): void {
    this.#doubt = doubt;
  }
}

/** A worker that takes what it is told, unless it stands still. */
class Follower {
  readonly rules: FollowedRules;
  readonly beats: Beat[] = [];
  readonly lease: Lease;
  #queue: (() => void)[] | undefined;

  constructor(clock: ManualClock) {
    this.lease = new Lease(clock);
    this.rules = new FollowedRules(this.lease);
  }

  readonly take = async (beat: Beat): Promise<void> => {
    if (this.#queue) await new Promise<void>((resolve) => this.#queue?.push(resolve));
    this.beats.push(beat);
    this.rules.take(beat);
  };

  stop(): void {
    this.#queue = [];
  }

  goOn(): void {
    const waiting = this.#queue ?? [];
    this.#queue = undefined;
    for (const resolve of waiting) resolve();
  }

  get version(): string {
    return this.rules.current().version;
  }
}

const beatMs = 250;
const one = ruleSet({ version: '1', tagRules: [immutableTags('a', '^v')] });
const two = ruleSet({ version: '2', tagRules: [immutableTags('b', '^w', { admitsFirstPushFromMs: 7 })] });

async function startFeed(t: Test, count: number) {
  const clock = new ManualClock();
  const rules = new Rules(one);
  const feed = new RulesFeed(rules, clock);
  t.teardown(() => {
    feed.close();
  });
  const failures: unknown[] = [];
  const followers = Array.from({ length: count }, () => new Follower(clock));
  for (const { take } of followers) await feed.follow(take, (error) => failures.push(error));
  const [first, second] = followers;
  if (!first || !second) throw new Error('two at least');
  return { clock, rules, feed, followers, first, second, failures };
}

t.test('every worker has the rules before it serves, and a change when it is told of', async (t) => {
  const { rules, followers, clock } = await startFeed(t, 3);
  t.same(
    followers.map(({ version }) => version),
    ['1', '1', '1'],
  );
  await rules.put(two);
  t.same(
    followers.map(({ version }) => version),
    ['2', '2', '2'],
    'at once: nobody waits for the next beat',
  );
  t.same(
    followers.map((follower) => follower.rules.doubt()),
    [undefined, undefined, undefined],
  );
  await clock.advance(10 * beatMs);
  const sent = followers.map(({ beats }) => beats.filter((beat) => beat.rules).length);
  t.same(sent, [2, 2, 2], 'and what a worker has it is not sent again');
});

t.test('a worker goes by what it heard as long as it hears more', async (t) => {
  const { first, second, clock } = await startFeed(t, 2);
  await clock.advance(20 * leaseMs);
  t.equal(first.rules.doubt(), undefined);
  first.stop();
  await clock.advance(leaseMs - beatMs);
  t.equal(first.rules.doubt(), undefined);
  await clock.advance(2 * beatMs);
  t.match(first.rules.doubt(), /is not heard of/);
  t.equal(second.rules.doubt(), undefined, 'nobody waits for it');
  // What waited for it all the time says nothing of what is in force now.
  await clock.advance(10 * leaseMs);
  const heard = first.beats.length;
  first.goOn();
  await settled();
  t.equal(first.beats.length, heard + 1);
  t.match(first.rules.doubt(), /is not heard of/);
  await clock.advance(beatMs);
  t.equal(first.rules.doubt(), undefined);
});

t.test('a change waits for one that stands still only until that one judges by nothing', async (t) => {
  const ttlMs = 120_000;
  for (const stopsMs of [0, 1, beatMs, leaseMs - 1, leaseMs, 2 * leaseMs]) {
    const { first, second, rules, clock } = await startFeed(t, 2);
    first.stop();
    await clock.advance(stopsMs);
    const changedMs = clock.nowMs();
    const put = rules.put(two).then(() => clock.nowMs());
    let judgedByOldMs = changedMs;
    while (clock.nowMs() < changedMs + 2 * leaseMs) {
      if (first.rules.doubt() === undefined && first.version === '1') judgedByOldMs = clock.nowMs();
      await clock.advance(25);
    }
    const putMs = await put;
    t.equal(second.version, '2');
    t.match(first.rules.doubt(), /is not heard of/, `it had stood still for ${stopsMs} ms`);
    t.ok(judgedByOldMs <= putMs && putMs <= changedMs + waitedOutMs + 25);
    // What app.ts relies on: with workers the first push that a rule admits waits for that much longer.
    t.ok(judgedByOldMs + ttlMs <= changedMs + ttlMs + waitedOutMs);
    first.goOn();
    await clock.advance(2 * beatMs);
    t.same([first.version, first.rules.doubt()], ['2', undefined]);
  }
});

t.test('a worker that comes while the rules change has them before it serves', async (t) => {
  const { feed, rules, clock } = await startFeed(t, 2);
  const late = new Follower(clock);
  late.stop();
  const following = feed.follow(late.take, () => t.fail());
  await settled();
  await rules.put(two);
  t.equal(late.version, 'none', 'nobody waits for one that does not serve yet');
  late.goOn();
  await following;
  t.equal(late.version, '2');
});

t.test('what the primary doubts its workers doubt', async (t) => {
  const { first, rules, clock } = await startFeed(t, 2);
  rules.doubtThat('nobody could say for a day');
  await clock.advance(beatMs);
  t.equal(first.rules.doubt(), 'nobody could say for a day');
  rules.doubtThat(undefined);
  await clock.advance(beatMs);
  t.equal(first.rules.doubt(), undefined);
  t.match(new FollowedRules(new Lease(clock)).doubt(), /^no rules/);
});

t.test('one that cannot take the rules is told of once, and goes on doubting', async (t) => {
  const { first, second, rules, failures, clock } = await startFeed(t, 2);
  const broken = { ...two, tagRules: [{ ...immutableTags('b', '^w'), unknown: true }] };
  await rules.put(broken);
  await clock.advance(leaseMs + beatMs);
  t.match(first.rules.doubt(), /is not heard of/);
  t.equal(failures.length, 2, 'once for each');
  t.same([first.version, second.version], ['1', '1']);
});

t.test('rules arrive as they are, with their times, those that warn, and what the API keeps', (t) => {
  const registry = { projects: [{ number: 1, path: 'a' }], nextNumber: 3 };
  const watched = ruleSet({
    version: '5-watched',
    tagRules: [{ ...immutableTags('w', '^x'), enforcement: 'warn' as const }],
  });
  const rules = {
    ...ruleSet({
      version: '5',
      repositoryRules: [repositoryRule('r', 'a/*', { push: 'owner', delete: 'no_access' })],
      tagRules: [
        immutableTags('i', '^v', { admitsFirstPushFromMs: 1_796_053_450_072.25, tombstone: true }),
        immutableTags('j', '^w', { except: '-rc', referrers: 'immutable' }),
        protectedTags('p', 'latest', { push: 'maintainer' }),
      ],
    }),
    registry,
    watched,
  };
  const read = readRules(structuredClone(writeRules(rules)));
  t.equal(JSON.stringify(writeRules(read)), JSON.stringify(writeRules(rules)));
  t.same([read.version, read.watched?.version, read.registry], ['5', '5-watched', registry]);
  t.same(
    read.tagRules.flatMap((rule) => (rule.kind === 'immutable' ? [rule.admitsFirstPushFromMs] : [])),
    [1_796_053_450_072.25, 0],
  );
  t.equal(read.watched?.tagRules[0]?.enforcement, 'warn');
  t.equal(writeRules(rules), writeRules(rules), 'written once for all workers');
  t.end();
});
