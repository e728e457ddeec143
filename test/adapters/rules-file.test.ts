import { join } from 'node:path';
import { renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import t from 'tap';
import { RulesFile } from '../../src/adapters/rules-file.ts';
import { checkRulesFiles } from '../../src/adapters/managed-rules-file.ts';
import { RulesRefused } from '../../src/adapters/rules-watch.ts';
import { errorLevel, example, immutable, openRules } from '../fixtures/rules-file.ts';

t.test('a first load that fails says everything that is wrong', async (t) => {
  const directory = t.testdir({
    'empty.yaml': '',
    'broken.yaml': 'tag_rules: [a, b]\n',
    'latin1.yaml': Buffer.from([0xe9]),
  });
  const cases: [name: string, lines: RegExp[]][] = [
    ['missing.yaml', [/missing\.yaml: ENOENT/]],
    ['.', [/it is not a file/]],
    ['empty.yaml', [/empty\.yaml:1:1 the document is empty/]],
    ['broken.yaml', [/broken\.yaml:1:13 tag_rules\[0\]/, /broken\.yaml:1:16 tag_rules\[1\]/]],
    ['latin1.yaml', [/utf-8/]],
  ];
  for (const [name, expected] of cases) {
    const path = join(directory, name);
    const opening = RulesFile.open({
      path,
      log: pino({ enabled: false }),
      settledAfterMs: 1,
      immutabilityEnabled: true,
    });
    const error = await opening.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof RulesRefused)) return t.fail(`${name} was taken`);
    const lines = error.message.split('\n');
    t.equal(lines.length, expected.length, name);
    expected.forEach((pattern, index) => t.match(lines[index], pattern));
    t.equal(checkRulesFiles(path, undefined).length, expected.length, `${name}, checked only`);
  }
  t.same(checkRulesFiles(join(import.meta.dirname, '../../config/rules.yaml'), undefined), []);
});

t.test('a change is in force within a second', async (t) => {
  await t.test('written in place', async (t) => {
    const { clock, path, tags, rules } = await openRules(t, immutable('a'));
    const first = rules.loaded;
    t.match(first, { repositoryRules: 0, tagRules: 1, members: 0 });
    writeFileSync(path, immutable('b', 'a'));
    t.ok((await clock.until(() => tags().length === 2)) < 1000, 'a rule more');
    t.not(rules.loaded.version, first.version);
    writeFileSync(path, immutable('a'));
    t.ok((await clock.until(() => tags().length === 1)) < 1000, 'a rule less');
    t.same(tags(), ['a']);
    t.same(rules.loaded, first);
  });

  await t.test('renamed into place', async (t) => {
    const { clock, path, tags } = await openRules(t, immutable('a', 'b'));
    writeFileSync(`${path}.new`, immutable('a'));
    renameSync(`${path}.new`, path);
    t.ok((await clock.until(() => tags().length === 1)) < 1000, 'even if it is the beginning of the old one');
  });

  await t.test('by a directory link that is swapped, as in a ConfigMap volume', async (t) => {
    const volume = t.testdir({
      '..1': { 'rules.yaml': immutable('a', 'b') },
      '..2': { 'rules.yaml': immutable('a') },
    });
    symlinkSync('..1', join(volume, '..data'));
    symlinkSync('..data/rules.yaml', join(volume, 'rules.yaml'));
    const { clock, tags } = await openRules(t, '', { path: join(volume, 'rules.yaml') });
    symlinkSync('..2', join(volume, '..data_tmp'));
    renameSync(join(volume, '..data_tmp'), join(volume, '..data'));
    rmSync(join(volume, '..1'), { recursive: true });
    t.ok((await clock.until(() => tags().length === 1)) < 1000);
  });

  await t.test('deleted and made anew', async (t) => {
    const { clock, path, tags, rules, lines } = await openRules(t, immutable('a'));
    rmSync(path);
    await clock.until(() => rules.failedReloads === 1);
    t.same(tags(), ['a'], 'the last good rules stay while there is no file');
    t.match(lines.at(-1), { level: errorLevel, errors: [/ENOENT/] });
    writeFileSync(path, immutable('c', 'b'));
    t.ok((await clock.until(() => tags().length === 2)) < 1000);
  });

  await t.test('by the clock on the wall', async (t) => {
    const path = join(t.testdir({ 'rules.yaml': immutable('a') }), 'rules.yaml');
    const options = { path, log: pino({ enabled: false }), settledAfterMs: 1, immutabilityEnabled: true };
    const rules = await RulesFile.open(options);
    t.teardown(() => {
      rules.close();
    });
    writeFileSync(path, immutable('a', 'b'));
    const deadlineMs = Date.now() + 10_000;
    while (rules.current().tagRules.length < 2 && Date.now() < deadlineMs) await sleep(10);
    t.equal(rules.current().tagRules.length, 2);
  });
});

