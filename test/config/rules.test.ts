import fc from 'fast-check';
import t from 'tap';
import type { RuleSet } from '../../src/core/rule.ts';
import { parseRules } from '../../src/config/rules.ts';

function rulesOf(text: string): RuleSet {
  const parsed = parseRules(text);
  if ('errors' in parsed) throw new Error(parsed.errors.join('\n'));
  return parsed.rules;
}

function errorsOf(text: string): readonly string[] {
  const parsed = parseRules(text);
  return 'errors' in parsed ? parsed.errors : [];
}

const everything = `
repository_rules:
  - id: frozen
    repository_path_pattern: flightjs/flight
    minimum_access_level_for_push: no_access
    minimum_access_level_for_delete: admin
tag_rules:
  - id: latest-by-maintainers
    tag_name_pattern: ^latest$
    minimum_access_level_for_push: maintainer
    referrers: mutable
  - repository_path_pattern: flightjs/*
    tag_name_pattern: ^v\\d+\\.\\d+
    tag_name_exclude_pattern: -rc
    immutable: true
    enforcement: deny
    referrers: immutable
    tombstone: true
members:
  - { subject: ci-release, repository_path_pattern: flightjs/*, access_level: maintainer }
  - { group: release-bots, access_level: owner }
`;

t.test('every key of the format', (t) => {
  const { version, repositoryRules, tagRules, members } = rulesOf(everything);
  t.match(version, /^[0-9a-f]{12}$/);
  t.match(repositoryRules, [
    {
      id: 'frozen',
      repositories: { source: 'flightjs/flight' },
      minimumAccessLevelForPush: 'no_access',
      minimumAccessLevelForDelete: 'admin',
    },
  ]);
  t.match(tagRules, [
    {
      kind: 'protected',
      id: 'latest-by-maintainers',
      minimumAccessLevelForPush: 'maintainer',
      referrers: 'mutable',
    },
    {
      kind: 'immutable',
      tags: { source: '^v\\d+\\.\\d+' },
      excludedTags: { source: '-rc' },
      admitsFirstPushFromMs: 0,
      referrers: 'immutable',
      tombstone: true,
    },
  ]);
  t.notOk(tagRules[0]?.repositories, 'no repository pattern: every repository');
  t.match(members, [
    { subject: 'ci-release', accessLevel: 'maintainer' },
    { group: 'release-bots', repositories: { source: '*' }, accessLevel: 'owner' },
  ]);
  t.end();
});

t.test('a rule without an id is named after what it says', (t) => {
  const ids = (text: string): string[] => {
    const { repositoryRules, tagRules } = rulesOf(text);
    return [...repositoryRules, ...tagRules].map((rule) => rule.id);
  };
  t.same(ids(everything), [
    'frozen',
    'latest-by-maintainers',
    'immutable referrers=immutable tombstone ^v\\d+\\.\\d+ except -rc in flightjs/*',
  ]);
  t.same(
    ids(`repository_rules:
  - { repository_path_pattern: a/b, minimum_access_level_for_delete: owner }
tag_rules:
  - { tag_name_pattern: ^latest$, minimum_access_level_for_push: owner, minimum_access_level_for_delete: no_access }
  - { tag_name_pattern: "a b\\né", immutable: true }
`),
    [
      'delete=owner in a/b',
      'push=owner delete=no_access ^latest$',
      // On one line of ASCII, for it goes into headers and logs; and still the same pattern in RE2.
      'immutable a\\x{20}b\\x{a}\\x{e9}',
    ],
  );
  t.end();
});

t.test('what is written out though it is the default says nothing', (t) => {
  const rule = 'tag_name_pattern: a, immutable: true';
  const [plain, written] = [rule, `${rule}, referrers: append_only, tombstone: false`].map(
    (text) => rulesOf(`tag_rules: [{ ${text} }]\n`).tagRules[0],
  );
  t.equal(written?.id, plain?.id);
  t.same(Object.keys(written ?? {}), Object.keys(plain ?? {}));
  t.end();
});

