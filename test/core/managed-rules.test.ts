import t from 'tap';
import { ChangeRefused, highestLevel } from '../../src/core/managed-input.ts';
import {
  addRepositoryRule,
  addTagRule,
  changeRepositoryRule,
  changeTagRule,
  managedIdGrammar,
  managedStateOf,
  nothingManaged,
  projectAt,
  removeRepositoryRule,
  removeTagRule,
  withManaged,
  withoutManaged,
} from '../../src/core/managed-rules.ts';
import { compileProjectPattern, compileSelection, compileWithin } from '../../src/core/pattern.ts';
import { immutableTags, ruleSet } from '../fixtures/rules.ts';

const owner = { minimumAccessLevelForPush: 'owner', minimumAccessLevelForDelete: 'owner' } as const;
const [oneTag] = addTagRule(nothingManaged, 'FlightJS', { tagNamePattern: '^v', ...owner });
const [one] = addRepositoryRule(oneTag, 'flightjs', {
  repositoryPathPattern: 'flightjs/a*',
  minimumAccessLevelForPush: 'maintainer',
});

/** What a change is refused with. */
function messagesOf(change: () => unknown): readonly string[] {
  try {
    change();
  } catch (error) {
    if (error instanceof ChangeRefused) return error.messages;
    throw error;
  }
  return [];
}

t.test('a project is what its path leads to', (t) => {
  const table: [project: string, path: string, has: boolean][] = [
    ['flightjs', 'flightjs', true],
    ['flightjs', 'flightjs/flight', true],
    ['flightjs', 'FlightJS/a/b', true],
    ['flightjs', 'flightjs2', false],
    ['flightjs', 'a/flightjs', false],
    ['flightjs/flight', 'flightjs', false],
    ['flightjs/flight', 'flightjs/flight', true],
  ];
  for (const [project, path, has] of table) {
    const pattern = compileProjectPattern(project);
    t.equal(pattern.matches(path), has, `${project} and ${path}`);
    t.equal(compileSelection(pattern.source).matches(path), has, 'also by its source');
  }
  t.throws(() => compileSelection('a*{,/*}'), { name: 'PatternError' });
  t.end();
});

t.test('a pattern of a project is about no repository of another', (t) => {
  const table: [project: string, source: string, path: string, matches: boolean][] = [
    ['flight', 'flight*', 'flight/a', true],
    ['flight', 'flight*', 'flight', true],
    ['flight', 'flight*', 'flightjs', false],
    ['flight', 'flight*', 'flightjs/a', false],
    ['flight', 'flight/a', 'flight/a', true],
    ['flight', 'flight/a', 'flight/b', false],
  ];
  for (const [project, source, path, matches] of table)
    t.equal(compileWithin(project, source).matches(path), matches, `${source} of ${project}: ${path}`);
  t.throws(() => compileWithin('a', '^a'), { name: 'PatternError' });
  t.end();
});

t.test('rules get numbers, and projects theirs', (t) => {
  t.match(one, {
    nextNumber: 3,
    projects: [{ number: 1, path: 'flightjs' }],
    tagRules: [{ id: 'managed-1', managed: { number: 1, project: 'flightjs' }, kind: 'protected', ...owner }],
    repositoryRules: [{ id: 'managed-2', minimumAccessLevelForPush: 'maintainer' }],
  });
  const [fewer] = removeTagRule(one, 'FLIGHTJS', 1);
  const [again, rule] = addTagRule(fewer, 'other/team', { tagNamePattern: 'x' });
  t.equal(rule.managed.number, 3, 'never twice');
  t.same(projectAt(again, 'Other/Team'), { number: 2, path: 'other/team' });
  t.equal(projectAt(again, 'other'), undefined);
  t.equal(removeRepositoryRule(again, 'flightjs', 2)[0].projects.length, 2, 'a project stays');
  t.ok(managedIdGrammar.test(rule.id));
  t.notOk(managedIdGrammar.test('managed-x'));
  t.equal(nothingManaged.nextNumber, 1, 'what was there is as it was');
  t.end();
});

