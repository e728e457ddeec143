import { writeFileSync } from 'node:fs';
import bcrypt from 'bcryptjs';
import t, { type Test } from 'tap';
import {
  claimsOf,
  dev,
  grantedBy,
  openBuiltin,
  passwords,
  service,
  tokenOf,
  usersText,
  writeUsers,
} from '../fixtures/builtin.ts';
import { basic, ociError, type Answer } from '../fixtures/client.ts';
import { isInOtherProcess, rulesElsewhere, workerCount } from '../fixtures/tagwarden.ts';

const query = `service=${service}&scope=repository:a:pull`;

interface Compared {
  readonly hash: string;
  readonly password: string;
}

/** For tests that do. */
const skip = isInOtherProcess ? 'bcrypt can be watched in this process alone' : false;

/** Every comparison that bcrypt really makes. */
function watchBcrypt(t: Test): readonly Compared[] {
  const compared: Compared[] = [];
  const { compare } = bcrypt;
  bcrypt.compare = (password: string, hash: string) => {
    compared.push({ password, hash });
    return compare(password, hash);
  };
  t.teardown(() => (bcrypt.compare = compare));
  return compared;
}

function countsOf(answers: readonly Answer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

t.test('the users file counts as it is, from the next login on', async (t) => {
  const scene = await openBuiltin(t, rulesElsewhere);
  const { get, usersFile, tagwarden } = scene;
  t.equal((await get(query, dev)).status, 200);
  t.equal((await get(query, basic('new', 'new-password'))).status, 401);
  writeUsers(scene, { dev: 'other-password', new: 'new-password' });
  t.equal((await get(query, dev)).status, 401, 'the old password, though it was remembered');
  t.equal((await get(query, basic('dev', 'other-password'))).status, 200);
  t.equal((await get(query, basic('new', 'new-password'))).status, 200);
  for (const broken of ['dev', 'dev:plain', 'dev:{SHA}x', `${usersText({ x: 'y' })}half a li`]) {
    writeFileSync(usersFile, broken);
    t.equal(
      (await get(query, basic('new', 'new-password'))).status,
      200,
      'the last good users stay in force',
    );
    t.equal((await get(query, basic('x', 'y'))).status, 401);
  }
  const refusals = tagwarden.logs.filter(({ msg }) => String(msg).startsWith('users file refused'));
  t.ok(refusals.length >= 4 && refusals.length <= 4 * workerCount, 'each is told once');
  writeUsers(scene, {});
  t.equal((await get(query, basic('new', 'new-password'))).status, 401, 'an empty file is nobody');
});

t.test('a refresh token ends with the password, and with the user', async (t) => {
  const scene = await openBuiltin(t, rulesElsewhere);
  const refreshOf = async (who: readonly string[]): Promise<string> =>
    tokenOf(await scene.get(`${query}&offline_token=true`, who)).refresh_token ?? '';
  const use = (refresh: string): Promise<Answer> =>
    scene.post({ grant_type: 'refresh_token', service, refresh_token: refresh, scope: 'repository:a:pull' });
  const refresh = await refreshOf(dev);
  t.equal(grantedBy(await use(refresh)), 'a:pull');
  const root = await refreshOf(basic('root', passwords.root));
  writeUsers(scene, { ...passwords, dev: 'other-password' });
  const refused = await use(refresh);
  t.same([refused.status, ociError(refused).code], [401, 'UNAUTHORIZED']);
  const fresh = await refreshOf(basic('dev', 'other-password'));
  t.equal(claimsOf(tokenOf(await use(fresh)).access_token).sub, 'dev');
  writeUsers(scene, { root: 'root-password' });
  t.equal((await use(fresh)).status, 401, 'the user is gone');
  t.equal((await use(root)).status, 401, 'the same password, hashed anew, is another one');
});

t.test('a user who is not there costs what one who is there costs', { skip }, async (t) => {
  const compared = watchBcrypt(t);
  const { get } = await openBuiltin(t, rulesElsewhere);
  const wrong = basic('dev', 'wrong');
  for (const who of [
    wrong,
    basic('nobody', 'wrong'),
    basic('nobody', 'wrong'),
    basic('nobody', 'x'.repeat(99)),
  ]) {
    t.equal((await get(query, who)).status, 401);
  }
  t.equal(compared.length, 4, 'each is a comparison');
  const costs = new Set(compared.map(({ hash }) => hash.slice(0, 7)));
  t.same([...costs], ['$2b$04$'], 'at the same cost');
  t.ok(
    compared.every(({ hash }) => /^\$2b\$04\$[./A-Za-z0-9]{53}$/.test(hash)),
    'that bcrypt really computes',
  );
  t.equal(new Set(compared.slice(1).map(({ hash }) => hash)).size, 3);
});

t.test('a password that is right is compared once a minute', { skip }, async (t) => {
  const compared = watchBcrypt(t);
  const { get } = await openBuiltin(t, rulesElsewhere);
  for (let at = 0; at < 3; at += 1) t.equal((await get(query, dev)).status, 200);
  t.equal(compared.length, 1);
  t.equal((await get(query, basic('dev', 'dev-password2'))).status, 401);
  t.equal(compared.length, 2);
});

t.test('a client that fetches forty images at once is no attacker', { skip }, async (t) => {
  const compared = watchBcrypt(t);
  const { get } = await openBuiltin(t, rulesElsewhere);
  const answers = await Promise.all(Array.from({ length: 40 }, () => get(query, dev)));
  t.same(countsOf(answers), { 200: 40 });
  t.ok(compared.length < 5, `${compared.length} comparisons`);
});

t.test('ten wrong passwords for one account from one address, also all at once', async (t) => {
  const compared = watchBcrypt(t);
  const { get, post } = await openBuiltin(t, rulesElsewhere);
  t.equal((await get(query, basic('root', passwords.root))).status, 200);
  const guesses = Array.from({ length: 30 }, (_, at) => get(query, basic('dev', `guess ${at}`)));
  t.same(countsOf(await Promise.all(guesses)), { 401: 10, 429: 20 });
  if (!isInOtherProcess) t.equal(compared.length, 11, 'what is refused costs nothing');
  const refused = await get(query, dev);
  t.equal(refused.status, 429, 'the right one too');
  t.equal(ociError(refused).code, 'TOOMANYREQUESTS');
  const seconds = Number(refused.headers['retry-after']);
  t.ok(seconds > 0 && seconds <= 60, `Retry-After: ${seconds}`);
  const form = { service, grant_type: 'password', username: 'dev', password: 'dev-password' };
  t.equal((await post(form)).status, 429, 'in the other form too');
  t.equal((await get(query, basic('main', passwords.main))).status, 200, 'another account');
  t.equal((await get(query, basic('root', passwords.root))).status, 200, 'who is known already');
  t.equal((await get(query)).status, 200, 'nobody');
});

t.test('fifty wrong passwords for all accounts from one address; another address is another', async (t) => {
  // The option is of the top level, after `auth:`.
  const { get } = await openBuiltin(t, rulesElsewhere, { config: 'trusted_proxies: [127.0.0.1]\n' });
  const from = (address: string, who: readonly string[]): Promise<Answer> =>
    get(query, [...who, 'X-Forwarded-For', `6.6.6.6, ${address}`]);
  const guesses = Array.from({ length: 60 }, (_, at) => from('192.0.2.1', basic(`user${at % 15}`, `${at}`)));
  t.same(countsOf(await Promise.all(guesses)), { 401: 50, 429: 10 });
  t.equal((await from('192.0.2.1', dev)).status, 429);
  t.equal((await from('192.0.2.2', dev)).status, 200);
  // Each process remembers for itself.
  if (workerCount === 1)
    t.equal((await from('192.0.2.1', dev)).status, 200, 'once it was right elsewhere it is no guess');
});

t.test('logins that are right do not count', async (t) => {
  const { get } = await openBuiltin(t, rulesElsewhere);
  for (let at = 0; at < 9; at += 1) t.equal((await get(query, basic('dev', `guess ${at}`))).status, 401);
  t.equal((await get(query, dev)).status, 200);
  t.equal((await get(query, basic('dev', 'guess 10'))).status, 401);
  t.equal((await get(query, basic('dev', 'guess 11'))).status, 429);
  if (workerCount === 1) t.equal((await get(query, dev)).status, 200, 'remembered');
});
