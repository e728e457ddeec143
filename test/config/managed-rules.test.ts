import t from 'tap';
import { editManagedRules } from '../../src/config/managed-document.ts';
import { parseManagedRules } from '../../src/config/managed-rules.ts';
import {
  addRepositoryRule,
  addTagRule,
  changeTagRule,
  managedStateOf,
  removeTagRule,
  type ManagedState,
} from '../../src/core/managed-rules.ts';
import { managedOf } from '../fixtures/managed-rules.ts';

const head = 'next_number: 5\nprojects: [{ number: 1, path: a }]\n';
const rule = 'project: a, tag_name_pattern: x, immutable: true';

t.test('what is wrong is told with its place, and all of it at once', (t) => {
  const table: [name: string, text: string, errors: (string | RegExp)[]][] = [
    ['nothing', '', ['1:1 the document is empty']],
    ['no number to come', 'projects: []\n', ['1:1 needs next_number']],
    ['half a line', 'next_number: 1', ['1:15 the last line needs a line break at its end']],
    ['another key', 'next_number: 1\nmembers: []\n', [/^2:1 unknown key "members"/]],
    [
      'a number that is none',
      'next_number: 0x5\n',
      ['1:14 next_number: must be a whole number from 1, not 0x5'],
    ],
    [
      'a project in capitals',
      'next_number: 1\nprojects: [{ number: 1, path: A }]\n',
      [/^2:31 .*in lower case/],
    ],
    [
      'a project twice',
      'next_number: 1\nprojects: [{ number: 1, path: a }, { number: 1, path: a }]\n',
      [/^2:46 .*1 is that of projects\[0\] already/, /^2:55 .*a is that of projects\[0\] already/],
    ],
    [
      'a rule of no project, whose number is to come',
      `${head}tag_rules: [{ number: 5, project: b, tag_name_pattern: x, immutable: true }]\n`,
      [/^3:23 .*must be below next_number/, /^3:35 .*"b" is not among the projects/],
    ],
    [
      'a number twice',
      `${head}tag_rules: [{ number: 1, ${rule} }]\nrepository_rules: [{ number: 1, project: a, repository_path_pattern: a, minimum_access_level_for_push: owner }]\n`,
      [/^3:23 .*is that of repository_rules\[0\] already/],
    ],
    ['an id', `${head}tag_rules: [{ id: x, number: 1, ${rule} }]\n`, [/^3:15 .*unknown key "id"/]],
    [
      'what the API would refuse',
      `${head}tag_rules: [{ number: 1, ${rule} }, { number: 2, ${rule} }]\nrepository_rules: [{ number: 3, project: a, repository_path_pattern: b, minimum_access_level_for_push: owner }]\n`,
      [/^3:121 .*already been taken; change it/, /^4:70 .*should start with the project's full path/],
    ],
    [
      'one level of two',
      `${head}tag_rules: [{ number: 1, project: a, tag_name_pattern: x, minimum_access_level_for_push: owner }]\n`,
      [/^3:13 .*should either both be present or both be nil/],
    ],
    [
      'a level that GitLab does not know',
      `${head}tag_rules: [{ number: 1, project: a, tag_name_pattern: x, minimum_access_level_for_push: guest, minimum_access_level_for_delete: owner }]\n`,
      [/^3:\d+ .*must be one of maintainer, owner, admin, no_access/],
    ],
    [
      'no effect',
      `${head}tag_rules: [{ number: 1, project: a, tag_name_pattern: x }]\n`,
      [/^3:13 .*restricts nothing/],
    ],
  ];
  for (const [name, text, errors] of table) {
    const parsed = parseManagedRules(text);
    const found = 'errors' in parsed ? parsed.errors : [];
    t.match(found, errors, name);
  }
  t.end();
});

/** Makes a change to a text, and checks that it says what it should. */
function edited(text: string, change: (state: ManagedState) => readonly [ManagedState, unknown]): string {
  const before = managedStateOf(managedOf(text));
  return editManagedRules(text, before, change(before)[0]).text;
}

t.test('an edit keeps the form of a text, whichever it is', (t) => {
  const add = (state: ManagedState) => addTagRule(state, 'a', { tagNamePattern: 'n' });
  const fresh = 'number: 5, project: a, tag_name_pattern: n, immutable: true';
  const next = head.replace('5', '6');
  const flow = `tag_rules: [ {number: 1, ${rule}} , { number: 2, ${rule.replace('x', 'y')} } ] # both\n`;
  const lines = `  - ${fresh.replaceAll(', ', '\n    ')}\n`;
  const table: [name: string, text: string, edited: string][] = [
    ['no list', `${head}# end\n`, `${next}tag_rules:\n${lines}# end\n`],
    ['an empty list', `${head}tag_rules: [] # none\n`, `${next}tag_rules: # none\n${lines}`],
    ['a list in brackets', head + flow, next + flow.replace(' } ]', ` }, { ${fresh} } ]`)],
    [
      'a list without indent, with other ends of lines',
      `${head}tag_rules:\r\n- number: 1\r\n  ${rule.replaceAll(', ', '\r\n  ')} # x\r\n`,
      `${next}tag_rules:\r\n- number: 1\r\n  ${rule.replaceAll(', ', '\r\n  ')} # x\r\n${lines.replaceAll(/^ {2}/gm, '')}`,
    ],
  ];
  for (const [name, text, expected] of table) t.equal(edited(text, add), expected, name);
  const without = (number: number) => (state: ManagedState) => removeTagRule(state, 'a', number);
  t.equal(edited(head + flow, without(1)), head + flow.replace(/\{number: 1.*?\} , /, ''));
  t.equal(edited(head + flow, without(2)), head + flow.replace(/ , \{ number: 2.*?\}/, ''));
  const both = (state: ManagedState) => removeTagRule(without(1)(state)[0], 'a', 2);
  t.equal(edited(head + flow, both), `${head}tag_rules: [  ] # both\n`);
  const block = `${head}tag_rules: # list\n  # one\n  - number: 1\n    ${rule.replaceAll(', ', '\n    ')}\n`;
  t.equal(edited(block, without(1)), `${head}tag_rules: [] # list\n`);
  const levels = { minimumAccessLevelForPush: 'owner', minimumAccessLevelForDelete: 'admin' } as const;
  const owned = edited(head + flow, (state) => changeTagRule(state, 'a', 1, levels));
  t.match(
    owned,
    '{number: 1, project: a, tag_name_pattern: x, minimum_access_level_for_push: owner, minimum',
  );
  t.equal(
    edited(owned, (state) => changeTagRule(state, 'a', 1, { immutable: true })),
    head + flow,
  );
  const json = '{"next_number": 5, "projects": [{"number": 1, "path": "a"}]}\n';
  const repository = { repositoryPathPattern: 'a/*', minimumAccessLevelForPush: 'owner' } as const;
  t.match(
    edited(json, (state) => addRepositoryRule(state, 'a', repository)),
    '{"next_number": 6, "projects": [{"number": 1, "path": "a"}], repository_rules: [{ number: 5',
  );
  t.end();
});

t.test('an edit that would not say what it should is refused', (t) => {
  const state = managedStateOf(managedOf(head));
  const refused = { message: /too unusual/ };
  const [next] = addTagRule(state, 'a', { tagNamePattern: 'n' });
  t.throws(() => editManagedRules(`${head}tag_rules: [x]\n`, state, next), refused);
  t.throws(() => editManagedRules('[]\n', state, next), { message: /no rules/ });
  t.end();
});
