import t from 'tap';
import { parseRules } from '../../src/config/rules.ts';

function errorsOf(text: string): readonly string[] {
  const parsed = parseRules(text);
  return 'errors' in parsed ? parsed.errors : [];
}

const immutable = 'tag_name_pattern: a, immutable: true';

t.test('each error, with its line, its column, its place and its mend', (t) => {
  const cases: [name: string, text: string, error: string][] = [
    ['empty', '', '1:1 the document is empty'],
    ['only a comment', '# rules\n', '1:1 the document is empty'],
    ['no list', '{}\n', '1:1 needs repository_rules, tag_rules or members; [] for none'],
    [
      'a list that was cut off',
      'members: []\ntag_rules:\n',
      '2:11 tag_rules: is empty; it must be a list ([] for none)',
    ],
    [
      'a list of another type',
      'tag_rules: {}\n',
      '1:12 tag_rules: must be a list ([] for none), not a mapping',
    ],
    ['an unknown list', 'tags_rules: []\n', '1:1 unknown key "tags_rules"; did you mean tag_rules?'],
    [
      'no line break at the end',
      `tag_rules: [{ ${immutable} }]`,
      '1:54 the last line needs a line break at its end',
    ],
    [
      'an unknown key',
      `tag_rules:\n  - { ${immutable}, tag_patern: b }\n`,
      '2:45 tag_rules[0]: unknown key "tag_patern"; did you mean tag_name_pattern?',
    ],
    [
      'a key that is like nothing',
      `tag_rules: [{ ${immutable}, colour: red }]\n`,
      '1:53 tag_rules[0]: unknown key "colour"',
    ],
    [
      'a key twice',
      `tag_rules:\n  - id: a\n    tag_name_pattern: a\n    immutable: true\n    id: b\n`,
      '5:5 tag_rules[0]: key "id" is given twice, first at 2:9',
    ],
    ['a merge key', `tag_rules: [{ ${immutable}, <<: {} }]\n`, '1:53 tag_rules[0]: unknown key "<<"'],
    [
      'an alias',
      `tag_rules: [{ immutable: true, tag_name_pattern: *x }]\n`,
      '1:50 an alias is not accepted; repeat the value, or quote "*x"',
    ],
    ['an anchor', `tag_rules: &x []\n`, '1:15 an anchor is not accepted; remove &x, or quote it'],
    ['a tag', `tag_rules: !own []\n`, '1:12 Unresolved tag: !own; remove it, or put the value in quotes'],
    ['a directive', '%YAML 1.1\n---\ntag_rules: []\n', '1:1 a directive is not accepted; remove %YAML'],
    [
      'two documents',
      'tag_rules: []\n---\nmembers: []\n',
      '2:1 a second document starts here; keep one, and nothing after a line "..."',
    ],
    ['a tab', 'tag_rules:\n\t[]\n', '2:1 broken YAML: Tabs are not allowed as indentation'],
    ['a NUL', 'tag_rules: []\n\0\n', '2:1 unprintable character "\\u0000"; remove it'],
    ['no tag pattern', 'tag_rules: [{ immutable: true }]\n', '1:13 tag_rules[0]: needs tag_name_pattern'],
    [
      'a number for a pattern',
      'tag_rules: [{ tag_name_pattern: 1.0, immutable: true }]\n',
      '1:33 tag_rules[0].tag_name_pattern: must be text, not 1.0; put quotes around it',
    ],
    [
      'an empty pattern',
      'tag_rules: [{ tag_name_pattern: "", immutable: true }]\n',
      '1:33 tag_rules[0].tag_name_pattern: not a pattern: empty; for every tag write .*',
    ],
    [
      'a pattern that is none',
      'tag_rules: [{ tag_name_pattern: "(", immutable: true }]\n',
      '1:33 tag_rules[0].tag_name_pattern: not a pattern: error parsing regexp: missing closing ): `(`',
    ],
    [
      'a regular expression for a repository',
      `tag_rules: [{ repository_path_pattern: ^a$, ${immutable} }]\n`,
      '1:40 tag_rules[0].repository_path_pattern: not a pattern: not a repository path with optional wildcards (*); regular expressions are for tags',
    ],
    [
      'a word that is almost true',
      'tag_rules: [{ tag_name_pattern: a, immutable: tru }]\n',
      '1:47 tag_rules[0].immutable: must be true or false, not "tru"',
    ],
    [
      'immutable: false alone',
      'tag_rules: [{ tag_name_pattern: a, immutable: false }]\n',
      '1:47 tag_rules[0].immutable: false restricts nothing; write true, or give minimum_access_level_for_push or minimum_access_level_for_delete',
    ],
    [
      'neither immutable nor a level',
      'tag_rules: [{ tag_name_pattern: a }]\n',
      '1:13 tag_rules[0]: restricts nothing; give immutable: true, or minimum_access_level_for_push or minimum_access_level_for_delete',
    ],
    [
      'both',
      `tag_rules: [{ minimum_access_level_for_push: owner, ${immutable} }]\n`,
      '1:85 tag_rules[0].immutable: is for everyone, so it takes no minimum levels; make two rules of it',
    ],
    [
      'an unknown level',
      'tag_rules: [{ tag_name_pattern: a, minimum_access_level_for_push: mantainer }]\n',
      '1:67 tag_rules[0].minimum_access_level_for_push: must be one of anonymous, guest, reporter, developer, maintainer, owner, admin, no_access, not "mantainer"; did you mean maintainer?',
    ],
    [
      'an unknown enforcement',
      `tag_rules: [{ ${immutable}, enforcement: never }]\n`,
      '1:66 tag_rules[0].enforcement: must be one of deny, warn, not "never"',
    ],
    [
      'a level for making alone',
      'tag_rules: [{ tag_name_pattern: a, minimum_access_level_for_delete: owner, minimum_access_level_for_create: owner }]\n',
      '1:109 tag_rules[0].minimum_access_level_for_create: needs minimum_access_level_for_push beside it, for those who may move a tag',
    ],
    [
      'a level for making above that for moving',
      'tag_rules: [{ tag_name_pattern: a, minimum_access_level_for_push: developer, minimum_access_level_for_create: owner }]\n',
      '1:111 tag_rules[0].minimum_access_level_for_create: must not be above minimum_access_level_for_push (developer): who may move a tag may make one',
    ],
    [
      'a level for making what is made once anyway',
      `tag_rules: [{ ${immutable}, minimum_access_level_for_create: owner }]\n`,
      '1:86 tag_rules[0].minimum_access_level_for_create: is for rules with levels: an immutable tag may be created once anyway',
    ],
    [
      'immutable after no time',
      `tag_rules: [{ ${immutable}, immutable_after: 0h }]\n`,
      '1:70 tag_rules[0].immutable_after: must be a time as 30s, 15m, 1h or 7d, of a year at most',
    ],
    [
      'immutable after centuries',
      `tag_rules: [{ ${immutable}, immutable_after: 366d }]\n`,
      '1:70 tag_rules[0].immutable_after: must be a time as 30s, 15m, 1h or 7d, of a year at most',
    ],
    [
      'after a while, and never immutable',
      'tag_rules: [{ tag_name_pattern: a, minimum_access_level_for_push: owner, immutable_after: 1h }]\n',
      '1:91 tag_rules[0].immutable_after: is for rules with immutable: true; add that, or leave it out',
    ],
    [
      'a name that is kept from the beginning of a tag that may move',
      `tag_rules: [{ ${immutable}, immutable_after: 1h, tombstone: true }]\n`,
      '1:70 tag_rules[0].immutable_after: does not go with tombstone: true; a name that is kept from the first push on cannot move',
    ],
    [
      'an unknown treatment of referrers',
      `tag_rules: [{ ${immutable}, referrers: append-only }]\n`,
      '1:64 tag_rules[0].referrers: must be one of append_only, immutable, mutable, not "append-only"; did you mean append_only?',
    ],
    [
      'immutable referrers of a tag that may move',
      'tag_rules: [{ tag_name_pattern: a, minimum_access_level_for_push: owner, referrers: immutable }]\n',
      '1:85 tag_rules[0].referrers: immutable is for rules with immutable: true; write append_only or mutable, or leave it out',
    ],
    [
      'a tombstone of a tag that may move',
      'tag_rules: [{ tag_name_pattern: a, immutable: false, minimum_access_level_for_push: owner, tombstone: true }]\n',
      '1:103 tag_rules[0].tombstone: true is for rules with immutable: true; add that, or leave it out',
    ],
    [
      'a tombstone that is neither true nor false',
      `tag_rules: [{ ${immutable}, tombstone: "yes" }]\n`,
      '1:64 tag_rules[0].tombstone: must be true or false, not "yes"',
    ],
    [
      'an id of other characters',
      `tag_rules: [{ id: "a b", ${immutable} }]\n`,
      '1:19 tag_rules[0].id: an id has 1 to 63 letters, digits, ".", "_" or "-", and starts with a letter or a digit',
    ],
    [
      "an id of the management API's",
      `tag_rules: [{ id: managed-1, ${immutable} }]\n`,
      '1:19 tag_rules[0].id: "managed-1" is an id of the rules that the management API makes; choose another',
    ],
    [
      'an id twice',
      `repository_rules: [{ id: a, repository_path_pattern: b, minimum_access_level_for_push: owner }]\ntag_rules: [{ id: a, ${immutable} }]\n`,
      '2:19 tag_rules[0].id: "a" is the id of repository_rules[0] already; choose another',
    ],
    [
      'a rule twice',
      `tag_rules:\n  - { ${immutable} }\n  - { ${immutable} }\n`,
      '3:5 tag_rules[1]: says the same as tag_rules[0]; remove one of them',
    ],
    [
      'a repository rule without a level',
      'repository_rules: [{ repository_path_pattern: a }]\n',
      '1:20 repository_rules[0]: restricts nothing; give minimum_access_level_for_push or minimum_access_level_for_delete',
    ],
    [
      'a repository rule without a pattern',
      'repository_rules: [{ minimum_access_level_for_push: owner }]\n',
      '1:20 repository_rules[0]: needs repository_path_pattern',
    ],
    [
      'a member who is nobody',
      'members: [{ access_level: owner }]\n',
      '1:11 members[0]: needs either subject or group',
    ],
    [
      'a member who is two',
      'members: [{ subject: a, group: b, access_level: owner }]\n',
      '1:11 members[0]: needs either subject or group',
    ],
    [
      'a member without a name',
      'members: [{ subject: "", access_level: owner }]\n',
      '1:22 members[0].subject: must not be empty',
    ],
    ['a member without a level', 'members: [{ group: a }]\n', '1:11 members[0]: needs access_level'],
    [
      'a member with no access',
      'members: [{ group: a, access_level: no_access }]\n',
      '1:37 members[0].access_level: must be one of anonymous, guest, reporter, developer, maintainer, owner, admin, not "no_access"',
    ],
    ['a rule that is text', 'tag_rules: [a]\n', '1:13 tag_rules[0]: must be a mapping with id'],
    ['too large', `tag_rules: []\n${' '.repeat(16 * 1024 * 1024)}\n`, '1:1 larger than 16 MiB'],
  ];
  for (const [name, text, error] of cases) {
    const errors = errorsOf(text);
    t.ok(
      errors.some((found) => found.startsWith(error)),
      name,
      { errors },
    );
  }
  t.end();
});

t.test('what is wrong with immutable is not said of its companions too', (t) => {
  const text =
    'tag_rules: [{ tag_name_pattern: a, immutable: tru, referrers: immutable, tombstone: true }]\n';
  t.match(errorsOf(text), [/^1:47 /]);
  t.equal(errorsOf(text).filter((error) => /referrers|tombstone/.test(error)).length, 0);
  t.end();
});

t.test('all errors of a file at once, in the order of its lines', (t) => {
  const errors = errorsOf(`tag_rules:
  - tag_patern: a
    immutable: tru
  - tag_name_pattern: (
    enforcement: wrn
    immutable: true
  - *x
members:
  - access_level: boss
members: []
`);
  t.same(
    errors.map((error) => error.replace(/ .*/, '')),
    ['2:5', '2:5', '3:16', '4:23', '5:18', '7:5', '9:5', '9:19', '10:1'],
  );
  t.end();
});
