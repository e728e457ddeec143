import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { decide } from '../../src/core/decision.ts';
import { checkedTagPattern, compileRepositoryPattern } from '../../src/core/pattern.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import type { RuleSet } from '../../src/core/rule.ts';
import { ruleSet } from '../fixtures/rules.ts';

interface Written {
  readonly repositories: string;
  readonly tags: string;
}

const ruleCount = 10_000;
const promisedBytes = 50_000_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function usedBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** As a replica reads them from what was published: every string is its own. */
function decoded(write: (at: number) => Written): RuleSet {
  const text = JSON.stringify(Array.from({ length: ruleCount }, (_, at) => write(at)));
  const tagRules = (JSON.parse(text) as Written[]).map(({ repositories, tags }, at) => ({
    kind: 'immutable' as const,
    id: `rule ${at}`,
    repositories: compileRepositoryPattern(repositories),
    tags: checkedTagPattern(tags),
    admitsFirstPushFromMs: 0,
  }));
  return ruleSet({ tagRules });
}

function push(rules: RuleSet, repository: string, tag: string): string {
  return decide(
    rules,
    {
      kind: 'putManifest',
      repository: repository as Repository,
      reference: { tag: tag as Tag },
      tags: [tag as Tag],
    },
    { groups: [], defaultAccessLevel: 'developer' },
    { nowMs: 0, tags: new Map() },
  ).effect;
}

t.test('10,000 rules and 1,000 decisions in all kinds of repositories take less than 50 MB', (t) => {
  const repositories = ['team-#/app', 'group-#/*', '*/tool-#', 'org/*/part-#/*'];
  const tags = [
    '^release-#-\\d+(\\.\\d+)*$',
    '^v\\d+\\.\\d+',
    '^latest$',
    '-rc\\d+$',
    '^(dev|test)-#[a-z]?$',
  ];
  const numbered = (text: string | undefined, at: number): string => (text ?? '').replace('#', `${at}`);
  const before = usedBytes();
  const rules = decoded((at) => ({
    repositories: numbered(repositories[at % 4], at),
    tags: numbered(tags[at % 5], at),
  }));
  let undecided = 0;
  for (let count = 0; count < 1_000; count += 1) {
    const at = count * 10 + (count % 4);
    const repository =
      [`team-${at}/app`, `group-${at}/a/b`, `a/b/tool-${at}`, `org/a/part-${at}/b`][at % 4] ?? '';
    const tag = [`release-${at}-1.2`, 'v1.2', 'latest', 'x-rc1', `dev-${at}`][at % 5] ?? '';
    if (push(rules, repository, tag) === 'undecided') undecided += 1;
  }
  const grownBytes = usedBytes() - before;
  t.equal(undecided, 1_000, 'each repository and tag has its rule');
  t.ok(grownBytes < promisedBytes, `${(grownBytes / 1e6).toFixed(1)} MB`);
  t.equal(rules.tagRules.length, ruleCount);
  t.end();
});

t.test('nor do 10,000 patterns that must all be compiled for one decision', (t) => {
  const before = usedBytes();
  const rules = decoded((at) => ({ repositories: '*', tags: `^(a${at}|b${at})(x|y${at})*$` }));
  t.equal(push(rules, 'any', 'a17x'), 'undecided');
  t.equal(push(rules, 'any', 'c17x'), 'allow');
  const grownBytes = usedBytes() - before;
  t.ok(grownBytes < promisedBytes, `${(grownBytes / 1e6).toFixed(1)} MB`);
  t.equal(rules.tagRules.length, ruleCount);
  t.end();
});
