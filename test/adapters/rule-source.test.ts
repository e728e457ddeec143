import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { steadyClock } from '../../src/adapters/clock.ts';
import type { ImmutabilitySwitch } from '../../src/adapters/immutability-switch.ts';
import { SharedRules } from '../../src/adapters/redis/rules.ts';
import { RulesFile } from '../../src/adapters/rules-file.ts';
import type { RuleSource } from '../../src/core/ports.ts';
import { eventually } from '../fixtures/eventually.ts';
import { openStore, prepareRedis, startRedis } from '../fixtures/redis.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { settledAfterMs } from '../fixtures/shared-rules.ts';

type Source = RuleSource & ImmutabilitySwitch & { readonly failedReloads: number; close(): void };
type Open = (t: Test, path: string, immutabilityEnabled: boolean) => Promise<Source>;

const log = pino({ enabled: false });
const shared = { log, clock: steadyClock, settledAfterMs };

/** What is true of the rules of a file wherever they are kept. */
const sources: [name: string, adoptionMs: number, open: Open][] = [
  [
    'in memory',
    0,
    (_, path, immutabilityEnabled) => RulesFile.open({ ...shared, path, immutabilityEnabled }),
  ],
  [
    'in Redis',
    1_000,
    async (t, file, immutabilityEnabled) => {
      const { url } = await startRedis(t);
      const store = await openStore(t, url);
      return SharedRules.open({ ...shared, store, file, maxAgeMs: 3_600_000, immutabilityEnabled });
    },
  ],
  [
    'in a Redis that is away',
    0,
    async (t, file, immutabilityEnabled) => {
      const { url } = await prepareRedis(t);
      const store = await openStore(t, url);
      return SharedRules.open({ ...shared, store, file, maxAgeMs: 3_600_000, immutabilityEnabled });
    },
  ],
];

for (const [name, adoptionMs, openSource] of sources) {
  const open = async (t: Test, text: string, immutabilityEnabled = true) => {
    const path = join(t.testdir({ 'rules.yaml': text }), 'rules.yaml');
    const source = await openSource(t, path, immutabilityEnabled);
    t.teardown(() => {
      source.close();
    });
    const tags = (): string =>
      source
        .current()
        .tagRules.map((rule) => rule.tags.source)
        .join(' ');
    return {
      source,
      /** Writes the file, and waits until it counts. */
      change: async (changed: string, expected: string) => {
        writeFileSync(path, `${changed}...\n`);
        await eventually(`${expected} is in force`, () => tags() === expected);
      },
      write: (changed: string) => {
        writeFileSync(path, changed);
      },
      tags,
      times: () =>
        source
          .current()
          .tagRules.flatMap((rule) => (rule.kind === 'immutable' ? [rule.admitsFirstPushFromMs] : [])),
    };
  };
  /** Whether it waits for what was judged until now, and for no more than that. */
  const isNew = (fromMs = 0): boolean => {
    const leftMs = fromMs - steadyClock.nowMs() - settledAfterMs - adoptionMs;
    return leftMs > -5_000 && leftMs <= 200;
  };

  t.test(`rules ${name}`, async (t) => {
    await t.test('are those of the file', async (t) => {
      const { source, tags, times } = await open(t, immutable('a', 'b'));
      t.equal(source.doubt(), undefined);
      t.equal(tags(), 'a b');
      t.same(times(), [0, 0], 'the first ones have nothing to wait for');
    });

    await t.test('must be good at the start', async (t) => {
      await t.rejects(open(t, 'tag_rules: [x]\n'), { message: /rules\.yaml:1:13 tag_rules\[0\]/ });
    });

    await t.test('change with it', async (t) => {
      const { source, change, times } = await open(t, immutable('a'));
      const { version } = source.current();
      const before = source.current();
      await change(immutable('a', 'b'), 'a b');
      t.not(source.current().version, version);
      t.equal(before.tagRules.length, 1, 'a request that began goes on by what it began with');
      const [a, b] = times();
      t.equal(a, 0);
      t.ok(isNew(b), 'a new one waits for what was judged without it');
      await change(immutable('b'), 'b');
      t.ok(Math.abs((times()[0] ?? 0) - (b ?? 0)) < 200, 'and keeps its time');
    });

    await t.test('stay where it is broken', async (t) => {
      const { source, write, tags, change } = await open(t, immutable('a'));
      write('tag_rules: [x]\n');
      await eventually('it is refused', () => source.failedReloads === 1);
      t.equal(tags(), 'a');
      await change(immutable('c', 'a'), 'c a');
      t.equal(source.failedReloads, 1);
    });

    await t.test('are without the immutable ones while they are switched off', async (t) => {
      const { source, change, tags, times } = await open(t, `${immutable('a')}${protectedToo}`, false);
      t.equal(tags(), 'main');
      t.match(source.current().version, /-mutable$/);
      await change(`${immutable('a', 'b')}${protectedToo}`, 'main');
      await source.switchImmutability(true).catch(() => undefined);
      await eventually('they are on', () => tags() === 'a b main');
      t.ok(times().every(isNew), 'what was pushed without them settles first');
      t.notMatch(source.current().version, /-mutable$/);
      await source.switchImmutability(false).catch(() => undefined);
      t.equal(tags(), 'main');
    });
  });
}

const protectedToo = '  - { tag_name_pattern: main, minimum_access_level_for_push: owner }\n';
