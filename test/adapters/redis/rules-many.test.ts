import t from 'tap';
import { startRedis } from '../../fixtures/redis.ts';
import { immutableTags, ruleSet } from '../../fixtures/rules.ts';
import { openReplica, promisedMs } from '../../fixtures/shared-rules.ts';
import { eventually } from '../../fixtures/eventually.ts';

// All in one thread, which reads them three times: what three processes need is measured by `npm run test:replicas`.
t.test('10,000 rules are in force on three replicas soon after their publication', async (t) => {
  const { url } = await startRedis(t);
  const open = () => openReplica(t, url, { commandTimeoutMs: 20_000 });
  const all = [await open(), await open(), await open()];
  const many = (name: string) =>
    ruleSet({
      tagRules: Array.from({ length: 10_000 }, (_, index) =>
        immutableTags(`${name}-${index}`, `^${name}${index}\\.\\d+$`, { repositories: `team${index}/*` }),
      ),
    });
  for (const name of ['first', 'second']) {
    const published = await all[0]?.rules.publish(many(name));
    const startMs = performance.now();
    await eventually('they are in force', () =>
      all.every(({ rules }) => rules.current().version === published?.version),
    );
    const tookMs = performance.now() - startMs;
    t.ok(tookMs < 4 * promisedMs, `${Math.round(tookMs)} ms`);
    t.ok(all.every(({ rules }) => rules.current().tagRules.length === 10_000));
  }
});
