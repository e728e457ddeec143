import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  addRepositoryRule,
  changeTagRule,
  removeTagRule,
  type ManagedRules,
} from '../../src/core/managed-rules.ts';
import type { RuleSource } from '../../src/core/ports.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import { immutableRulesFor } from '../../src/core/rule.ts';
import { eventually } from '../fixtures/eventually.ts';
import { addTags, openManagedFile, project, tagsOf } from '../fixtures/managed-rules.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { openReplica, promisedMs, settledAfterMs } from '../fixtures/shared-rules.ts';

interface Opened {
  readonly managed: ManagedRules;
  readonly rules: RuleSource & { readonly failedReloads: number };
  /** The operator's own file. */
  readonly path: string;
  /** Ends, and begins anew with what is durable. */
  readonly restart: () => Promise<Opened>;
}

/** What is true of managed rules wherever they are kept. */
const stores: [name: string, adoptionMs: number, open: (t: Test) => Promise<Opened>][] = [
  [
    'in a file',
    0,
    async (t) => {
      const directory = temporaryDirectory(t);
      const path = join(directory, 'rules.yaml');
      writeFileSync(path, immutable('own'));
      const open = async (): Promise<Opened> => {
        const opened = await openManagedFile(t, directory);
        const { managed, rules } = opened;
        return {
          managed,
          rules,
          path,
          restart: async () => {
            await opened.close();
            return open();
          },
        };
      };
      return open();
    },
  ],
  [
    'in Redis, at a writer',
    1_000,
    async (t) => {
      const { url } = await startRedis(t);
      const open = async (): Promise<Opened> => {
        const { rules, path } = await openReplica(t, url, { file: immutable('own') });
        const restart = (): Promise<Opened> => {
          rules.close();
          return open();
        };
        return { managed: rules, rules, path, restart };
      };
      return open();
    },
  ],
  [
    'in Redis, at a replica that follows',
    1_000,
    async (t) => {
      const { url } = await startRedis(t);
      const { path } = await openReplica(t, url, { file: immutable('own') });
      const open = async (): Promise<Opened> => {
        const { rules } = await openReplica(t, url);
        const restart = (): Promise<Opened> => {
          rules.close();
          return open();
        };
        return { managed: rules, rules, path, restart };
      };
      return open();
    },
  ],
];

const release = ['flightjs/flight' as Repository, 'v1' as Tag] as const;

