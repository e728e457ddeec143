import t from 'tap';
import { accessLevels, isAccessLevel, type AccessLevel } from '../../src/core/access-level.ts';
import { decide, tagsToLookUp } from '../../src/core/decision.ts';
import type { Decision, Facts, TagFact } from '../../src/core/verdict.ts';
import type { DeleteTag, PutManifest } from '../../src/core/operation.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import { compileRepositoryPattern } from '../../src/core/pattern.ts';
import type { Digest, Tag } from '../../src/core/reference.ts';
import type { Caller, RuleSet } from '../../src/core/rule.ts';
import { parseTarget } from '../../src/core/target.ts';
import { immutableTags, protectedTags, repositoryRule, ruleSet } from '../fixtures/rules.ts';

const one = `sha256:${'1'.repeat(64)}` as Digest;
const two = `sha256:${'2'.repeat(64)}` as Digest;
const developer: Caller = { groups: [], defaultAccessLevel: 'developer' };

function as(level: AccessLevel): Caller {
  return { groups: [], defaultAccessLevel: level };
}

function judge(
  rules: RuleSet,
  method: string,
  target: string,
  {
    caller = developer,
    tags = {},
    nowMs = 0,
  }: { caller?: Caller; tags?: Record<string, TagFact>; nowMs?: number } = {},
): Decision {
  const facts: Facts = { nowMs, pushed: two, tags: new Map(Object.entries(tags) as [Tag, TagFact][]) };
  return decide(rules, parseOperation(method, parseTarget(target)), caller, facts);
}

function wordsOf(decision: Decision): string {
  return decision.effect === 'allow' ? 'allow' : `${decision.effect}: ${decision.refusal.message}`;
}

const isTwo: TagFact = { state: 'present', digest: two, isPushed: true };
const isOne: TagFact = { state: 'present', digest: one, isPushed: false };
const absent: TagFact = { state: 'absent' };

t.test('repository rules: the level that is asked for, on every way to push or delete', (t) => {
  const rules = ruleSet({
    repositoryRules: [repositoryRule('frozen', 'flightjs/*', { push: 'maintainer', delete: 'owner' })],
  });
  const pushes: [string, string][] = [
    ['POST', '/v2/flightjs/flight/blobs/uploads/'],
    ['PATCH', '/v2/flightjs/flight/blobs/uploads/u'],
    ['PUT', '/v2/flightjs/flight/blobs/uploads/u'],
    ['GET', '/v2/flightjs/flight/blobs/uploads/u'],
    ['DELETE', '/v2/flightjs/flight/blobs/uploads/u'],
    ['PUT', '/v2/FlightJS/flight/manifests/v1'],
    ['PUT', `/v2/flightjs/flight/manifests/${one}`],
  ];
  for (const [method, target] of pushes) {
    const message =
      /^deny: container protected; you are not allowed to push to \S+ \(needs maintainer, you have developer; rule frozen\)$/;
    t.match(wordsOf(judge(rules, method, target)), message, `${method} ${target}`);
    t.equal(judge(rules, method, target, { caller: as('maintainer') }).effect, 'allow');
  }
  for (const target of ['manifests/v1', `manifests/${one}`, `blobs/${one}`, 'tags/reference/v1']) {
    const words = wordsOf(
      judge(rules, 'DELETE', `/v2/flightjs/flight/${target}`, { caller: as('maintainer') }),
    );
    t.match(
      words,
      /^deny: container protected; .*delete from flightjs\/flight \(needs owner, you have maintainer/,
    );
  }
  t.equal(judge(rules, 'GET', '/v2/flightjs/flight/manifests/v1').effect, 'allow', 'reads pass');
  t.equal(judge(rules, 'PUT', '/v2/other/manifests/v1').effect, 'allow', 'other repositories are free');
  t.end();
});

t.test('no_access is met by nobody', (t) => {
  const rules = ruleSet({ repositoryRules: [repositoryRule('shut', 'a', { push: 'no_access' })] });
  for (const level of Object.keys(accessLevels).filter(isAccessLevel)) {
    t.match(
      wordsOf(judge(rules, 'PUT', '/v2/a/manifests/x', { caller: as(level) })),
      /\(needs no_access, which nobody has; rule shut\)/,
    );
  }
  t.equal(judge(rules, 'DELETE', '/v2/a/manifests/x').effect, 'allow', 'an absent level restricts nothing');
  t.end();
});

t.test('tag rules: all that match count, the strictest wins and is named', (t) => {
  const rules = ruleSet({
    tagRules: [
      protectedTags('v', 'v1.*', { push: 'maintainer', delete: 'maintainer' }),
      protectedTags('release', '^v1\\.0', { push: 'owner', delete: 'no_access' }),
    ],
  });
  const push = (tag: string, level: AccessLevel): string =>
    wordsOf(judge(rules, 'PUT', `/v2/a/manifests/${tag}`, { caller: as(level) }));
  t.equal(
    push('v1.0', 'maintainer'),
    'deny: tag protected; pushing a:v1.0 needs owner, you have maintainer (rule release)',
  );
  t.equal(push('v1.0', 'owner'), 'allow');
  t.match(push('dev1', 'developer'), /rule v\)/, 'unanchored: matches anywhere');
  t.equal(push('V1', 'developer'), 'allow', 'tags are case-sensitive');
  const decision = judge(rules, 'PUT', '/v2/a/manifests/v1.0');
  t.match(decision, { ruleIds: ['release', 'v'] }, 'every rule that was not met is named in the log');
  const removal = wordsOf(judge(rules, 'DELETE', '/v2/a/manifests/v1.0', { caller: as('admin') }));
  t.equal(removal, 'deny: tag protected; deleting a:v1.0 needs no_access, which nobody has (rule release)');
  t.end();
});

