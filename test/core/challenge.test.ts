import { deepEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { formatChallenge, parseChallenges } from '../../src/core/challenge.ts';

const read = (...values: string[]): readonly unknown[] =>
  parseChallenges(values).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

t.test('challenges are read as RFC 9110, section 11.6.1, has them', (t) => {
  const table: [value: string, offers: [scheme: string, parameters: Record<string, string>][]][] = [
    ['Basic realm="r"', [['basic', { realm: 'r' }]]],
    ['bearer REALM=r , service = "a,b" ', [['bearer', { realm: 'r', service: 'a,b' }]]],
    [
      'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
      [
        ['newauth', { realm: 'apps', type: '1', title: 'Login to "apps"' }],
        ['basic', { realm: 'simple' }],
      ],
    ],
    [
      'Negotiate, Bearer realm="x"',
      [
        ['negotiate', {}],
        ['bearer', { realm: 'x' }],
      ],
    ],
    [
      'NTLM abc+/==, Basic realm=x',
      [
        ['ntlm', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [', ,Basic realm="r",,', [['basic', { realm: 'r' }]]],
    [
      'Bearer realm="https://r/t?a=b,c",scope="repository:a/b:pull,push"',
      [['bearer', { realm: 'https://r/t?a=b,c', scope: 'repository:a/b:pull,push' }]],
    ],
    ['Bearer realm="one",realm="two"', [['bearer', { realm: 'one' }]]],
    ['Bearer realm="never closed, Basic realm="x"', [['bearer', {}]]],
    ['Bearer realm="a"b, x=y', [['bearer', {}]]],
    ['realm="x"', []],
    ['', []],
    ['"Bearer" realm=x', []],
  ];
  for (const [value, offers] of table) t.same(read(value), offers, value);
  t.same(read('Basic realm=a', 'Bearer realm=b'), [
    ['basic', { realm: 'a' }],
    ['bearer', { realm: 'b' }],
  ]);
  t.end();
});

t.test('what we write ourselves is read back', (t) => {
  const text = fc.stringMatching(/^[\t -~]{0,30}$/);
  fc.assert(
    fc.property(text, text, (realm, service) => {
      const value = formatChallenge({ realm, service, required: [], error: 'insufficient_scope' });
      deepEqual(read(`Basic realm="x", ${value}`), [
        ['basic', { realm: 'x' }],
        ['bearer', { realm, service, error: 'insufficient_scope' }],
      ]);
    }),
  );
  t.end();
});

t.test('whatever is sent is read in linear time', (t) => {
  for (const part of ['Bearer ', 'a=', 'a="\\', ',', 'a=b', 'Basic a==', '"', ' ']) {
    const startedMs = performance.now();
    parseChallenges([part.repeat((64 * 1024) / part.length)]);
    t.ok(performance.now() - startedMs < 1_000, part);
  }
  t.end();
});