for (const [name, adoptionMs, open] of stores) {
  t.test(`managed rules ${name}`, async (t) => {
    await t.test('are in force when the change is done, beside those of the file', async (t) => {
      const { managed, rules } = await open(t);
      t.same(await managed.state(), { projects: [], nextNumber: 1, repositoryRules: [], tagRules: [] });
      const before = rules.current();
      const beforeMs = Date.now();
      const added = await addTags(managed, '^v\\d');
      t.match(added, { id: 'managed-1', managed: { number: 1, project } });
      t.equal(tagsOf(rules.current()), 'own ^v\\d');
      t.not(rules.current().version, before.version);
      t.equal(before.tagRules.length, 1, 'a request that began goes on by what it began with');
      const [found] = immutableRulesFor(rules.current(), ...release);
      const waitMs = (found?.admitsFirstPushFromMs ?? 0) - beforeMs - settledAfterMs - adoptionMs;
      t.ok(waitMs > -200 && waitMs < 5_000, 'first pushes wait for what was judged without it', { waitMs });
      t.same(immutableRulesFor(rules.current(), 'flight2/x' as Repository, 'v1' as Tag), []);
      await addTags(managed, '^w');
      const [same] = immutableRulesFor(rules.current(), ...release);
      const driftMs = (same?.admitsFirstPushFromMs ?? 0) - (found?.admitsFirstPushFromMs ?? 0);
      t.ok(Math.abs(driftMs) < 200, 'and no longer because of another rule', { driftMs });
    });

    await t.test('change, and go', async (t) => {
      const { managed, rules } = await open(t);
      await addTags(managed, '^v');
      const levels = { minimumAccessLevelForPush: 'owner', minimumAccessLevelForDelete: 'admin' } as const;
      await managed.change((state) => changeTagRule(state, project, 1, levels)[0]);
      t.match(rules.current().tagRules[1], { id: 'managed-1', kind: 'protected', ...levels });
      await managed.change(
        (state) => changeTagRule(state, project, 1, { tagNamePattern: '^w', enforcement: 'warn' })[0],
      );
      t.match((await managed.state()).tagRules, [{ enforcement: 'warn', tags: { source: '^w' }, ...levels }]);
      await managed.change((state) => removeTagRule(state, project, 1)[0]);
      t.equal(tagsOf(rules.current()), 'own');
      t.match(await managed.state(), {
        nextNumber: 2,
        projects: [{ number: 1, path: project }],
        tagRules: [],
      });
    });

    await t.test('land all where they come at once, and no number is given twice', async (t) => {
      const { managed, rules } = await open(t);
      const names = Array.from({ length: 20 }, (_, index) => `^r${index}-`);
      const added = await Promise.all(names.map((tags) => addTags(managed, tags)));
      t.same(new Set(added.map((rule) => rule.managed.number)), new Set(names.map((_, index) => index + 1)));
      t.equal(rules.current().tagRules.length, 21);
      t.equal((await managed.state()).nextNumber, 21);
    });

    await t.test('are not changed by what is refused', async (t) => {
      const { managed, rules } = await open(t);
      await addTags(managed, '^v');
      const before = rules.current();
      await t.rejects(addTags(managed, '^v'), { name: 'ChangeRefused', message: /already been taken/ });
      await t.rejects(
        managed.change((state) => removeTagRule(state, project, 2)[0]),
        { name: 'NotManaged' },
      );
      const known = await managed.state();
      t.equal(await managed.change((state) => state).then(tagsOf), tagsOf(known), 'nor by no change at all');
      t.equal(rules.current(), before);
      t.match(await addTags(managed, '^w'), { managed: { number: 2 } }, 'and no number is lost');
    });

    await t.test('are all there after a restart', async (t) => {
      const { managed, restart } = await open(t);
      await addTags(managed, 'a: [#"\\s\']', { enforcement: 'warn' });
      await addTags(managed, 'löschen\n\t', {
        minimumAccessLevelForPush: 'maintainer',
        minimumAccessLevelForDelete: 'no_access',
      });
      await managed.change(
        (state) =>
          addRepositoryRule(state, 'flightjs/deep', {
            repositoryPathPattern: 'FlightJS/deep*',
            minimumAccessLevelForPush: 'admin',
          })[0],
      );
      const words = (value: unknown): string =>
        JSON.stringify(value).replaceAll(/"admitsFirstPushFromMs":[\d.]+/g, '');
      const state = words(await managed.state());
      const again = await restart();
      t.equal(words(await again.managed.state()), state);
      t.equal(again.rules.current().repositoryRules[0]?.repositories.matches('flightjs/deepest'), false);
      t.match(await addTags(again.managed, '^v'), { managed: { number: 4 } });
    });

    await t.test('stay when the file changes, which nobody else writes', async (t) => {
      const { managed, rules, path } = await open(t);
      const text = readFileSync(path, 'utf8');
      await addTags(managed, '^v');
      t.equal(readFileSync(path, 'utf8'), text);
      writeFileSync(path, `${immutable('other')}...\n`);
      await eventually('it is in force', () => tagsOf(rules.current()) === 'other ^v');
      await managed.change((state) => removeTagRule(state, project, 1)[0]);
      t.equal(tagsOf(rules.current()), 'other');
      t.equal(rules.failedReloads, 0);
    });
  });
}

t.test('a change at one replica is in force on all within a second, whoever makes it', async (t) => {
  const { url } = await startRedis(t);
  const writer = await openReplica(t, url, { file: immutable('own') });
  const replicas = [writer, await openReplica(t, url), await openReplica(t, url)];
  for (const [index, { rules }] of replicas.entries()) {
    await addTags(rules, `^r${index}`);
    const startMs = performance.now();
    await eventually('all have it', () =>
      replicas.every((replica) => replica.rules.current().tagRules.length === index + 2),
    );
    t.ok(performance.now() - startMs < promisedMs);
  }
  await Promise.all(
    Array.from({ length: 30 }, (_, index) => addTags((replicas[index % 3] ?? writer).rules, `^s${index}-`)),
  );
  await eventually('all have all', () =>
    replicas.every(({ rules }) => rules.current().tagRules.length === 34),
  );
  const { tagRules, nextNumber } = await writer.rules.state();
  t.equal(new Set(tagRules.map(({ managed }) => managed.number)).size, 33);
  t.equal(nextNumber, 34);
  t.notOk(
    writer.lines.some(({ msg }) => /somebody else|lost/.test(msg)),
    'none of which is a reason to publish the file again',
  );
});
