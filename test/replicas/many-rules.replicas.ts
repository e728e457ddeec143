import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import t, { type Test } from 'tap';
import { eventually } from '../fixtures/eventually.ts';
import { startRedis } from '../fixtures/redis.ts';
import { Fleet, releaseRules } from './fleet.ts';
import { inspected, keptBy } from './memory.ts';

const ruleCount = 10_000;
const grownLimitMiB = 50;
const promisedMs = 1_000;
/** The writer reads a megabyte of YAML first; that is not what is promised. */
const readWithinMs = 30_000;

t.test('10,000 rules: soon in force on three replicas once they are published, and light', async (t) => {
  const { url } = await startRedis(t);
  const fleet = await Fleet.start(t, { redisUrl: () => url, nodeFlags: inspected });
  const weigh = () => Promise.all(fleet.replicas.map(keptBy));
  const before = await weigh();

  for (const name of ['first', 'second', 'third']) {
    const { tookMs } = await changeRules(t, fleet, url, name);
    t.ok(
      tookMs.length === 3 && tookMs.every((ms) => ms < promisedMs),
      `in force after ${tookMs.join(', ')} ms`,
    );
  }

  const after = await weigh();
  for (const [index, { heap, resident }] of after.entries()) {
    const was = before[index] ?? { heap: NaN, resident: NaN };
    const grown = { heap: heap - was.heap, resident: resident - was.resident };
    t.ok(grown.heap < grownLimitMiB, `replica ${index}: ${grown.heap} MiB more of heap`);
    t.ok(grown.resident < grownLimitMiB, `replica ${index}: ${grown.resident} MiB more of memory`);
  }
});

/** Replaces the file of the writer; how long after their publication each replica has the new rules in force. */
async function changeRules(
  t: Test,
  fleet: Fleet,
  redisUrl: string,
  name: string,
): Promise<{ readonly tookMs: readonly number[] }> {
  const listener = new Redis(redisUrl);
  t.teardown(() => {
    listener.disconnect();
  });
  await listener.psubscribe('*rules*');
  const seen = fleet.replicas.map(({ lines }) => lines.length);
  const published = once(listener, 'pmessage').then(() => Date.now());
  writeFileSync(`${fleet.rulesFile}.new`, releaseRules + manyRules(name));
  renameSync(`${fleet.rulesFile}.new`, fleet.rulesFile);
  const inForce = () =>
    fleet.replicas.flatMap(({ lines }, index) => {
      const said = lines.slice(seen[index]);
      return said.find(({ msg, tagRules }) => msg === 'rules in force' && tagRules === ruleCount + 1) ?? [];
    });
  await eventually('they are in force', () => inForce().length === fleet.replicas.length, readWithinMs);
  const publishedMs = await published;
  return { tookMs: inForce().map(({ time }) => time - publishedMs) };
}

function manyRules(name: string): string {
  return Array.from({ length: ruleCount }, (_, index) => {
    const pattern = `^${name}${index}\\.\\d+$`;
    return `  - { id: ${name}-${index}, repository_path_pattern: team${index}/*, tag_name_pattern: '${pattern}', immutable: true }\n`;
  }).join('');
}
