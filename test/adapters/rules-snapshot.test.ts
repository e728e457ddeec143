import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readSnapshot, fingerprintOf, writeSnapshot } from '../../src/adapters/rules-snapshot.ts';
import { parseRules } from '../../src/config/rules.ts';
import { compileProjectPattern } from '../../src/core/pattern.ts';
import { immutableTags, protectedTags, repositoryRule, ruleSet } from '../fixtures/rules.ts';

const long = 7_000;
const timeOf = (toldMs = long): number => toldMs;

t.test('what is written is read as it was', (t) => {
  const text = readFileSync(join(import.meta.dirname, '../../config/rules.yaml'), 'utf8');
  const parsed = parseRules(text);
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  const { rules } = parsed;
  const snapshot = writeSnapshot(rules, (rule) => rule.admitsFirstPushFromMs);
  const read = { version: 'other', ...readSnapshot(snapshot, timeOf) };
  t.equal(
    writeSnapshot(read, (rule) => rule.admitsFirstPushFromMs),
    snapshot,
  );
  t.equal(fingerprintOf(read), fingerprintOf(rules));
  for (const tag of ['latest', 'v1.2.3', 'v1.2.3-rc1', '1.0', 'x']) {
    for (const repository of ['flightjs/app', 'a/b', 'team']) {
      const asked = (of: typeof rules): unknown[] =>
        of.tagRules.map(({ repositories, tags, excludedTags }) => [
          repositories?.matches(repository),
          tags.matches(tag),
          excludedTags?.matches(tag),
        ]);
      t.same(asked(read), asked(rules), `${repository}:${tag}`);
    }
  }
  t.end();
});

t.test('what only some rules say is written and read too', (t) => {
  const kept = { ...immutableTags('i', '^v', { tombstone: true }), referrers: 'mutable' as const };
  const owned = { ...protectedTags('p', 'main', { push: 'owner' }), referrers: 'mutable' as const };
  const rules = ruleSet({ tagRules: [kept, owned, immutableTags('plain', '^w')] });
  const { tagRules } = readSnapshot(
    writeSnapshot(rules, (rule) => rule.admitsFirstPushFromMs),
    timeOf,
  );
  t.match(tagRules, [{ referrers: 'mutable', tombstone: true }, { referrers: 'mutable' }, {}]);
  t.notOk(tagRules[2] && ('referrers' in tagRules[2] || 'tombstone' in tagRules[2]), 'absent stays absent');
  t.equal(fingerprintOf(ruleSet({ tagRules })), fingerprintOf(rules));
  t.end();
});

t.test('what a rule of the management API is, and what warns, and when, is written and read', (t) => {
  const managed = { number: 7, project: 'a' };
  const rules = {
    ...ruleSet({
      tagRules: [
        {
          ...immutableTags('managed-7', '^v'),
          managed,
          immutableAfterMs: 5_000,
          enforcement: 'warn' as const,
        },
        { ...protectedTags('p', 'main', { push: 'owner' }), minimumAccessLevelForCreate: 'guest' as const },
      ],
    }),
    registry: { projects: [{ number: 1, path: 'a' }], nextNumber: 8 },
  };
  const [made] = rules.tagRules;
  if (made) Object.assign(made, { repositories: compileProjectPattern('a') });
  const read = readSnapshot(
    writeSnapshot(rules, (rule) => rule.admitsFirstPushFromMs),
    timeOf,
  );
  t.match(read, {
    registry: rules.registry,
    tagRules: [
      { managed, immutableAfterMs: 5_000, enforcement: 'warn' },
      { minimumAccessLevelForCreate: 'guest' },
    ],
  });
  const own = read.tagRules[0]?.repositories;
  t.same(
    ['a', 'A/b', 'ab'].map((repository) => own?.matches(repository)),
    [true, true, false],
    'all of its project, and nothing else',
  );
  t.end();
});

t.test('a snapshot from before those is read', (t) => {
  const old = `{"format":1,"tagPatternLanguage":"re2","repositoryRules":[],"tagRules":[{"admitsFirstPushFromMs":5,"excludedTags":"rc","id":"i","kind":"immutable","repositories":"a","tags":"^v"}],"members":[]}`;
  t.match(readSnapshot(old, timeOf).tagRules, [{ id: 'i', kind: 'immutable', admitsFirstPushFromMs: 5 }]);
  t.end();
});

t.test('what rules say has one form, whatever made them', (t) => {
  const one = immutableTags('i', '^v', { repositories: 'a', except: 'rc', admitsFirstPushFromMs: 5 });
  const reversed = Object.fromEntries(Object.entries(one).reverse()) as unknown as typeof one;
  t.equal(
    fingerprintOf(ruleSet({ tagRules: [one] })),
    fingerprintOf(ruleSet({ version: 'x', tagRules: [reversed] })),
  );
  t.not(
    fingerprintOf(ruleSet({ tagRules: [one] })),
    fingerprintOf(ruleSet({ tagRules: [{ ...one, id: 'j' }] })),
    'an id is told to clients',
  );
  t.end();
});

