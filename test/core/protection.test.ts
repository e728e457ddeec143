import t from 'tap';
import { deleteMinimumOf, protectionOf } from '../../src/core/protection.ts';
import type { NeedingTag } from '../../src/core/need-graph.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import type { ReferrersTreatment, RuleSet } from '../../src/core/rule.ts';
import { immutableTags, protectedTags, repositoryRule, ruleSet } from '../fixtures/rules.ts';

const repository = 'team/app' as Repository;
const signatures = `sha256-${'a'.repeat(64)}.sig`;
const neededByV1: NeedingTag = { tag: 'v1' as Tag, isReferrer: false };

function protect(rules: RuleSet, tag: string, needing: readonly NeedingTag[] = []) {
  return protectionOf(rules, repository, tag as Tag, needing);
}

t.test('the strictest level counts, with all rules that ask for it', (t) => {
  const rules = ruleSet({
    repositoryRules: [repositoryRule('all', '*', { push: 'owner' })],
    tagRules: [
      protectedTags('low', '^v', { push: 'maintainer', delete: 'maintainer' }),
      protectedTags('high', '1', { push: 'owner' }),
      protectedTags('none', '^w', { push: 'no_access' }),
      immutableTags('fixed', '^v2'),
    ],
  });
  const owners = { level: 'owner' as const, ruleIds: ['all', 'high'] };
  t.match(protect(rules, 'v1'), {
    immutable: [],
    push: owners,
    delete: { level: 'maintainer', ruleIds: ['low'] },
    referrers: undefined,
  });
  t.same(protect(rules, 'v2').immutable, ['fixed']);
  t.same(protect(rules, 'w').push, { level: 'no_access', ruleIds: ['none'] });
  t.equal(protect(rules, 'w').delete, undefined);
  t.equal(deleteMinimumOf(rules, repository), undefined, 'a rule for pushes says nothing of deletes');
  const closed = ruleSet({ repositoryRules: [repositoryRule('shut', 'team/*', { delete: 'admin' })] });
  t.same(deleteMinimumOf(closed, repository), { level: 'admin', ruleIds: ['shut'] });
  t.end();
});

t.test('what refers to an image is kept as the rules of its tags say, and those of its own name', (t) => {
  const treated = (referrers: ReferrersTreatment | undefined, tags: string) => {
    const rule = { ...immutableTags('fixed', tags), ...(referrers && { referrers }) };
    const { immutable, referrers: held } = protect(ruleSet({ tagRules: [rule] }), signatures, [neededByV1]);
    return [immutable.length, held?.treatment, held?.ruleIds.join(), held?.tags.join()];
  };
  t.same(treated(undefined, '^v'), [0, 'append_only', 'fixed', 'v1']);
  t.same(treated('immutable', '^v'), [0, 'immutable', 'fixed', 'v1']);
  t.same(treated('mutable', '^v'), [0, 'mutable', '', '']);
  t.same(treated(undefined, '^sha256-'), [0, 'append_only', 'fixed', '']);
  t.same(treated('immutable', '^sha256-'), [1, 'immutable', 'fixed', '']);
  t.same(treated(undefined, '^x'), [0, 'mutable', '', '']);
  t.end();
});

t.test('what refers to an image cannot be deleted by whom its tags are kept from', (t) => {
  const owners = protectedTags('owners', '^v', { push: 'admin', delete: 'owner' });
  const of = (rules: RuleSet) =>
    protect(rules, signatures, [neededByV1, { ...neededByV1, isReferrer: true }]);
  t.match(of(ruleSet({ tagRules: [owners] })), {
    push: undefined,
    delete: { level: 'owner', ruleIds: ['owners'] },
    referrers: { treatment: 'mutable' },
  });
  t.equal(of(ruleSet({ tagRules: [{ ...owners, referrers: 'mutable' }] })).delete, undefined);
  t.end();
});
