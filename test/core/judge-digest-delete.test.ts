import t from 'tap';
import type { AccessLevel } from '../../src/core/access-level.ts';
import { decide } from '../../src/core/decision.ts';
import type { NeedingTag } from '../../src/core/need-graph.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import type { Tag } from '../../src/core/reference.ts';
import type { RuleSet } from '../../src/core/rule.ts';
import { parseTarget } from '../../src/core/target.ts';
import { immutableTags, protectedTags, ruleSet } from '../fixtures/rules.ts';

const one = `sha256:${'1'.repeat(64)}`;
const signature = `sha256-${'1'.repeat(64)}.sig`;
const releases = ruleSet({ tagRules: [immutableTags('releases', '^v')] });
const byLevel = ruleSet({ tagRules: [protectedTags('kept', '^kept', { delete: 'owner' })] });

/** @param needing tags, with `*` behind those that need it only as a referrer */
function judge(
  rules: RuleSet,
  needing: readonly string[],
  { target = `manifests/${one}`, level = 'developer' }: { target?: string; level?: AccessLevel } = {},
): string {
  const tags = needing.map((name): NeedingTag => ({
    tag: name.replace('*', '') as Tag,
    isReferrer: name.endsWith('*'),
  }));
  const facts = { nowMs: 0, tags: new Map(), needing: { state: 'known', tags } } as const;
  const operation = parseOperation('DELETE', parseTarget(`/v2/a/b/${target}`));
  const decision = decide(rules, operation, { groups: [], defaultAccessLevel: level }, facts);
  if (decision.effect === 'allow') return 'allow';
  return `${decision.effect} ${decision.refusal.code}: ${decision.refusal.message}`;
}

t.test('a delete by digest is refused where a tag needs it that this caller may not delete', (t) => {
  t.equal(
    judge(releases, ['latest', 'v1'], { level: 'admin' }),
    'deny DENIED: manifest is needed by immutable tag a/b:v1 (rule releases); to drop only a tag, delete the tag',
  );
  t.equal(
    judge(releases, ['v1'], { target: `blobs/${one}` }),
    'deny DENIED: blob is needed by immutable tag a/b:v1 (rule releases)',
  );
  t.equal(judge(releases, ['latest']), 'allow', 'no rule covers it');
  t.equal(judge(releases, []), 'allow');
  t.match(
    judge(byLevel, ['kept-1']),
    /^deny DENIED: manifest is needed by protected tag a\/b:kept-1 \(rule kept\)/,
  );
  t.equal(judge(byLevel, ['kept-1'], { level: 'owner' }), 'allow');
  t.end();
});

t.test('signatures are protected with what they are of, unless the rule says otherwise', (t) => {
  t.match(judge(releases, ['v1*']), /^deny DENIED: manifest belongs to immutable tag a\/b:v1/);
  const mutable = ruleSet({ tagRules: [immutableTags('releases', '^v', { referrers: 'mutable' })] });
  t.equal(judge(mutable, ['v1*']), 'allow');
  t.match(judge(mutable, ['v1']), /^deny/);
  t.end();
});

t.test('a tag that holds signatures protects them only by a rule that makes it immutable itself', (t) => {
  const all = (referrers: 'append_only' | 'immutable' | 'mutable') =>
    ruleSet({ tagRules: [immutableTags('all', '.*', { referrers })] });
  t.equal(judge(all('append_only'), [signature]), 'allow');
  t.equal(judge(all('mutable'), [signature]), 'allow');
  t.match(judge(all('immutable'), [signature]), /^deny/);
  t.match(judge(all('append_only'), [`${signature}x`]), /^deny/, 'another name gets no favour');
  t.end();
});

t.test('a delete of a tag that holds signatures: as long as somebody needs what it names', (t) => {
  const target = `manifests/${signature}`;
  t.equal(
    judge(releases, ['v1'], { target }),
    `deny DENIED: tag ${signature} belongs to immutable tag a/b:v1 (rule releases)`,
  );
  t.equal(judge(releases, ['latest'], { target }), 'allow');
  const mutable = ruleSet({ tagRules: [immutableTags('releases', '^v', { referrers: 'mutable' })] });
  t.equal(judge(mutable, ['v1'], { target }), 'allow');
  t.end();
});

t.test('what a push that is under way needs waits for its end', (t) => {
  t.match(
    judge(releases, ['@3c1f']),
    /^undecided TOOMANYREQUESTS: a push that needs this manifest is under way/,
  );
  t.match(judge(releases, ['@3c1f', 'v1']), /^deny/, 'a denial outweighs it');
  t.end();
});