t.test('each time is told, or is that of what is new', (t) => {
  const rules = ruleSet({ tagRules: [immutableTags('known', 'a'), immutableTags('new', 'b')] });
  const snapshot = writeSnapshot(rules, ({ id }) => (id === 'known' ? 5 : undefined));
  const { tagRules } = readSnapshot(snapshot, timeOf);
  t.match(tagRules, [{ admitsFirstPushFromMs: 5 }, { admitsFirstPushFromMs: long }]);
  t.end();
});

const refused = { name: 'SnapshotRefused' };

interface Snapshot {
  format: unknown;
  tagPatternLanguage: unknown;
  repositoryRules: Record<string, unknown>[];
  tagRules: Record<string, unknown>[];
  members: Record<string, unknown>[];
  [other: string]: unknown;
}

t.test('all of it is understood, or nothing is taken', (t) => {
  const good = writeSnapshot(
    ruleSet({
      repositoryRules: [repositoryRule('r', 'team/*', { push: 'maintainer' })],
      tagRules: [immutableTags('i', '^v\\d'), protectedTags('p', 'main', { delete: 'no_access' })],
      members: [{ subject: 'ci', repositories: immutableTags('x', 'x').tags, accessLevel: 'owner' }],
    }),
    () => undefined,
  );
  t.doesNotThrow(() => readSnapshot(good, timeOf));
  const cases: [name: string, change: (snapshot: Snapshot) => void, message: RegExp][] = [
    ['a later format', (it) => (it.format = 4), /format/],
    ['no format', (it) => delete it.format, /format/],
    ['a list that is unknown', (it) => (it['quotas'] = []), /snapshot has "quotas"/],
    ['a list that is missing', (it) => delete (it as Partial<Snapshot>).members, /snapshot\.members/],
    ['no list', (it) => (it.tagRules = {} as never), /snapshot\.tagRules/],
    ['no object', (it) => (it.members = ['x'] as never), /members\[0\] is no object/],
    ['a rule that says more', at('tagRules', 1, { unless: 'x' }), /tagRules\[1\] has "unless"/],
    ['a member that says more', at('members', 0, { until: 1 }), /members\[0\] has "until"/],
    ['a rule without an id', at('repositoryRules', 0, { id: undefined }), /repositoryRules\[0\]\.id/],
    ['an id twice', at('tagRules', 0, { id: 'r' }), /two rules have the id "r"/],
    ['another kind', at('tagRules', 0, { kind: 'frozen' }), /tagRules\[0\]\.kind/],
    ['a level that is unknown', at('repositoryRules', 0, { minimumAccessLevelForPush: 'king' }), /ForPush/],
    ['no level', at('repositoryRules', 0, { minimumAccessLevelForPush: undefined }), /ForPush/],
    ['levels of an immutable rule', at('tagRules', 0, { minimumAccessLevelForPush: 'owner' }), /kind/],
    ['a time of a protected rule', at('tagRules', 1, { admitsFirstPushFromMs: 1 }), /kind/],
    ['a tombstone of a protected rule', at('tagRules', 1, { tombstone: true }), /kind/],
    ['a tombstone that is none', at('tagRules', 0, { tombstone: 1 }), /tagRules\[0\]\.tombstone/],
    ['a treatment that is unknown', at('tagRules', 1, { referrers: 'x' }), /tagRules\[1\]\.referrers/],
    ['a time that is none', at('tagRules', 0, { admitsFirstPushFromMs: '1' }), /admitsFirstPushFromMs/],
    ['no pattern', at('tagRules', 0, { tags: undefined }), /tagRules\[0\]\.tags/],
    ['a repository pattern that is none', at('tagRules', 0, { repositories: '(' }), /repositories: not a/],
    ['nobody', at('members', 0, { subject: undefined }), /members\[0\]\.group/],
    ['two at once', at('members', 0, { group: 'g' }), /members\[0\]\.group/],
    ['no_access of a member', at('members', 0, { accessLevel: 'no_access' }), /accessLevel/],
    [
      'a pattern that only another language knows',
      (it) => {
        it.tagPatternLanguage = 'another one';
        at('tagRules', 0, { tags: '(?<=a)b' })(it);
      },
      /tagRules\[0\]\.tags/,
    ],
  ];
  for (const [name, change, message] of cases) {
    const snapshot = JSON.parse(good) as Snapshot;
    change(snapshot);
    t.throws(() => readSnapshot(JSON.stringify(snapshot), timeOf), { ...refused, message }, name);
  }
  for (const text of ['', 'x', 'null', '[]', good.slice(0, -1)])
    t.throws(() => readSnapshot(text, timeOf), refused, text.slice(0, 5));
  const elsewhere = JSON.parse(good) as Snapshot;
  elsewhere.tagPatternLanguage = 'another one';
  t.doesNotThrow(() => readSnapshot(JSON.stringify(elsewhere), timeOf), 'what both languages know is read');
  t.end();
});

function at(list: 'repositoryRules' | 'tagRules' | 'members', index: number, fields: object) {
  return (snapshot: Snapshot): void => {
    Object.assign(snapshot[list][index] ?? {}, fields);
  };
}
