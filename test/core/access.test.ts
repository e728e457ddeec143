import t from 'tap';
import { covers, formatScopes, parseScopes, requiredAccess, type Access } from '../../src/core/access.ts';
import { formatChallenge } from '../../src/core/challenge.ts';
import { parseOperation } from '../../src/core/parse-operation.ts';
import { parseTarget } from '../../src/core/target.ts';

const digest = `sha256:${'a'.repeat(64)}`;

function repository(name: string, ...actions: string[]): Access {
  return { type: 'repository', name, actions };
}

t.test('what every operation needs', (t) => {
  const table: [method: string, target: string, scopes: string | undefined][] = [
    ['GET', '/v2/', ''],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ['GET', '/v2/a/tags/list', 'repository:a:pull'],
    ['HEAD', '/v2/a/manifests/v1', 'repository:a:pull'],
    ['GET', `/v2/a/blobs/${digest}`, 'repository:a:pull'],
    ['GET', `/v2/a/referrers/${digest}`, 'repository:a:pull'],
    ['POST', '/v2/a/blobs/uploads/', 'repository:a:pull,push'],
    ['POST', `/v2/a/blobs/uploads/?mount=${digest}&from=b`, 'repository:a:pull,push'],
    ['PATCH', '/v2/a/blobs/uploads/u', 'repository:a:pull,push'],
    ['PUT', '/v2/a/blobs/uploads/u', 'repository:a:pull,push'],
    ['GET', '/v2/a/blobs/uploads/u', 'repository:a:pull,push'],
    ['DELETE', '/v2/a/blobs/uploads/u', 'repository:a:pull,push'],
    ['PUT', '/v2/a/manifests/v1', 'repository:a:pull,push'],
    ['PUT', `/v2/a/manifests/${digest}?tag=v1`, 'repository:a:pull,push'],
    ['DELETE', '/v2/a/manifests/v1', 'repository:a:delete'],
    ['DELETE', `/v2/a/manifests/${digest}`, 'repository:a:delete'],
    ['DELETE', `/v2/a/blobs/${digest}`, 'repository:a:delete'],
    ['DELETE', '/v2/a/tags/reference/v1', 'repository:a:delete'],
    ['GET', '/v2/_oci/ext/discover', undefined],
    ['OPTIONS', '/v2/a/manifests/v1', undefined],
  ];
  for (const [method, target, scopes] of table) {
    const required = requiredAccess(parseOperation(method, parseTarget(target)));
    t.equal(required && formatScopes(required), scopes, `${method} ${target}`);
  }
  t.end();
});

t.test('what is granted covers what is required, by exactly this name', (t) => {
  const pushA = [repository('a', 'pull', 'push')];
  t.ok(covers([repository('a', 'push', 'pull')], pushA));
  t.ok(covers([repository('a', '*')], pushA));
  t.ok(covers([repository('a', 'pull'), repository('a', 'push')], pushA), 'two scopes give two entries');
  t.notOk(covers([repository('a', 'pull')], pushA));
  t.notOk(covers([repository('b', '*'), repository('a/b', '*'), repository('A', '*')], pushA));
  t.notOk(covers([{ type: 'registry', name: 'a', actions: ['*'] }], pushA));
  t.ok(covers([], []));
  t.end();
});

t.test('scopes as clients send them', (t) => {
  t.same(parseScopes(['repository:a/b:pull,push']), [repository('a/b', 'pull', 'push')]);
  t.same(parseScopes(['repository:a:pull repository:b:push', 'registry:catalog:*']), [
    repository('a', 'pull'),
    repository('b', 'push'),
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ]);
  t.same(parseScopes(['repository:host:5000/a:pull']), [repository('host:5000/a', 'pull')]);
  t.same(parseScopes(['repository(plugin):a:pull']), [repository('a', 'pull')], 'classes are ignored');
  t.same(parseScopes(['repository:a:push,push']), [repository('a', 'push')]);
  t.same(parseScopes(['', 'nonsense', 'repository:a', 'repository::pull', 'repository:a:']), []);
  t.end();
});

t.test('the challenge is sorted, and quoted as RFC 9110 has it', (t) => {
  const base = { realm: 'https://r/jwt/auth', service: 'a "b" \\c' };
  t.equal(
    formatChallenge({
      ...base,
      required: [repository('b', 'push', 'pull'), repository('a', 'pull')],
      error: 'insufficient_scope',
    }),
    'Bearer realm="https://r/jwt/auth",service="a \\"b\\" \\\\c",scope="repository:a:pull repository:b:pull,push",error="insufficient_scope"',
  );
  t.equal(
    formatChallenge({ ...base, service: 's', required: [] }),
    'Bearer realm="https://r/jwt/auth",service="s"',
  );
  t.end();
});
