import t from 'tap';
import type { AccessLevel } from '../../src/core/access-level.ts';
import { parseScopes } from '../../src/core/access.ts';
import { decide } from '../../src/core/decision.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import type { Digest, Tag } from '../../src/core/reference.ts';
import type { Caller } from '../../src/core/rule.ts';
import { parseTarget } from '../../src/core/target.ts';
import { grant, refuseAtToken } from '../../src/core/token-grant.ts';
import { bindToken, readTokenPatterns } from '../../src/core/token-rules.ts';
import { parseRepository } from '../../src/core/reference.ts';
import { immutableTags, protectedTags, repositoryRule, ruleSet } from '../fixtures/rules.ts';

function as(level: AccessLevel): Caller {
  return { groups: [], defaultAccessLevel: level };
}

// GitLab's own table (its container_registry_authentication_service_spec).
const gitlab = ruleSet({
  tagRules: [
    protectedTags('v1', 'v1.*', { push: 'maintainer', delete: 'maintainer' }),
    protectedTags('latest', 'latest', { push: 'owner', delete: 'maintainer' }),
    protectedTags('admin', 'admin-only', { push: 'admin', delete: 'owner' }),
  ],
});
const all = ['v1.*', 'latest', 'admin-only'];

t.test("GitLab's worked table: tag_deny_access_patterns", (t) => {
  const table: [level: AccessLevel, actions: string, patterns: object | 'no access'][] = [
    ['developer', 'pull', {}],
    ['developer', 'push', { push: all }],
    ['developer', 'pull,push', { push: all }],
    ['developer', 'push,push', { push: all }],
    ['developer', 'push,foo', { push: all }],
    ['developer', 'delete', 'no access'],
    ['developer', '*', 'no access'],
    ['developer', 'pull,delete', {}],
    ['maintainer', 'push', { push: ['latest', 'admin-only'] }],
    ['maintainer', 'delete', { delete: ['admin-only'] }],
    ['maintainer', '*', { push: ['latest', 'admin-only'], delete: ['admin-only'] }],
    ['owner', 'push', { push: ['admin-only'] }],
    ['owner', 'delete', { delete: [] }],
    ['admin', 'push,delete', { push: [], delete: [] }],
  ];
  for (const [level, actions, patterns] of table) {
    const granted = grant(gitlab, parseScopes([`repository:Group/project:${actions}`]), as(level));
    if (patterns === 'no access') t.same(granted, [], `${level} ${actions}`);
    else
      t.same(
        granted[0]?.meta,
        { project_path: 'group/project', tag_deny_access_patterns: patterns },
        `${level} ${actions}`,
      );
  }
  t.end();
});

t.test('the same verdicts at the door, by the rules and by the patterns of the token', (t) => {
  const repository = parseRepository('group/project');
  for (const level of ['developer', 'maintainer', 'owner', 'admin'] as const) {
    const [granted] = grant(gitlab, parseScopes(['repository:group/project:push,delete']), as(level));
    const bearer: Caller = {
      ...as('admin'),
      tokenPatterns: [readTokenPatterns('group/project', granted?.meta)],
    };
    for (const tag of ['v1.2', 'latest', 'admin-only', 'free']) {
      for (const method of granted?.actions.includes('delete') ? ['PUT', 'DELETE'] : ['PUT']) {
        const operation = parseOperation(method, parseTarget(`/v2/${repository}/manifests/${tag}`));
        const facts = { nowMs: 0, tags: new Map() };
        const bound = bindToken(ruleSet({}), repository, bearer);
        if ('effect' in bound) throw new Error('the patterns do not compile');
        const byToken = decide(bound, operation, bearer, facts).effect;
        t.equal(
          byToken,
          decide(gitlab, operation, as(level), facts).effect,
          `${level} ${method} ${tag}: ${byToken}`,
        );
      }
    }
  }
  t.end();
});