t.test('sound texts', (t) => {
  const texts = {
    'an explicit nothing': 'tag_rules: []\n',
    'one list of the three': 'members: [{ subject: a, access_level: guest }]\n',
    'the end marked': 'tag_rules: []\n...\n',
    'a start marked': '---\ntag_rules: []\n',
    'Windows line breaks': 'tag_rules:\r\n  - tag_name_pattern: a\r\n    immutable: true\r\n',
    'a byte order mark': '\ufefftag_rules: []\n',
    JSON: '{"tag_rules": [{"tag_name_pattern": "a", "immutable": true}]}\n',
    'immutable: false beside levels':
      'tag_rules: [{ tag_name_pattern: a, immutable: false, minimum_access_level_for_push: owner }]\n',
    'defaults of what only an immutable tag has, beside levels':
      'tag_rules: [{ tag_name_pattern: a, referrers: append_only, tombstone: false, minimum_access_level_for_push: owner }]\n',
    'an id of 63 characters': `tag_rules: [{ id: ${'a'.repeat(63)}, tag_name_pattern: a, immutable: true }]\n`,
  };
  for (const [name, text] of Object.entries(texts)) t.same(errorsOf(text), [], name);
  t.not(rulesOf('tag_rules: []\n').version, rulesOf('tag_rules: [] \n').version, 'a version names the text');
  t.end();
});

t.test('a text that was cut in the middle of a line is refused', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: everything.length - 1 }), (length) => {
        const prefix = everything.slice(0, length);
        return prefix.endsWith('\n') || errorsOf(prefix).length > 0;
      }),
    );
  });
  t.end();
});

t.test('whatever the text, there is an answer', (t) => {
  const bits = [
    'tag_rules',
    ':',
    ' ',
    '\n',
    '  - ',
    '[',
    ']',
    '{',
    '}',
    '&a',
    '*a',
    '!b',
    '"',
    "'",
    '|',
    '%',
    '---',
    '\t',
    '#',
  ];
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...bits), fc.string()), { maxLength: 30 }), (pieces) => {
        const parsed = parseRules(pieces.join(''));
        return 'rules' in parsed || parsed.errors.length > 0;
      }),
      { numRuns: 500 },
    );
  });
  t.end();
});

t.test('who may make a tag, when it becomes immutable, and what a rule only warns of', (t) => {
  const { repositoryRules, tagRules } = rulesOf(`repository_rules:
  - { repository_path_pattern: a, minimum_access_level_for_push: owner, enforcement: warn }
tag_rules:
  - { tag_name_pattern: a, minimum_access_level_for_create: developer, minimum_access_level_for_push: owner }
  - { tag_name_pattern: b, immutable: true, immutable_after: 90m }
  - { tag_name_pattern: b, immutable: true, immutable_after: 90m, enforcement: warn }
`);
  t.match(repositoryRules, [{ id: 'push=owner enforcement=warn in a', enforcement: 'warn' }]);
  t.match(tagRules, [
    { id: 'create=developer push=owner a', minimumAccessLevelForCreate: 'developer' },
    { id: 'immutable after=5400s b', immutableAfterMs: 5_400_000 },
    { id: 'immutable after=5400s enforcement=warn b', enforcement: 'warn' },
  ]);
  t.notOk(tagRules[0] && 'enforcement' in tagRules[0]);
  const times = { '1s': 1_000, '15m': 900_000, '1h': 3_600_000, '365d': 31_536_000_000 };
  for (const [text, ms] of Object.entries(times)) {
    const rules = rulesOf(
      `tag_rules: [{ tag_name_pattern: b, immutable: true, immutable_after: ${text} }]\n`,
    );
    t.match(rules.tagRules, [{ immutableAfterMs: ms }], text);
  }
  t.end();
});

t.test('a whole file that only warns', (t) => {
  const { repositoryRules, tagRules } = rulesOf(`enforcement: warn${everything}`);
  t.ok([...repositoryRules, ...tagRules].every(({ enforcement }) => enforcement === 'warn'));
  t.same(
    tagRules.map(({ id }) => id),
    rulesOf(everything).tagRules.map(({ id }) => id),
    'by the same names',
  );
  t.same(errorsOf('enforcement: warn\n'), ['1:1 needs repository_rules, tag_rules or members; [] for none']);
  t.end();
});
