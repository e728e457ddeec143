import { createHmac } from 'node:crypto';
import t from 'tap';
import { keyIdsOf, libtrustId } from '../../../src/adapters/token/key-ids.ts';
import { keysOfJwks, keysOfPem, mergedKeys } from '../../../src/adapters/token/trusted-keys.ts';
import { certify, jwkOf, newKey } from '../../fixtures/token-key.ts';

const [rsa, ec] = [newKey('RS256'), newKey('ES256')];
const pemOf = (key: typeof rsa): string => key.publicKey.export({ type: 'spki', format: 'pem' }) as string;

t.test('a key has the names that libtrust and RFC 7638 give it', async (t) => {
  for (const key of [rsa, ec]) {
    t.same(await keyIdsOf(key.publicKey), [key.thumbprint, key.libtrustId]);
    t.match(libtrustId(key.publicKey), /^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
  }
});

t.test('a set of keys: by its own names and by ours', async (t) => {
  const keys = await keysOfJwks(JSON.stringify({ keys: [jwkOf(rsa, 'mine'), jwkOf(ec)] }));
  t.same(
    [...keys.byId.keys()].sort(),
    ['mine', rsa.libtrustId, rsa.thumbprint, ec.libtrustId, ec.thumbprint].sort(),
  );
  t.ok(keys.byId.get('mine')?.equals(rsa.publicKey));
  t.ok(keys.byId.get(ec.thumbprint)?.equals(ec.publicKey));
});

t.test('what is no key to verify with is left out, and the others count (RFC 7517, section 5)', async (t) => {
  const secret = createHmac('sha256', 'x').digest('base64url');
  const strange = [
    null,
    7,
    {},
    { kty: 'oct', k: secret, kid: 'secret' },
    { kty: 'EC', crv: 'P-999', x: 'AA', y: 'AA', kid: 'curve' },
    { kty: 'EC', crv: 'P-256', kid: 'no point' },
    { kty: 'RSA', kid: 'no modulus' },
    { kty: 'AKP', kid: 'of tomorrow' },
    { ...jwkOf(rsa, 'to encrypt'), use: 'enc' },
  ];
  const keys = await keysOfJwks(JSON.stringify({ keys: [...strange, { ...jwkOf(ec, 'ours'), kid: 5 }] }));
  t.same([...keys.byId.keys()].sort(), [ec.libtrustId, ec.thumbprint].sort());
  for (const text of [
    '',
    '[]',
    '{}',
    '{"keys":{}}',
    '{"keys":[]}',
    'null',
    JSON.stringify({ keys: strange }),
  ]) {
    await t.rejects(keysOfJwks(text), text);
  }
});

t.test('PEM: certificates and public keys, one or many', async (t) => {
  const root = await certify({ name: 'root', isAuthority: true });
  const keys = await keysOfPem(`# a bundle\n${root.pem}\n${pemOf(rsa)}text between\n${pemOf(ec)}`);
  t.equal(keys.certificates.length, 1);
  for (const { libtrustId: id, publicKey } of [root.key, rsa, ec]) t.ok(keys.byId.get(id)?.equals(publicKey));
  t.same((await keysOfPem(pemOf(rsa))).certificates, []);
  const secret = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  for (const pem of ['', 'x', secret, root.pem.slice(0, 200)]) await t.rejects(keysOfPem(pem));
});

t.test('several sources are one', async (t) => {
  const one = await keysOfPem(pemOf(rsa));
  const two = await keysOfPem((await certify({ name: 'two', key: ec })).pem);
  const keys = mergedKeys([one, two]);
  t.ok(keys.byId.has(rsa.libtrustId) && keys.byId.has(ec.libtrustId));
  t.equal(keys.certificates.length, 1);
});
