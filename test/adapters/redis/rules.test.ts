import t from 'tap';
import { eventually } from '../../fixtures/eventually.ts';
import { startRedis } from '../../fixtures/redis.ts';
import { immutable } from '../../fixtures/rules-file.ts';
import { immutableTags, protectedTags, repositoryRule, ruleSet } from '../../fixtures/rules.ts';
import {
  countPayloads,
  deaf,
  holdLooks,
  inForceOnAll,
  openReplica,
  patient,
  promisedMs,
  settledAfterMs,
  recordKey,
  warnLevel,
} from '../../fixtures/shared-rules.ts';
import { compileRepositoryPattern } from '../../../src/core/pattern.ts';

t.test('what is published is in force on every replica within a second', async (t) => {
  const { url } = await startRedis(t);
  const writer = await openReplica(t, url, { file: immutable('a') });
  const all = [writer, await openReplica(t, url), await openReplica(t, url)];
  t.same(
    all.map((replica) => replica.tags()),
    [['a'], ['a'], ['a']],
    'from the start on',
  );
  t.match(writer.rules.current().version, /^1-[0-9a-f]{12}$/);

  writer.write(immutable('a', 'b'));
  await inForceOnAll([writer], 'a', 'b');
  t.ok((await inForceOnAll(all, 'a', 'b')) < promisedMs, 'what the file has become');
  t.equal(new Set(all.map(({ rules }) => rules.current().version)).size, 1, 'by one name');
  t.match(writer.rules.current().version, /^2-/);

  const published = await writer.rules.publish(ruleSet({ tagRules: [immutableTags('c', 'c')] }));
  t.ok((await inForceOnAll(all, 'c')) < promisedMs, 'what is published otherwise');
  t.equal(published.revision, 3);
  t.ok(all.every(({ rules }) => rules.current().version === published.version));
  t.same(
    await writer.rules.publish(ruleSet({ tagRules: [immutableTags('c', 'c')] })),
    published,
    'not twice',
  );
});

t.test('everything that a rule says reaches the others', async (t) => {
  const { url } = await startRedis(t);
  const one = await openReplica(t, url);
  const other = await openReplica(t, url);
  const all = compileRepositoryPattern('*');
  const rules = ruleSet({
    repositoryRules: [repositoryRule('r', 'team/*', { push: 'maintainer', delete: 'no_access' })],
    tagRules: [
      protectedTags('p', '^main$', { push: 'owner' }),
      immutableTags('i', '^v\\d', { repositories: 'team/app', except: '-rc' }),
    ],
    members: [
      { subject: 'ci', repositories: all, accessLevel: 'maintainer' },
      { group: 'ops', repositories: compileRepositoryPattern('a/*'), accessLevel: 'owner' },
    ],
  });
  const { version } = await one.rules.publish(rules);
  await eventually('it is there', () => other.rules.current().version === version);
  const { repositoryRules, tagRules, members } = other.rules.current();
  const text = (value: unknown): string => JSON.stringify(value);
  t.equal(text(members), text(rules.members));
  t.equal(text(repositoryRules), text(rules.repositoryRules));
  t.equal(text(tagRules), text(rules.tagRules));
  const [, rule] = tagRules;
  t.equal(rule?.repositories?.matches('team/app'), true);
  t.equal(rule?.tags.matches('v1'), true);
  t.equal(rule?.tags.matches('x'), false);
  t.equal(rule?.excludedTags?.matches('v1-rc1'), true);
});

t.test('a message that is lost is made up for by asking, and the other way round', async (t) => {
  const { url } = await startRedis(t);
  const writer = await openReplica(t, url, { file: immutable('a') });
  const asking = await openReplica(t, url, { through: deaf });
  const hearing = await openReplica(t, url, { clock: patient });
  writer.write(immutable('a', 'b'));
  await inForceOnAll([writer], 'a', 'b');
  t.ok((await inForceOnAll([asking], 'a', 'b')) < promisedMs);
  t.ok((await inForceOnAll([hearing], 'a', 'b')) < promisedMs);
});

t.test('rules are read only when they are others', async (t) => {
  const { url } = await startRedis(t);
  const writer = await openReplica(t, url, { file: immutable('a') });
  const { through, counts } = countPayloads();
  await openReplica(t, url, { through });
  await eventually('it has looked often', () => counts.looks >= 6);
  t.equal(counts.payloads, 1);
  writer.write(immutable('a', 'b'));
  await eventually('it has read them', () => counts.payloads === 2);
  const { looks } = counts;
  await eventually('it has looked again', () => counts.looks >= looks + 4);
  t.equal(counts.payloads, 2);
});