t.test('immutable patterns go only into tokens that can change a tag, for every level', (t) => {
  const rules = ruleSet({
    tagRules: [immutableTags('i', 'sample'), immutableTags('x', '^v', { except: '-rc' })],
  });
  const meta = (actions: string, level: AccessLevel): unknown =>
    grant(rules, parseScopes([`repository:a:${actions}`]), as(level))[0]?.meta;
  t.same(meta('pull', 'admin'), { project_path: 'a' });
  for (const actions of ['push', 'pull,push', 'delete', '*']) {
    t.same(
      meta(actions, 'admin'),
      { project_path: 'a', tag_immutable_patterns: ['sample'] },
      `${actions}: exclusions cannot be said`,
    );
  }
  t.end();
});

t.test('granted is requested ∩ allowed, and what is unknown is left out', (t) => {
  const granted = (scope: string, level: AccessLevel): unknown =>
    grant(ruleSet({}), parseScopes([scope]), as(level)).map(({ name, actions }) => [name, actions]);
  t.same(granted('repository:a:pull,push,delete', 'anonymous'), []);
  t.same(granted('repository:a:pull,push,delete', 'guest'), []);
  t.same(granted('repository:a:pull,push,delete', 'reporter'), [['a', ['pull']]]);
  t.same(granted('repository:a:pull,push,delete', 'developer'), [['a', ['pull', 'push']]]);
  t.same(granted('repository:a:pull,push,delete', 'maintainer'), [['a', ['pull', 'push', 'delete']]]);
  t.same(granted('repository:A//b:pull', 'admin'), []);
  t.same(granted('other:a:pull', 'admin'), []);
  t.same(granted('registry:catalog:*', 'admin'), [['catalog', ['*']]]);
  t.same(granted('registry:catalog:*', 'owner'), []);
  t.end();
});

t.test('a push scope on a protected repository is refused at the token, a pull scope is not', (t) => {
  const rules = ruleSet({ repositoryRules: [repositoryRule('frozen', 'flightjs/*', { push: 'owner' })] });
  const refusal = (scopes: string, level: AccessLevel): string | undefined =>
    refuseAtToken(rules, grant(rules, parseScopes([scopes]), as(level)), as(level))?.refusal.message;
  t.match(
    refusal('repository:flightjs/flight:pull,push', 'developer'),
    /^container protected; you are not allowed to push to flightjs\/flight/,
  );
  t.match(refusal('repository:flightjs/flight:*', 'maintainer'), /^container protected/);
  t.match(
    refusal('repository:other:pull repository:flightjs/flight:push', 'developer'),
    /^container protected/,
  );
  t.equal(refusal('repository:flightjs/flight:pull', 'developer'), undefined);
  t.equal(refusal('repository:flightjs/flight:pull,push', 'owner'), undefined);
  t.end();
});

t.test("GitLab's precedence: level first, then immutability, which binds an admin too", (t) => {
  const rules = ruleSet({
    tagRules: [protectedTags('p', 'v.*', { push: 'maintainer' }), immutableTags('i', '^v\\d')],
  });
  const other = { state: 'present', digest: `sha256:${'1'.repeat(64)}` as Digest, isPushed: false } as const;
  const push = (level: AccessLevel, tag: string, isThere: boolean): string => {
    const operation = parseOperation('PUT', parseTarget(`/v2/a/manifests/${tag}`));
    const tags = new Map([[tag as Tag, isThere ? other : ({ state: 'absent' } as const)]]);
    const decision = decide(rules, operation, as(level), { nowMs: 0, tags });
    return decision.effect === 'allow' ? 'allow' : decision.refusal.message;
  };
  t.match(push('developer', 'v1.0.0', false), /^tag protected/);
  t.match(push('developer', 'v1.0.0', true), /^tag protected/);
  t.equal(push('maintainer', 'v1.0.0', false), 'allow');
  t.match(push('maintainer', 'v1.0.0', true), /^tag is immutable/);
  t.equal(push('maintainer', 'v-beta', true), 'allow');
  t.match(push('admin', 'v1.0.0', true), /^tag is immutable/);
  t.end();
});
