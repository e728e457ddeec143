import t from 'tap';
import { steadyClock } from '../../../src/adapters/clock.ts';
import { RulesRecord, rulesOf } from '../../../src/adapters/redis/rules-record.ts';
import type { RuleSet } from '../../../src/core/rule.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { openStore, startRedis } from '../../fixtures/redis.ts';
import { immutableTags, ruleSet } from '../../fixtures/rules.ts';

const rules = ruleSet({ tagRules: [immutableTags('i', '^v')] });
const others = ruleSet({ tagRules: [immutableTags('j', '^w')] });

t.test('a publication counts only where nothing came between', async (t) => {
  const redis = await startRedis(t);
  const record = new RulesRecord(await openStore(t, redis.url), steadyClock);
  const publish = async (stamp: string, published: RuleSet, leastRevision = 1) => {
    const { look } = await record.look();
    const base = { ...look, stamp };
    return record.publish({
      ...{ base, rules: published, before: undefined, leastRevision },
      ...{ isEnabled: true, waitMs: 0 },
    });
  };
  const { look: empty } = await record.look();
  t.match(empty, { revision: 0, checksum: '', lineage: '' });
  t.equal(empty.switch, undefined);
  t.equal(await publish(empty.stamp, rules), 1);
  t.equal(await publish(empty.stamp, others), undefined, 'what was not seen is not replaced');
  const { look: first, payload } = await record.look();
  t.match(rulesOf(first, payload).tagRules, [{ id: 'i' }]);
  t.same((await record.look(first.stamp)).payload, undefined, 'what is known is not sent again');

  await record.switchImmutability(false, 0);
  t.equal(await publish(first.stamp, others), undefined, 'nor what was switched meanwhile');
  const { look: second } = await record.look();
  t.match(second, { revision: 2, lineage: first.lineage, switch: { isEnabled: false } });
  t.equal(await publish(second.stamp, others, 70), 70, 'a revision is above all that are known');
  t.match((await record.look()).look, { revision: 70, lineage: first.lineage });
  await redis.cli('flushall');
  await publish('', rules);
  t.not((await record.look()).look.lineage, first.lineage, 'after a loss it is another record');
});

t.test('a default is for a switch that has no position', async (t) => {
  const { url } = await startRedis(t);
  const record = new RulesRecord(await openStore(t, url), steadyClock);
  await record.setDefaultSwitch(false);
  await record.setDefaultSwitch(true);
  t.same((await record.look()).look.switch, { isEnabled: false, admitsFirstPushFromMs: 0 });
  await record.switchImmutability(true, 60_000);
  const { look } = await record.look();
  t.equal(look.switch?.isEnabled, true);
  t.ok((look.switch?.admitsFirstPushFromMs ?? 0) > steadyClock.nowMs() + 50_000);
  await record.switchImmutability(true, 3_600_000);
  t.equal((await record.look()).look.stamp, look.stamp, 'on is on');
});

t.test('every change is told', async (t) => {
  const redis = await startRedis(t);
  const store = await openStore(t, redis.url);
  const record = new RulesRecord(store, steadyClock);
  const told: (string | undefined)[] = [];
  store.subscribe(store.key('rules'), (message) => told.push(message));
  await eventually('it is heard', () => told.length === 1);
  const { look: base } = await record.look();
  await record.publish({ base, rules, before: undefined, leastRevision: 1, isEnabled: true, waitMs: 0 });
  await record.switchImmutability(true, 0);
  await record.switchImmutability(false, 0);
  await eventually('the last one was told', () => told.at(-1) === '2');
  t.same(told, [undefined, '1', '2']);
});
