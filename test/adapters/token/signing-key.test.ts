import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openSigningKey } from '../../../src/adapters/token/signing-key.ts';

t.test('made at the first start, for us alone, and the same ever after', async (t) => {
  const path = join(t.testdir({}), 'deep', 'signing.key');
  const first = await openSigningKey(path);
  t.equal(first.algorithm, 'ES256');
  t.equal(statSync(path).mode & 0o777, 0o600);
  const certificate = readFileSync(`${path}.crt`, 'utf8');
  t.ok(new X509Certificate(certificate).publicKey.equals(first.publicKey));
  t.same(JSON.parse(readFileSync(`${path}.jwks.json`, 'utf8')), first.jwks);
  const second = await openSigningKey(path);
  t.ok(second.privateKey.equals(first.privateKey));
  t.equal(readFileSync(`${path}.crt`, 'utf8'), certificate, 'registries that know it need not be told again');
});

t.test("an operator's own key, RSA or P-256; what a registry needs is made anew", async (t) => {
  const path = join(t.testdir({ 'k.crt': 'old', 'k.jwks.json': 'old' }), 'k');
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(path, rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }));
  const key = await openSigningKey(path);
  t.equal(key.algorithm, 'RS256');
  t.ok(new X509Certificate(readFileSync(`${path}.crt`)).publicKey.equals(rsa.publicKey));
  t.notMatch(JSON.stringify(key.jwks), /"(?:d|p|q|dp|dq|qi)"/);
  writeFileSync(
    path,
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }),
  );
  t.equal((await openSigningKey(path)).algorithm, 'ES256');
});

t.test('what we cannot sign with', async (t) => {
  const path = join(t.testdir({}), 'k');
  const keys = [
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ed25519'),
  ];
  for (const { privateKey } of keys) {
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await t.rejects(openSigningKey(path), /must be an RSA key of at least 2048 bits or a P-256 key/);
  }
  for (const text of ['', 'x', '-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n']) {
    writeFileSync(path, text);
    await t.rejects(openSigningKey(path), /cannot be read as a private key/);
  }
});

t.test('what is published has no place: told, unless the place is read-only', async (t) => {
  const directory = t.testdir({});
  const path = join(directory, 'k');
  await openSigningKey(path);
  rmSync(`${path}.jwks.json`);
  mkdirSync(`${path}.jwks.json`);
  await t.rejects(openSigningKey(path), { code: 'EISDIR' });
});