t.test('a new rule admits first pushes at the same moment on every replica', async (t) => {
  const { url } = await startRedis(t);
  const writer = await openReplica(t, url, { file: immutable('a') });
  const follower = await openReplica(t, url);
  t.same([writer.times(), follower.times()], [[0], [0]], 'the first rules have nothing to wait for');

  writer.write(immutable('a', 'b'));
  const beforeMs = writer.clock.nowMs();
  await inForceOnAll([writer, follower], 'a', 'b');
  const afterMs = writer.clock.nowMs();
  const late = await openReplica(t, url, { shiftMs: 3_600_000 });
  const [known, fromMs = 0] = writer.times();
  t.equal(known, 0, 'what was there keeps its time');
  const waitMs = 1_000 + settledAfterMs;
  t.ok(
    fromMs >= beforeMs + waitMs - 1 && fromMs <= afterMs + waitMs,
    'after the last write that did not know it',
  );
  for (const [name, replica, shiftMs] of [
    ['another one', follower, 0],
    ['one that started later, by its own clock', late, 3_600_000],
  ] as const) {
    const [a, b = 0] = replica.times();
    t.equal(a, 0);
    // What differs is what a look takes.
    t.ok(Math.abs(b - fromMs - shiftMs) < 200, `${name}: ${b - fromMs - shiftMs} ms off`);
  }

  writer.write(immutable('b'));
  await inForceOnAll([writer, follower], 'b');
  writer.write(immutable('a', 'b'));
  await inForceOnAll([writer, follower], 'a', 'b');
  t.ok((follower.times()[0] ?? 0) > afterMs + settledAfterMs, 'a rule that was gone is new');
  t.ok(Math.abs((follower.times()[1] ?? 0) - fromMs) < 200, 'and the other one keeps its time');
});

t.test('a replica that is late waits for its own writes too', async (t) => {
  const redis = await startRedis(t);
  const writer = await openReplica(t, redis.url, { file: immutable('a') });
  const { through, hold, release } = holdLooks();
  const late = await openReplica(t, redis.url, { through });
  hold();
  writer.write(immutable('a', 'b'));
  await inForceOnAll([writer], 'a', 'b');
  // As if that had been long ago.
  await redis.cli('hset', recordKey, 'new_from', '1');
  release();
  const beforeMs = late.clock.nowMs();
  await inForceOnAll([late], 'a', 'b');
  const [a, b = 0] = late.times();
  t.equal(a, 0);
  t.ok(b >= beforeMs + settledAfterMs && b <= late.clock.nowMs() + settledAfterMs);
  const started = await openReplica(t, redis.url);
  t.ok((started.times()[1] ?? Infinity) < beforeMs, 'one that judged nothing before has nothing to wait for');
});

t.test('of two writers none insists', async (t) => {
  const { url } = await startRedis(t);
  const one = await openReplica(t, url, { file: immutable('one') });
  const { through, counts } = countPayloads();
  const other = await openReplica(t, url, { file: immutable('other'), through });
  await inForceOnAll([one, other], 'other');
  await eventually('both have looked again', () => counts.looks >= 10);
  t.match(one.rules.current().version, /^2-/);
  const warnings = one.lines.filter(({ level }) => level === warnLevel).map(({ msg }) => msg);
  t.match(warnings, [/somebody else published other rules/], 'and says so once');
  t.notOk(other.lines.some(({ msg }) => msg.includes('somebody else')));
  one.write(immutable('two'));
  await inForceOnAll([one, other], 'two');
  t.ok(other.lines.some(({ msg }) => msg.includes('somebody else')));
});

t.test('publications at the same time come one after the other', async (t) => {
  const { url } = await startRedis(t);
  const replicas = await Promise.all(['a', 'b', 'c'].map(() => openReplica(t, url)));
  const published = await Promise.all(
    replicas.map(({ rules }, index) =>
      rules.publish(ruleSet({ tagRules: [immutableTags(`r${index}`, `r${index}`)] })),
    ),
  );
  t.same(
    published.map(({ revision }) => revision).sort(),
    [1, 2, 3].map((n) => n + firstRevision),
  );
  const last = published.reduce((one, other) => (one.revision > other.revision ? one : other));
  await eventually('the last one counts', () =>
    replicas.every(({ rules }) => rules.current().version === last.version),
  );
});

/** That the switch was set is one already. */
const firstRevision = 1;
