import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { accessLevels, isAccessLevel, rankOf } from '../../src/core/access-level.ts';
import { decide } from '../../src/core/decision.ts';
import { compileRepositoryPattern, compileTagPattern, type Pattern } from '../../src/core/pattern.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import {
  accessLevelIn,
  coversRepository,
  coversTag,
  immutableRulesFor,
  repositoryRulesFor,
  tagRulesFor,
  tagRulesIn,
  type Caller,
  type Member,
  type RepositoryRule,
  type RuleSet,
  type TagRule,
} from '../../src/core/rule.ts';
import { bindToken, readTokenPatterns } from '../../src/core/token-rules.ts';
import { ruleSet } from '../fixtures/rules.ts';

const repositoryPattern = fc
  .array(fc.constantFrom('a', 'b', 'A', '*', 'a/', 'b/', 'ab'), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(''))
  .filter((source) => /^[^/].*[^/]$|^[^/]$/.test(source) && !source.includes('//'))
  .map(compileRepositoryPattern);
/** Many rules with the same one too. */
const repositoryPatterns = fc.oneof(
  fc.constantFrom('*', 'a*', '*b').map(compileRepositoryPattern),
  repositoryPattern,
);
const tagPattern = fc
  .constantFrom(
    '.*',
    '^a',
    'b$',
    '^ab$',
    'a',
    '-',
    '^a\\d',
    '^(a|b)-',
    'a|b',
    '(?i)^A',
    '^a.*-b',
    '^[ab]+$',
    '\\d-',
  )
  .map(compileTagPattern);
const repository = fc
  .array(fc.constantFrom('a', 'b', 'A', 'ab', '/a', '/b'), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('') as Repository);
