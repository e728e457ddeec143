import { equal, notEqual } from 'node:assert/strict';
import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { SharedSealKeys } from '../../src/adapters/redis/seal-keys.ts';
import { openSealKey } from '../../src/adapters/seal-key-file.ts';
import { KeyedSeals, sealLifetimeMs } from '../../src/adapters/upload-seals.ts';
import type { Repository } from '../../src/core/reference.ts';
import { repositories } from '../fixtures/arbitrary.ts';
import { ManualClock } from '../fixtures/clock.ts';
import { eventually } from '../fixtures/eventually.ts';
import { openStore, prepareRedis, startRedis } from '../fixtures/redis.ts';

const clock = new ManualClock();
const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const seals = new KeyedSeals(() => [key], clock);
const repository = 'team/app' as Repository;
const target = '/files/upload?state=secret%2f';

t.test('what is sealed opens as it was, by the same session grammar, and differs each time', (t) => {
  const printable = fc.stringMatching(/^\/[!-~]{0,200}$/);
  fc.assert(
    fc.property(repositories, printable, (repository, target) => {
      const sealed = seals.seal(repository, target);
      equal(/^[\w-]+$/.test(sealed), true);
      equal(seals.open(repository, sealed), target);
      notEqual(seals.seal(repository, target), sealed);
    }),
  );
  const long = `/${'x'.repeat(4095)}`;
  t.ok(seals.seal(repository, long).length < 1.34 * 4096 + 60, 'hardly longer than base64');
  t.end();
});

t.test('nothing else opens: altered, cut, prolonged, of another repository, of another key', (t) => {
  const sealed = seals.seal(repository, target);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (let at = 0; at < sealed.length; at += 1) {
    for (const letter of alphabet) {
      const altered = sealed.slice(0, at) + letter + sealed.slice(at + 1);
      if (altered !== sealed && seals.open(repository, altered) !== undefined) t.fail(`${at}: ${letter}`);
    }
    if (seals.open(repository, sealed.slice(0, at)) !== undefined) t.fail(`cut at ${at}`);
  }
  for (const more of ['A', 'AAAA', '=', '.', '%'])
    t.equal(seals.open(repository, sealed + more), undefined, `and ${more}`);
  for (const name of ['team', 'team/ap', 'team/appp', 'prod/app'])
    t.equal(seals.open(name as Repository, sealed), undefined, name);
  t.equal(new KeyedSeals(() => [other], clock).open(repository, sealed), undefined);
  t.equal(new KeyedSeals(() => [other, key], clock).open(repository, sealed), target, 'a former key');
  t.notOk(Buffer.from(sealed, 'base64url').includes('secret'), 'nothing of it can be read');
  fc.assert(fc.property(fc.base64String(), (text) => seals.open(repository, text) === undefined));
  t.end();
});

t.test('a day later it is closed for good', (t) => {
  const sealed = seals.seal(repository, target);
  clock.jump(sealLifetimeMs - 1);
  t.equal(seals.open(repository, sealed), target);
  clock.jump(1);
  t.equal(seals.open(repository, sealed), undefined);
  t.end();
});

t.test('the file: made once, for its owner alone, and refused where it is no key', (t) => {
  const path = join(t.testdir(), 'state/uploads.key');
  const made = openSealKey(path);
  t.equal(made.length, 32);
  t.same(openSealKey(path), made);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same(readdirSync(dirname(path)), ['uploads.key'], 'nothing is left beside it');
  for (const text of ['', 'short', `${made.toString('base64')}AAAA`, made.toString('hex')]) {
    writeFileSync(path, text);
    t.throws(() => openSealKey(path), /must be 32 random bytes in base64; openssl rand/, text);
  }
  writeFileSync(path, made.toString('base64'));
  chmodSync(path, 0o400);
  t.same(openSealKey(path), made, 'mounted, without a line break');
  t.match(readFileSync(path, 'utf8'), /^\S{44}$/);
  t.end();
});

t.test('redis: replicas agree on one key, whatever Redis loses', async (t) => {
  const redis = await startRedis(t);
  const open = async (): Promise<SharedSealKeys> => SharedSealKeys.open(await openStore(t, redis.url));
  const [one, two] = await Promise.all([open(), open()]);
  t.same(one.current(), two.current());
  const [first] = one.current();
  await redis.stop();
  t.same(one.current(), [first], 'it is known while Redis is away');
  await redis.restart({ withData: false });
  const three = await open();
  await eventually('the new one knows what is sealed with', () =>
    three.current().some((known) => known.equals(first)),
  );
  await eventually('they seal with the same', () =>
    [one, two, three].every((keys) => keys.current()[0].equals(one.current()[0])),
  );
  // As one that evicts: nobody's connection is lost.
  await redis.cli('DEL', '{tagwarden}:seal-keys');
  const four = await open();
  const [second] = four.current();
  await eventually('each knows what any of them seals with', () =>
    [one, two, three, four].every((keys) =>
      [first, second].every((key) => keys.current().some((known) => known.equals(key))),
    ),
  );
  four.close();
  for (const keys of [one, two, three]) {
    t.ok(keys.current().length <= 3, 'a new one may have made one before it heard of the others');
    keys.close();
  }
});

t.test('redis: away from the start, no upload can be named or found, and then it can', async (t) => {
  const redis = await prepareRedis(t);
  const keys = await SharedSealKeys.open(await openStore(t, redis.url));
  const known = seals.seal(repository, target);
  const shared = new KeyedSeals(() => keys.current(), clock);
  for (const use of [() => shared.seal(repository, target), () => shared.open(repository, known)]) {
    // Not 404: to a client it would be the end of an upload that another replica knows.
    t.throws(use, { status: 503, code: 'UNAVAILABLE' });
  }
  await redis.start();
  await eventually('it is known', () => {
    try {
      return shared.open(repository, shared.seal(repository, target)) === target;
    } catch {
      return false;
    }
  });
  keys.close();
});
