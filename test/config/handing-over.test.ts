import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import t from 'tap';
import { pack, unpackConfig } from '../../src/config/handing-over.ts';
import { Secret } from '../../src/config/secret.ts';
import { configOf } from '../fixtures/loaded-config.ts';

function handedOver(value: unknown): unknown {
  return deserialize(serialize(pack(value)));
}

t.test('a configuration arrives as it is, secrets and all', (t) => {
  const file = `
listen: '[::1]:8080'
workers: 4
trusted_proxies: [10.0.0.0/8, '::1']
upstream: { url: 'https://upstream', username: u, password_file: ../secret.txt, ca_file: ca.pem }
redis: { url: 'redis+sentinel://a,b/m', password_file: ../secret.txt, sentinel_password_file: ../secret.txt }
auth: { mode: upstream, groups_claim: g }
passthrough: [/ui, { prefix: /api/x, methods: [POST] }]
`;
  const { cwd, ...config } = configOf(t, { file });
  writeFileSync(join(cwd, 'secret.txt'), 'another\n');
  const read = unpackConfig(handedOver(config));
  t.strictSame(read, config);
  t.equal(read.upstream.credentials?.password.reveal(), 's3cret', 'what it was when it was read');
  t.equal(read.redis?.sentinelPassword?.reveal(), 's3cret');
  t.ok(Object.isFrozen(read) && Object.isFrozen(read.trustedProxies) && Object.isFrozen(read.upstream));
  t.end();
});

t.test('what could not be made again is no silent loss', (t) => {
  t.throws(() => pack({ at: new URL('http://a') }), /a URL cannot be handed/);
  t.throws(() => pack([() => undefined]), /a function cannot be handed/);
  t.throws(() => pack({ a: { b: Symbol('s') } }), /a symbol cannot be handed/);
  t.same(pack({ a: undefined, b: null, c: [1, 'x', true] }), { a: undefined, b: null, c: [1, 'x', true] });
  t.notMatch(JSON.stringify(pack({ password: new Secret('s3cret') })), /s3cret/);
  t.end();
});