const tag = fc
  .array(fc.constantFrom('a', 'b', 'A', '-', '1'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('') as Tag);

const level = fc.constantFrom(...Object.keys(accessLevels).filter(isAccessLevel));
const repositoryRule = repositoryPatterns.map((repositories): RepositoryRule => ({ id: 'r', repositories }));
const tagRule: fc.Arbitrary<TagRule> = fc.record(
  {
    id: fc.constant('t'),
    kind: fc.constant('immutable' as const),
    admitsFirstPushFromMs: fc.nat(),
    tags: tagPattern,
    repositories: repositoryPatterns,
    excludedTags: tagPattern,
  },
  { requiredKeys: ['id', 'kind', 'admitsFirstPushFromMs', 'tags'] },
);
const protectedRule = fc.record({
  id: fc.constant('p'),
  kind: fc.constant('protected' as const),
  tags: tagPattern,
  repositories: repositoryPatterns,
});
const name = fc.constantFrom('x', 'y', 'z');
const member: fc.Arbitrary<Member> = fc.record(
  { subject: name, group: name, repositories: repositoryPatterns, accessLevel: level },
  { requiredKeys: ['repositories', 'accessLevel'] },
);
const caller: fc.Arbitrary<Caller> = fc.record(
  { subject: name, groups: fc.uniqueArray(name), defaultAccessLevel: level },
  { requiredKeys: ['groups', 'defaultAccessLevel'] },
);
// Few and many: an index asks few one by one.
const rules: fc.Arbitrary<RuleSet> = fc
  .record({
    repositoryRules: fc.array(repositoryRule, { maxLength: 30, size: 'max' }),
    tagRules: fc.array(fc.oneof(tagRule, protectedRule), { maxLength: 60, size: 'max' }),
    members: fc.array(member, { maxLength: 60, size: 'max' }),
    tokenRules: fc.array(tagRule, { maxLength: 2 }),
  })
  .map(ruleSet);

/** The level by asking every member. */
function levelByAll({ members }: RuleSet, repository: Repository, caller: Caller): number {
  const ranks = members
    .filter(({ repositories }) => repositories.matches(repository))
    .filter(({ subject, group }) =>
      subject === undefined
        ? group !== undefined && caller.groups.includes(group)
        : subject === caller.subject,
    )
    .map(({ accessLevel }) => rankOf(accessLevel));
  return Math.max(rankOf(caller.defaultAccessLevel), ...ranks);
}

t.test('an index finds what asking every rule finds, in the same order', (t) => {
  const questions = fc.array(fc.tuple(repository, tag, caller), { minLength: 1, maxLength: 10 });
  let found = 0;
  fc.assert(
    fc.property(rules, questions, (rules, questions) => {
      const tagRules = [...rules.tagRules, ...(rules.tokenRules ?? [])];
      // Each question twice: the second answer was kept.
      for (const [repository, tag, caller] of [...questions, ...questions]) {
        const matching = tagRules.filter((rule) => coversTag(rule, repository, tag));
        found += matching.length;
        deepStrictEqual(tagRulesFor(rules, repository, tag), matching);
        const immutable = matching.filter(({ kind }) => kind === 'immutable');
        deepStrictEqual(immutableRulesFor(rules, repository, tag), immutable);
        const inRepository = tagRules.filter((rule) => coversRepository(rule, repository));
        deepStrictEqual(tagRulesIn(rules, repository), inRepository);
        const own = rules.repositoryRules.filter((rule) => rule.repositories.matches(repository));
        deepStrictEqual(repositoryRulesFor(rules, repository), own);
        strictEqual(rankOf(accessLevelIn(rules, repository, caller)), levelByAll(rules, repository, caller));
      }
    }),
    { numRuns: 500 },
  );
  t.ok(found > 5_000, `${found} matches`);
  t.end();
});

/** Counts how often it is asked, and how often its literal is read, which only making an index does. */
function counting(pattern: Pattern, counts: { asked: number; indexed: number }): Pattern {
  return {
    source: pattern.source,
    get literal() {
      counts.indexed += 1;
      return pattern.literal;
    },
    matches: (text) => {
      counts.asked += 1;
      return pattern.matches(text);
    },
  };
}

const many = 2_000;
const noFacts = { nowMs: 0, tags: new Map() };

function push(rules: RuleSet, caller: Caller, path: string, tag: string): string {
  const repository = path as Repository;
  const tags = [tag as Tag];
  const reference = { tag: tag as Tag };
  return decide(rules, { kind: 'putManifest', repository, reference, tags }, caller, noFacts).effect;
}

t.test('one decision asks a few of many patterns, and one that was made before asks none', (t) => {
  const counts = { asked: 0, indexed: 0 };
  const counted = <Item>(make: (at: number) => Item): Item[] =>
    Array.from({ length: many }, (_, at) => make(at));
  const rules = ruleSet({
    repositoryRules: counted((at) => ({
      id: `r${at}`,
      repositories: counting(compileRepositoryPattern(`*/frozen-${at}`), counts),
      minimumAccessLevelForPush: 'owner',
    })),
    tagRules: [
      ...counted((at): TagRule => ({
        id: `t${at}`,
        kind: 'immutable',
        repositories: counting(compileRepositoryPattern(`team-${at}/*`), counts),
        tags: counting(compileTagPattern('^v\\d'), counts),
        admitsFirstPushFromMs: 0,
      })),
      ...counted((at): TagRule => ({
        id: `all${at}`,
        kind: 'protected',
        tags: counting(compileTagPattern(`^release-${at}-`), counts),
        minimumAccessLevelForPush: 'owner',
      })),
    ],
    members: counted((at) => ({
      subject: 'ci',
      repositories: counting(compileRepositoryPattern(`team-${at}/app`), counts),
      accessLevel: 'maintainer' as const,
    })),
  });
  const caller: Caller = { subject: 'ci', groups: [], defaultAccessLevel: 'developer' };
  const cases: [repository: string, tag: string, effect: string][] = [
    ['team-1700/app', 'v1', 'undecided'],
    ['team-17/app', 'latest', 'allow'],
    ['team-17/app', 'release-1700-1', 'deny'],
    ['x/frozen-1700', 'latest', 'deny'],
    ['elsewhere', 'latest', 'allow'],
  ];
  push(rules, caller, 'elsewhere', 'any');
  for (const [repository, tag, effect] of cases) {
    counts.asked = 0;
    t.equal(push(rules, caller, repository, tag), effect, `${repository}:${tag}`);
    t.ok(counts.asked <= 20, `${counts.asked} patterns were asked`);
  }
  counts.asked = 0;
  for (const [repository, tag] of cases) push(rules, caller, repository, tag);
  t.ok(counts.asked <= 20, `${counts.asked} patterns were asked again, all of them members'`);
  t.end();
});

t.test('a token adds its rules to one request, and makes no new index of all the others', (t) => {
  const counts = { asked: 0, indexed: 0 };
  const tagRules = Array.from({ length: many }, (_, at): TagRule => ({
    id: `t${at}`,
    kind: 'immutable',
    repositories: counting(compileRepositoryPattern(`team-${at}/*`), counts),
    tags: compileTagPattern('^v\\d'),
    admitsFirstPushFromMs: 0,
  }));
  const rules = ruleSet({ tagRules });
  const meta = { tag_deny_access_patterns: { push: ['^secret'] } };
  const caller: Caller = {
    groups: [],
    defaultAccessLevel: 'developer',
    tokenPatterns: [readTokenPatterns('team-1/app', meta)],
  };
  t.equal(push(rules, caller, 'team-1/app', 'v1'), 'undecided');
  t.not(counts.indexed, 0);
  counts.indexed = 0;
  const bound = bindToken(rules, 'team-1/app' as Repository, caller);
  if ('effect' in bound) return t.fail('its patterns are good');
  t.equal(push(bound, caller, 'team-1/app', 'secret-1'), 'deny', 'the rule of the token');
  t.equal(push(bound, caller, 'team-1/app', 'v2'), 'undecided', 'and ours');
  t.equal(push(rules, caller, 'team-1/app', 'secret-1'), 'allow', 'but for this request alone');
  t.equal(counts.indexed, 0);
  return t.end();
});