t.test('a bad reload leaves the last good rules in force, and is told and counted once', async (t) => {
  const { rules, clock, path, lines, tags } = await openRules(t, immutable('a'));
  writeFileSync(path, 'tag_rules: [x]\nmembers:\n');
  await clock.looks(10);
  t.same(tags(), ['a']);
  t.equal(rules.failedReloads, 1);
  const failures = lines.filter(({ level }) => level === errorLevel);
  t.match(failures, [{ msg: /refused/, errors: [/rules\.yaml:1:13 /, /rules\.yaml:2:9 /] }]);
  t.equal(failures.length, 1);

  writeFileSync(path, immutable('a'));
  await clock.looks(3);
  t.match(lines.at(-1), { msg: /is what was taken last/ });
  t.equal(rules.failedReloads, 1);
});

t.test('a file that is only touched changes nothing', async (t) => {
  const { rules, clock, path, lines } = await openRules(t, immutable('a'));
  const before = rules.current();
  utimesSync(path, 1, 1);
  await clock.looks(10);
  t.equal(rules.current(), before);
  t.equal(lines.length, 1);
});

t.test('after close nothing is read any more', async (t) => {
  const { rules, clock, path, tags } = await openRules(t, immutable('a'));
  writeFileSync(path, immutable('a', 'b'));
  await clock.looks(1);
  rules.close();
  void clock.looks(1);
  await sleep(20);
  t.same(tags(), ['a']);
});

t.test('a new immutable rule admits first pushes when older writes have settled', async (t) => {
  const { rules, clock, path, tags } = await openRules(t, immutable('a'));
  const times = (): number[] =>
    rules
      .current()
      .tagRules.flatMap((rule) => (rule.kind === 'immutable' ? [rule.admitsFirstPushFromMs] : []));
  t.same(times(), [0], 'the first rules have nothing to wait for');

  writeFileSync(path, immutable('b', 'a'));
  await clock.until(() => tags().length === 2);
  const bFromMs = clock.nowMs() + 25_000;
  t.same(times(), [bFromMs, 0], 'what was there keeps its time');

  writeFileSync(
    path,
    immutable('b', 'c', 'a').replaceAll('{ ', '{ id: x-y, ').replace('x-y', 'z').replace('x-y', 'z2'),
  );
  await clock.until(() => tags().length === 3);
  t.same(times(), [bFromMs, clock.nowMs() + 25_000, 0], 'a rule is known by what it says, not by its id');

  writeFileSync(path, immutable('c', 'a'));
  await clock.until(() => tags().length === 2);
  writeFileSync(path, immutable('b', 'c', 'a'));
  await clock.until(() => tags().length === 3);
  t.equal(times()[0], clock.nowMs() + 25_000, 'a rule that was gone is new');
});

t.test('without the switch immutable rules do not count', async (t) => {
  const { clock, path, tags, lines } = await openRules(t, example, { immutabilityEnabled: false });
  t.same(tags(), ['^latest$']);
  t.match(lines.at(-1), { msg: /immutability\.enabled is false/ });
  writeFileSync(path, example.replace('^latest$', '^newest$'));
  await clock.until(() => tags()[0] === '^newest$');
});

t.test('the switch counts while we run', async (t) => {
  const { rules, clock, path, tags, lines } = await openRules(t, example);
  const before = rules.current();
  const times = (): number[] =>
    rules
      .current()
      .tagRules.flatMap((rule) => (rule.kind === 'immutable' ? [rule.admitsFirstPushFromMs] : []));
  await rules.switchImmutability(true);
  t.equal(rules.current(), before, 'on, it was already');

  await rules.switchImmutability(false);
  t.same(tags(), ['^latest$']);
  t.equal(rules.current().version, `${before.version}-mutable`);
  t.match(lines.at(-1), { msg: /immutability\.enabled is false/ });
  t.equal(rules.doubt(), undefined);

  await clock.looks(1);
  await rules.switchImmutability(true);
  t.same(rules.current().version, before.version);
  const settledMs = clock.nowMs() + 25_000;
  t.ok(
    times().length > 0 && times().every((fromMs) => fromMs === settledMs),
    'pushes without claims settle first',
  );

  writeFileSync(path, example.replace('^latest$', '^newest$'));
  await clock.until(() => tags().includes('^newest$'));
  t.ok(
    times().every((fromMs) => fromMs === settledMs),
    'and no longer because of another change',
  );
  await rules.switchImmutability(false);
  writeFileSync(path, `${example.replace('^latest$', '^newest$')}# half of it\n`);
  await clock.looks(8);
  writeFileSync(path, immutable('a'));
  await clock.looks(8);
  t.same(tags(), []);
});
