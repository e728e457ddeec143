import { renameSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { loosens } from '../../src/adapters/rules-change.ts';
import { errorLevel, example, immutable, openRules } from '../fixtures/rules-file.ts';

// Elsewhere than at the end of a line a text is broken, and two looks are enough to be done with it.
t.test('a write that stops half-way never loosens a rule', async (t) => {
  await t.test('at any character of the text in force, for as long as it likes', async (t) => {
    const { rules, clock, path } = await openRules(t, example);
    const before = rules.current();
    for (let length = 0; length <= example.length; length++) {
      writeFileSync(path, example.slice(0, length));
      await clock.looks(example.endsWith('\n', length) ? 7 : 2);
      if (loosens(before, rules.current())) t.fail(`the first ${length} characters were taken`);
    }
    t.notOk(loosens(rules.current(), before), 'and in the end all is as it was');
  });

  await t.test('at any character of another text, for half a second', async (t) => {
    const other = `# Another beginning.\n${example.replace('^latest$', '^newest$')}`;
    const { rules, clock, path, tags } = await openRules(t, example);
    const before = rules.current();
    for (let length = 0; length < other.length; length++) {
      writeFileSync(path, other.slice(0, length));
      await clock.looks(other.endsWith('\n', length) ? 4 : 2);
      if (loosens(before, rules.current())) t.fail(`the first ${length} characters were taken`);
    }
    writeFileSync(path, other);
    t.ok((await clock.until(() => tags().includes('^newest$'))) < 1000);
  });

  await t.test(
    'at any character of another text, for as long as it likes, where texts end with "..."',
    async (t) => {
      const other = `# Another beginning.\n${example.replace('^latest$', '^newest$')}...\n`;
      const { rules, clock, path, tags } = await openRules(t, `${example}...\n`);
      const before = rules.current();
      for (let length = 0; length < other.length - 1; length++) {
        writeFileSync(path, other.slice(0, length));
        await clock.looks(other.endsWith('\n', length) ? 7 : 2);
        if (loosens(before, rules.current())) t.fail(`the first ${length} characters were taken`);
      }
      writeFileSync(path, other);
      t.ok((await clock.until(() => tags().includes('^newest$'))) < 1000);
    },
  );
});

t.test('the last rule can be taken away, by saying that the file is whole', async (t) => {
  const { rules, clock, path, tags, lines } = await openRules(t, immutable('a', 'b'));
  writeFileSync(path, immutable('a'));
  await clock.looks(20);
  t.same(tags(), ['a', 'b']);
  t.match(lines.at(-1), {
    level: errorLevel,
    errors: [/looks unfinished: .*end the file with a line "\.\.\."/],
  });
  t.equal(rules.failedReloads, 1);
  await t.test('with a mark', async (t) => {
    writeFileSync(path, `${immutable('a')}...\n`);
    t.ok((await clock.until(() => tags().length === 1)) < 1000);
  });
  await t.test('with a rename of the very same text', async (t) => {
    const { clock, path, tags } = await openRules(t, immutable('a', 'b'));
    writeFileSync(path, immutable('a'));
    await clock.looks(20);
    t.same(tags(), ['a', 'b']);
    writeFileSync(`${path}.new`, immutable('a'));
    renameSync(`${path}.new`, path);
    t.ok((await clock.until(() => tags().length === 1)) < 1000);
  });
});

t.test('a member is never given more by a line that is missing', async (t) => {
  const text = `${immutable('a')}members:\n  - subject: ci\n    access_level: owner\n    repository_path_pattern: flightjs/*\n`;
  const { rules, clock, path } = await openRules(t, text);
  writeFileSync(path, text.split('\n').slice(0, -2).join('\n') + '\n');
  await clock.looks(20);
  t.equal(rules.current().members[0]?.repositories.source, 'flightjs/*');
});
