import assert from 'node:assert/strict';
import t from 'tap';
import type { TagFacts, TagQuestion } from '../../src/core/ports.ts';
import { compileTagPattern } from '../../src/core/pattern.ts';
import type { Repository, Tag } from '../../src/core/reference.ts';
import type { Caller } from '../../src/core/rule.ts';
import { bindToken } from '../../src/core/token-rules.ts';
import { lookUpMs, lookUpTags } from '../../src/http/look-up.ts';
import { immutableTags, protectedTags, ruleSet } from '../fixtures/rules.ts';

const repository = 'a/b' as Repository;
const caller: Caller = { groups: [], defaultAccessLevel: 'developer' };
const rules = ruleSet({
  tagRules: [
    immutableTags('later', '^v', { admitsFirstPushFromMs: 500 }),
    immutableTags('earlier', '^v1', { admitsFirstPushFromMs: 100 }),
    immutableTags('kept', '^v1$', { admitsFirstPushFromMs: 900, tombstone: true }),
    immutableTags('elsewhere', '.*', { repositories: 'c', admitsFirstPushFromMs: 1 }),
    immutableTags('excluded', '.*', { except: '.*' }),
    protectedTags('protected', '.*', { push: 'owner' }),
  ],
});

async function asked(...args: readonly [tags: string, who?: Caller]): Promise<readonly TagQuestion[]> {
  const [tags, who = caller] = args;
  const questions: TagQuestion[] = [];
  const facts: TagFacts = {
    lookUp: (question) => {
      questions.push(question);
      return Promise.resolve({ state: 'absent' });
    },
    seen: () => undefined,
    gone: () => undefined,
  };
  const bound = bindToken(rules, repository, who);
  if ('effect' in bound) throw new Error('the token is refused');
  const known = await lookUpTags(
    facts,
    tags.split(' ') as Tag[],
    { repository, asCaller: ['Host', 'x'] },
    { rules: bound, caller: who },
  );
  assert.deepEqual([...known.keys()], tags.split(' '));
  return questions;
}

t.test('every tag is asked about, with the time that a look-up may take', async (t) => {
  t.match(await asked('v1 v2'), [
    { repository, tag: 'v1', asCaller: ['Host', 'x'], withinMs: lookUpMs },
    { repository, tag: 'v2', asCaller: ['Host', 'x'], withinMs: lookUpMs },
  ]);
});

t.test('immutable since the first rule that covers the tag', async (t) => {
  const [v1, v2, latest] = await asked('v1 v2 latest');
  t.equal(v1?.immutable?.sinceMs, 100);
  t.equal(v2?.immutable?.sinceMs, 500);
  t.notOk(latest && 'immutable' in latest, 'no immutable rule covers it');
});

t.test('a name is kept if one of the rules says so', async (t) => {
  const [v1, v2] = await asked('v1 v2');
  t.equal(v1?.immutable?.tombstone, true);
  t.equal(v2?.immutable?.tombstone, false);
});

t.test("a token's rules bind its bearer alone: others may move the tag", async (t) => {
  const immutable = [compileTagPattern('.*').source];
  const none = { deniedForPush: [], deniedForDelete: [], malformed: [] };
  const bearer: Caller = { ...caller, tokenPatterns: [{ repository, immutable, ...none }] };
  const [v2, latest] = await asked('v2 latest', bearer);
  t.equal(v2?.immutable?.sinceMs, 500);
  t.notOk(latest && 'immutable' in latest);
});

t.test('only of a caller whose token we verified may the ledger judge', async (t) => {
  t.match(await asked('v1'), [{ immutable: { mayRecall: false } }]);
  t.match(await asked('v1', { ...caller, subject: 'anyone' }), [{ immutable: { mayRecall: false } }]);
  t.match(await asked('v1', { ...caller, granted: [] }), [{ immutable: { mayRecall: true } }]);
});
