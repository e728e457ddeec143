import t from 'tap';
import { decide } from '../../src/core/decision.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import { parseRepository } from '../../src/core/reference.ts';
import type { Caller } from '../../src/core/rule.ts';
import { parseTarget } from '../../src/core/target.ts';
import { bindToken, readTokenPatterns } from '../../src/core/token-rules.ts';
import { protectedTags, ruleSet } from '../fixtures/rules.ts';

const local = ruleSet({ tagRules: [protectedTags('local', '^local', { push: 'owner' })] });

function judge(metas: [repository: string, meta: unknown][], method: string, tag: string): string {
  const caller: Caller = {
    groups: [],
    defaultAccessLevel: 'developer',
    tokenPatterns: metas.map(([repository, meta]) => readTokenPatterns(repository, meta)),
  };
  const repository = parseRepository('a/b');
  const operation = parseOperation(method, parseTarget(`/v2/${repository}/manifests/${tag}`));
  const bound = bindToken(local, repository, caller);
  const decision =
    'effect' in bound ? bound : decide(bound, operation, caller, { nowMs: 0, tags: new Map() });
  return decision.effect === 'allow' ? 'allow' : `${decision.effect}: ${decision.refusal.message}`;
}

const deny = { tag_deny_access_patterns: { push: ['^v'], delete: ['^x'] } };

t.test('patterns bind, for pushing and for deleting, beside the local rules', (t) => {
  t.match(judge([['a/b', deny]], 'PUT', 'v1'), /^deny: tag protected; .*rule token \^v/);
  t.equal(judge([['a/b', deny]], 'DELETE', 'v1'), 'allow');
  t.match(judge([['a/b', deny]], 'DELETE', 'x1'), /^deny/);
  t.match(judge([['a/b', deny]], 'PUT', 'local'), /rule local/);
  t.match(
    judge([['a/b', { tag_immutable_patterns: ['^v'] }]], 'PUT', 'v1'),
    /^undecided/,
    'the tag has to be looked up',
  );
  t.end();
});

t.test('all entries of exactly this repository count, and no other', (t) => {
  t.match(
    judge(
      [
        ['a/b', {}],
        ['a/b', deny],
      ],
      'PUT',
      'v1',
    ),
    /^deny/,
    'two scopes give two entries',
  );
  t.equal(
    judge(
      [
        ['a', deny],
        ['a/b/c', deny],
        ['A/B', deny],
      ],
      'PUT',
      'v1',
    ),
    'allow',
  );
  t.equal(judge([['a/b', { tag_deny_access_patterns: { push: [], delete: [] } }]], 'PUT', 'v1'), 'allow');
  t.end();
});

t.test('what cannot be read denies: a pattern, a list, the meta itself', (t) => {
  const broken: unknown[] = [
    { tag_deny_access_patterns: { push: ['('] } },
    { tag_deny_access_patterns: { delete: [1] } },
    { tag_deny_access_patterns: { push: 'v1' } },
    { tag_deny_access_patterns: ['v1'] },
    { tag_immutable_patterns: { push: [] } },
    { tag_immutable_patterns: ['(?=x)'] },
    'meta',
    ['meta'],
  ];
  for (const meta of broken)
    t.match(
      judge([['a/b', meta]], 'PUT', 'other'),
      /^deny: the token has a tag pattern/,
      JSON.stringify(meta),
    );
  t.equal(judge([['a/b', null]], 'PUT', 'other'), 'allow', 'GitLab leaves out what is null');
  t.end();
});
