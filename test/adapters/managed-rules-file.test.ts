import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkRulesFiles, readRulesFiles } from '../../src/adapters/managed-rules-file.ts';
import { noManagedRules } from '../../src/config/managed-document.ts';
import { changeTagRule, removeTagRule } from '../../src/core/managed-rules.ts';
import { eventually } from '../fixtures/eventually.ts';
import { addTags, managedOf, openManagedFile, project, tagsOf } from '../fixtures/managed-rules.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { errorLevel, immutable } from '../fixtures/rules-file.ts';

const byHand = `# What may be released, and by whom.
next_number: 8   # do not lower it

projects:
    - {number: 1, path: flightjs}
    # of the tower team
    - {number: 2, path: flightjs/tower}

tag_rules:
    # releases stay
    - number:   3
      project:  flightjs
      tag_name_pattern: "^v\\\\d+"     # v1, v2
      immutable: yes_it_is

    # only for a while
    - tag_name_pattern: 'latest'
      minimum_access_level_for_push: owner # not maintainer
      minimum_access_level_for_delete: admin
      project: flightjs/tower
      number: 7
# the end
`.replace('yes_it_is', 'true');

async function open(t: Test, text?: string) {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'managed.yaml');
  writeFileSync(join(directory, 'rules.yaml'), immutable('own'));
  if (text !== undefined) writeFileSync(path, text);
  const { managed, rules, lines } = await openManagedFile(t, directory);
  const tags = (): string => tagsOf(rules.current());
  return { directory, path, managed, rules, lines, tags, read: () => readFileSync(path, 'utf8') };
}

t.test('there is no file until there is something in it', async (t) => {
  const { path, managed, read } = await open(t);
  await managed.change((state) => state);
  await t.rejects(addTags(managed, '('), { name: 'ChangeRefused' });
  t.notOk(existsSync(path));
  await addTags(managed, '^v\\d+');
  t.equal(
    read(),
    noManagedRules
      .replace('number: 1', 'number: 2')
      .replace('projects: []', 'projects:\n  - number: 1\n    path: flightjs')
      .replace(
        'tag_rules: []',
        'tag_rules:\n  - number: 1\n    project: flightjs\n    tag_name_pattern: ^v\\d+\n    immutable: true',
      ),
  );
  t.equal(statSync(path).mode & 0o777, 0o600);
});