t.test('an exclusion is part of its rule alone', (t) => {
  const rules = ruleSet({ tagRules: [immutableTags('releases', '^v\\d', { except: '-rc' })] });
  const both = ruleSet({ tagRules: [...rules.tagRules, immutableTags('candidates', '-rc1$')] });
  t.equal(judge(rules, 'PUT', '/v2/a/manifests/v1-rc1', { tags: { 'v1-rc1': isOne } }).effect, 'allow');
  t.match(
    wordsOf(judge(both, 'PUT', '/v2/a/manifests/v1-rc1', { tags: { 'v1-rc1': isOne } })),
    /rule candidates/,
  );
  t.end();
});

t.test('immutable: created once, pushed again only as it is', (t) => {
  const rules = ruleSet({ tagRules: [immutableTags('releases', '^v\\d', { repositories: 'a' })] });
  const push = (tags: Record<string, TagFact>, nowMs = 0): Decision =>
    judge(rules, 'PUT', '/v2/a/manifests/v1', { tags, caller: as('admin'), nowMs });
  t.equal(push({ v1: absent }).effect, 'allow');
  t.equal(push({ v1: isTwo }).effect, 'allow');
  t.equal(
    wordsOf(push({ v1: isOne })),
    'deny: tag is immutable; a:v1 is sha256:111111111111… and cannot become sha256:222222222222… (rule releases); use a new tag',
  );
  t.match(push({ v1: isOne }), {
    refusal: {
      code: 'DENIED',
      detail: {
        rule: 'releases',
        digest: one,
        pushed: two,
        reason: /cannot be overwritten because the repository is immutable/,
      },
    },
  });
  t.equal(push({}).effect, 'undecided', 'nothing is known');
  t.match(
    wordsOf(push({ v1: { state: 'unknown', reason: 'the upstream answered 500' } })),
    /^undecided: .*answered 500/,
  );
  t.equal(judge(rules, 'PUT', '/v2/b/manifests/v1').effect, 'allow', 'another repository');
  t.equal(judge(rules, 'PUT', `/v2/a/manifests/${one}`).effect, 'allow', 'a digest has no tag to move');
  t.end();
});