t.test('a rule changes by what is given, and keeps the rest', (t) => {
  const change = (input: Parameters<typeof changeTagRule>[3]) => changeTagRule(one, 'flightjs', 1, input)[1];
  t.match(change({ tagNamePattern: '^w' }), { kind: 'protected', tags: { source: '^w' }, ...owner });
  t.match(change({ immutable: true }), { kind: 'immutable', id: 'managed-1', tags: { source: '^v' } });
  const none = { minimumAccessLevelForPush: null, minimumAccessLevelForDelete: null };
  t.equal(change(none).kind, 'immutable');
  t.match(change({ minimumAccessLevelForPush: 'admin' }), { ...owner, minimumAccessLevelForPush: 'admin' });
  t.equal(change({ enforcement: 'warn' }).enforcement, 'warn');
  const [warning] = changeTagRule(one, 'flightjs', 1, { enforcement: 'warn' });
  t.notOk('enforcement' in changeTagRule(warning, 'flightjs', 1, { enforcement: 'deny' })[1]);
  const [frozen] = changeTagRule(one, 'flightjs', 1, { immutable: true });
  t.match(changeTagRule(frozen, 'flightjs', 1, owner)[1], { kind: 'protected', ...owner });
  const [, moved] = changeRepositoryRule(one, 'flightjs', 2, {
    minimumAccessLevelForPush: null,
    minimumAccessLevelForDelete: 'admin',
  });
  t.notOk('minimumAccessLevelForPush' in moved);
  t.end();
});

t.test('what is not there, or belongs to another project, cannot be changed', (t) => {
  for (const [project, number] of [
    ['flightjs', 2],
    ['flightjs', 9],
    ['flight', 1],
    ['flightjs/a', 1],
  ] as const) {
    t.throws(() => changeTagRule(one, project, number, {}), { name: 'NotManaged' });
    t.throws(() => removeTagRule(one, project, number), { name: 'NotManaged' });
  }
  t.throws(() => removeRepositoryRule(one, 'flightjs', 1), { name: 'NotManaged' });
  t.end();
});

t.test('what is refused, in the words of GitLab', (t) => {
  const push = { minimumAccessLevelForPush: 'owner' } as const;
  const starts = "Repository path pattern should start with the project's full path";
  const repositories: [Parameters<typeof addRepositoryRule>[2], string[]][] = [
    [{ ...push }, ["Repository path pattern can't be blank"]],
    [{ ...push, repositoryPathPattern: 'flight/x' }, [starts]],
    [{ ...push, repositoryPathPattern: 'flightjs/a*' }, ['Repository path pattern has already been taken']],
    [
      { ...push, repositoryPathPattern: `flightjs${'x'.repeat(250)}` },
      ['Repository path pattern is too long (maximum is 255 characters)'],
    ],
    [
      { repositoryPathPattern: 'flightjs/b' },
      ['A rule must have at least a minimum access role for push or delete.'],
    ],
    [
      { repositoryPathPattern: 'flightjs/b', minimumAccessLevelForPush: 'developer' },
      ['Minimum access level developer is not allowed'],
    ],
  ];
  for (const [input, messages] of repositories)
    t.same(messagesOf(() => addRepositoryRule(one, 'flightjs', input)).slice(0, messages.length), messages);
  const either = 'Access levels should either both be present or both be nil';
  const tags: [Parameters<typeof addTagRule>[2], string[]][] = [
    [{}, ["Tag name pattern can't be blank"]],
    [{ tagNamePattern: 'x'.repeat(101) }, ['Tag name pattern is too long (maximum is 100 characters)']],
    [{ tagNamePattern: '(' }, ['Tag name pattern not valid RE2 syntax: missing closing ): (']],
    [{ tagNamePattern: '^v', ...owner }, ['Tag name pattern has already been taken']],
    [{ tagNamePattern: '^v' }, []],
    [{ tagNamePattern: 'x', ...push }, [either]],
    [{ tagNamePattern: 'x', immutable: false }, [either]],
    [
      { tagNamePattern: 'x', immutable: true, ...owner },
      ['An immutable rule is for everyone, and has no access levels'],
    ],
  ];
  for (const [input, messages] of tags)
    t.same(
      messagesOf(() => addTagRule(one, 'flightjs', input)),
      messages,
    );
  t.same(
    messagesOf(() => addTagRule(one, 'other', { tagNamePattern: '^v', ...owner })),
    [],
  );
  t.same(
    messagesOf(() => addTagRule(one, 'a//b', { tagNamePattern: 'x' })),
    ['Project path is invalid'],
  );
  t.end();
});

t.test("a file's rules and the managed ones come apart again", (t) => {
  const file = ruleSet({ tagRules: [immutableTags('i', '^v')] });
  const both = withManaged(file, one);
  t.same(
    both.tagRules.map(({ id }) => id),
    ['i', 'managed-1'],
  );
  t.same(managedStateOf(both), one);
  t.strictSame(withoutManaged(both), file);
  t.strictSame(withManaged(both, nothingManaged), file);
  t.same(managedStateOf(file), nothingManaged);
  t.equal(managedStateOf(withManaged(file, { ...nothingManaged, nextNumber: 5 })).nextNumber, 5);
  t.end();
});

t.test('the highest of some levels', (t) => {
  t.equal(highestLevel(['owner', undefined, 'no_access', 'admin']), 'no_access');
  t.equal(highestLevel(['maintainer', 'owner']), 'owner');
  t.equal(highestLevel([undefined]), undefined);
  t.end();
});