t.test('a change leaves all else as it is written', async (t) => {
  const { managed, read } = await open(t, byHand);
  const wholeLines = (text: string): readonly string[] => text.split('\n');
  await addTags(managed, '^w');
  const added = byHand
    .replace('next_number: 8 ', 'next_number: 9 ')
    .replace(
      'number: 7\n',
      'number: 7\n    - number: 8\n      project: flightjs\n      tag_name_pattern: ^w\n      immutable: true\n',
    );
  t.same(wholeLines(read()), wholeLines(added));
  await managed.change(
    (state) => changeTagRule(state, 'flightjs/tower', 7, { minimumAccessLevelForPush: 'no_access' })[0],
  );
  const changed = added.replace('push: owner #', 'push: no_access #');
  t.same(wholeLines(read()), wholeLines(changed));
  await managed.change((state) => removeTagRule(state, project, 3)[0]);
  const fewer = changed.replace(/ {4}# releases stay\n[^]*?immutable: true\n/, '');
  t.same(wholeLines(read()), wholeLines(fewer), 'what was said of a rule goes with it');
});

t.test('an edit by hand is in force within a second, and no change undoes it', async (t) => {
  const { path, managed, tags, read, lines } = await open(t, byHand);
  t.equal(tags(), 'own ^v\\d+ latest');
  writeFileSync(path, byHand.replace("'latest'", 'newest'));
  await addTags(managed, '^w');
  t.equal(tags(), 'own ^v\\d+ newest ^w', 'also one that was not in force when the change came');
  writeFileSync(`${path}.mine`, read().replace('newest', 'stable'));
  const startMs = performance.now();
  renameSync(`${path}.mine`, path);
  await eventually('it is in force', () => tags().includes('stable'));
  t.ok(performance.now() - startMs < 1_000);
  await managed.change((state) => removeTagRule(state, project, 8)[0]);
  t.equal(tags(), 'own ^v\\d+ stable');
  t.match(read(), /# the end/);
  t.notOk(lines.some(({ level }) => level === errorLevel));
});

t.test('a file that is broken stays as it is, and so do the rules', async (t) => {
  const { path, managed, rules, tags, read, lines } = await open(t, byHand);
  const broken = byHand.replace('push: owner', 'push: developer').replace('number: 7', 'number: 9');
  writeFileSync(path, broken);
  const message =
    /managed\.yaml:18:38 .*must be one of maintainer.*; .*managed\.yaml:21:15 .*below next_number/;
  await t.rejects(addTags(managed, '^w'), { name: 'StoreAway', message });
  t.equal(read(), broken);
  await eventually('it is refused', () => rules.failedReloads === 1);
  t.equal(tags(), 'own ^v\\d+ latest');
  t.ok(lines.some(({ level, msg }) => level === errorLevel && /last good rules stay/.test(msg)));
  rmSync(path);
  await t.rejects(addTags(managed, '^w'), { name: 'StoreAway', message: /managed\.yaml: ENOENT/ });
  t.notOk(existsSync(path));
  writeFileSync(path, byHand);
  await addTags(managed, '^w');
  t.equal(tags(), 'own ^v\\d+ latest ^w');
});

t.test('half a file is never taken for rules that were taken away', async (t) => {
  const { path, managed, tags, read } = await open(t, byHand);
  writeFileSync(path, byHand.slice(0, byHand.indexOf('    # only')));
  await t.rejects(addTags(managed, '^w'), { name: 'StoreAway', message: /was edited/ });
  t.equal(tags(), 'own ^v\\d+ latest');
  writeFileSync(path, byHand);
  await addTags(managed, '^w');
  const whole = read();
  t.equal(managedOf(whole).tagRules.length, 3);
});

t.test('a file that cannot be written: the old rules stay, until it can', async (t) => {
  const { directory, path, managed, tags, read } = await open(t);
  await addTags(managed, '^v');
  const text = read();
  // Root may write anywhere, but not a file where a directory is.
  mkdirSync(`${path}.new/taken`, { recursive: true });
  await t.rejects(addTags(managed, '^w'), { name: 'StoreAway', message: /cannot be written \(/ });
  t.equal(read(), text);
  t.equal(tags(), 'own ^v');
  rmSync(`${path}.new`, { recursive: true });
  await addTags(managed, '^w');
  t.equal(tags(), 'own ^v ^w');
  t.notOk(existsSync(`${path}.new`), 'nothing is left beside it');
  t.ok(existsSync(directory));
});

t.test('what an operator made of the file stays so', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'elsewhere'));
  writeFileSync(join(directory, 'rules.yaml'), immutable('own'));
  const [path, target] = [join(directory, 'managed.yaml'), join(directory, 'elsewhere/kept.yaml')];
  writeFileSync(target, noManagedRules);
  chmodSync(target, 0o644);
  symlinkSync('elsewhere/kept.yaml', path);
  const { managed } = await openManagedFile(t, directory);
  await addTags(managed, '^v');
  t.equal(readlinkSync(path), 'elsewhere/kept.yaml', 'a link');
  t.equal(statSync(target).mode & 0o777, 0o644, 'a mode');
  t.match(readFileSync(target, 'utf8'), /\^v/);
});

t.test('a file that is wrong at the start is refused, and found by a check', async (t) => {
  await t.rejects(open(t, 'tag_rules: [x]\n'), { name: 'Error', message: /managed\.yaml:1:1 .*next_number/ });
  const directory = t.testdir({
    'rules.yaml': immutable('own'),
    'bad.yaml': 'next_number: 0\n',
    'good.yaml': byHand,
  });
  const at = (name: string): string => join(directory, name);
  t.same(checkRulesFiles(at('rules.yaml'), at('absent.yaml')), []);
  t.same(checkRulesFiles(at('rules.yaml'), at('good.yaml')), []);
  t.match(checkRulesFiles(undefined, at('bad.yaml')), [/bad\.yaml:1:14 next_number/]);
  t.match(readRulesFiles(at('absent.yaml'), at('bad.yaml')), { errors: [/absent/, /bad/] });
  const read = readRulesFiles(at('rules.yaml'), at('good.yaml'));
  t.equal('rules' in read && tagsOf(read.rules), 'own ^v\\d+ latest');
});