t.test(
  'a new immutable rule protects at once, and admits first pushes only when older ones have settled',
  (t) => {
    const rules = ruleSet({ tagRules: [immutableTags('new', '.*', { admitsFirstPushFromMs: 25_000 })] });
    const push = (fact: TagFact, nowMs: number): Decision =>
      judge(rules, 'PUT', '/v2/a/manifests/v1', { tags: { v1: fact }, nowMs });
    t.match(push(absent, 24_001), {
      effect: 'undecided',
      refusal: { code: 'TOOMANYREQUESTS', retryAfterSeconds: 1 },
    });
    t.equal(push(absent, 25_000).effect, 'allow');
    t.equal(push(isOne, 0).effect, 'deny');
    t.equal(push(isTwo, 0).effect, 'allow');
    t.end();
  },
);

t.test('a tag that is gone: where a rule keeps its name, only the same manifest may come back', (t) => {
  const releases = immutableTags('releases', '^v', { tombstone: true });
  const recent = immutableTags('new', '^v', { admitsFirstPushFromMs: 25_000 });
  const push = (rules: RuleSet, fact: TagFact): Decision =>
    judge(rules, 'PUT', '/v2/a/manifests/v1', { tags: { v1: fact }, caller: as('admin') });
  const gone = (isPushed?: boolean): TagFact => ({
    state: 'absent',
    was: one,
    ...(isPushed !== undefined && { isPushed }),
  });
  const rules = ruleSet({ tagRules: [releases] });
  t.equal(push(rules, absent).effect, 'allow', 'it never was');
  t.equal(push(rules, gone(true)).effect, 'allow');
  t.equal(push(rules, gone()).effect, 'deny', 'nobody says that it is the same');
  t.equal(
    wordsOf(push(rules, gone(false))),
    'deny: tag is immutable; a:v1 was sha256:111111111111… and is gone; only the same manifest may come back (rule releases)',
  );
  t.match(push(rules, gone(false)), {
    ruleIds: ['releases'],
    refusal: {
      code: 'DENIED',
      detail: { repository: 'a', tag: 'v1', rule: 'releases', digest: one, pushed: two, reason: /immutable/ },
    },
  });
  const both = ruleSet({ tagRules: [recent, releases] });
  t.match(push(both, gone(false)), { effect: 'deny', ruleIds: ['releases'] }, 'waiting would not help');
  t.equal(push(both, gone(true)).effect, 'undecided', 'it is a first push all the same');
  t.equal(push(ruleSet({ tagRules: [immutableTags('plain', '^v')] }), gone(false)).effect, 'allow');
  const removal = judge(rules, 'DELETE', '/v2/a/manifests/v1', { tags: { v1: gone() } });
  t.match(removal, { effect: 'deny', refusal: { code: 'MANIFEST_UNKNOWN' } });
  t.end();
});

t.test('several tags: one denied tag denies the request, and a denial outweighs what is not known', (t) => {
  const rules = ruleSet({
    tagRules: [immutableTags('releases', '^v'), protectedTags('latest', '^latest$', { push: 'owner' })],
  });
  const push = (tags: Record<string, TagFact>): Decision =>
    judge(rules, 'PUT', `/v2/a/manifests/${two}?tag=v1&tag=v2&tag=x`, { tags });
  t.equal(push({ v1: absent, v2: isTwo }).effect, 'allow');
  t.equal(push({ v1: absent, v2: isOne }).effect, 'deny');
  t.equal(push({ v2: isOne }).effect, 'deny', 'v1 is not known, v2 is denied');
  t.equal(push({ v2: absent }).effect, 'undecided');
  t.match(
    wordsOf(judge(rules, 'PUT', `/v2/a/manifests/${two}?tag=x&tag=latest`)),
    /pushing a:latest needs owner/,
  );
  const operation = parseOperation('PUT', parseTarget(`/v2/a/manifests/${two}?tag=v1&tag=x`)) as PutManifest;
  t.same(tagsToLookUp(rules, operation), ['v1'], 'only what an immutable rule covers is looked up');
  t.end();
});

t.test('a delete of an immutable tag is never allowed, not even of one that is absent', (t) => {
  const rules = ruleSet({ tagRules: [immutableTags('releases', '^v')] });
  for (const target of ['/v2/a/manifests/v1', '/v2/a/tags/reference/v1']) {
    const remove = (tags: Record<string, TagFact>): Decision =>
      judge(rules, 'DELETE', target, { tags, caller: as('admin') });
    t.match(remove({ v1: isOne }), {
      effect: 'deny',
      refusal: { code: 'DENIED', message: /tag is immutable; a:v1 cannot be deleted \(rule releases\)/ },
    });
    t.match(remove({ v1: absent }), { effect: 'deny', refusal: { code: 'MANIFEST_UNKNOWN' } });
    t.equal(remove({}).effect, 'undecided');
    t.equal(remove({ v1: { state: 'unknown', reason: 'x' } }).effect, 'undecided');
  }
  t.equal(judge(rules, 'DELETE', '/v2/a/manifests/x').effect, 'allow');
  const operation = parseOperation('DELETE', parseTarget('/v2/a/manifests/v1')) as DeleteTag;
  t.same(tagsToLookUp(rules, operation), ['v1']);
  t.end();
});

t.test(
  'a delete by digest cannot be judged before it is known who needs it, where a rule keeps this caller from some delete',
  (t) => {
    const immutable = ruleSet({ tagRules: [immutableTags('releases', '^v', { repositories: 'a/*' })] });
    const byLevel = ruleSet({ tagRules: [protectedTags('latest', 'latest', { delete: 'owner' }, 'a/*')] });
    const pushOnly = ruleSet({ tagRules: [protectedTags('latest', 'latest', { push: 'owner' })] });
    for (const kind of ['manifests', 'blobs']) {
      const target = `/v2/a/b/${kind}/${one}`;
      t.match(
        wordsOf(judge(immutable, 'DELETE', target, { caller: as('admin') })),
        /^undecided: cannot tell whether a protected tag of a\/b needs this (manifest|blob) \(it was not looked up\)/,
      );
      t.equal(judge(byLevel, 'DELETE', target).effect, 'undecided');
      t.equal(judge(byLevel, 'DELETE', target, { caller: as('owner') }).effect, 'allow');
      t.equal(judge(pushOnly, 'DELETE', target).effect, 'allow');
      t.equal(judge(immutable, 'DELETE', `/v2/b/${kind}/${one}`).effect, 'allow');
    }
    t.end();
  },
);

t.test('the order of judging: repository, tag, immutability', (t) => {
  const rules = ruleSet({
    repositoryRules: [repositoryRule('repository', 'a', { push: 'maintainer' })],
    tagRules: [protectedTags('tag', '^v', { push: 'owner' }), immutableTags('immutable', '^v')],
  });
  const push = (level: AccessLevel): string =>
    wordsOf(judge(rules, 'PUT', '/v2/a/manifests/v1', { caller: as(level), tags: { v1: isOne } }));
  t.match(push('developer'), /rule repository/);
  t.match(push('maintainer'), /rule tag/);
  t.match(push('admin'), /rule immutable/);
  t.end();
});

t.test('members: the highest level that is given counts, where it is given', (t) => {
  const everywhere = compileRepositoryPattern('*');
  const rules = ruleSet({
    repositoryRules: [repositoryRule('r', '*', { push: 'maintainer' })],
    members: [
      { subject: 'ci', repositories: compileRepositoryPattern('a/*'), accessLevel: 'maintainer' },
      { subject: 'ci', repositories: everywhere, accessLevel: 'guest' },
      { group: 'bots', repositories: everywhere, accessLevel: 'owner' },
    ],
  });
  const push = (caller: Caller, repository: string): string =>
    judge(rules, 'PUT', `/v2/${repository}/manifests/x`, { caller }).effect;
  const ci: Caller = { subject: 'ci', groups: [], defaultAccessLevel: 'developer' };
  t.equal(push(ci, 'a/b'), 'allow');
  t.equal(push(ci, 'b'), 'deny');
  t.equal(push({ ...ci, subject: 'other' }, 'a/b'), 'deny');
  t.equal(push({ groups: ['bots'], defaultAccessLevel: 'anonymous' }, 'b'), 'allow');
  t.equal(push(developer, 'a/b'), 'deny', 'nobody in particular is no member');
  t.match(
    judge(rules, 'PUT', '/v2/b/manifests/x', { caller: ci }),
    { refusal: { message: /you have developer/ } },
    'a member entry never lowers',
  );
  t.end();
});
