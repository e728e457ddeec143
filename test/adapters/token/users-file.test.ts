import { join } from 'node:path';
import bcrypt from 'bcryptjs';
import t from 'tap';
import { hashPassword, parseUsers, UsersFile } from '../../../src/adapters/token/users-file.ts';

const hash = bcrypt.hashSync('secret', 4);
const ignore = (): void => undefined;

t.test('what htpasswd -B writes', (t) => {
  const users = (text: string): unknown => {
    const parsed = parseUsers(text);
    return 'users' in parsed ? Object.fromEntries(parsed.users) : parsed.errors;
  };
  t.same(users(`# users\r\n\r\na:${hash}\r\nb.c@d:${hash.replace('$2b', '$2y')}  \n`), {
    a: hash,
    'b.c@d': hash.replace('$2b', '$2y'),
  });
  t.same(users(''), {});
  t.same(users(`a\n:${hash}\na b:${hash}\nx:$apr1$x\nx:{SHA}y\nok:${hash}\nok:${hash}`), [
    'line 1: must be USER:HASH',
    'line 2: must be USER:HASH',
    'line 3: must be USER:HASH',
    'line 4: only bcrypt counts; use tagwarden hash-password',
    'line 5: only bcrypt counts; use tagwarden hash-password',
    'line 7: user ok is there twice',
  ]);
  for (const cost of ['00', '03', '32', '99']) {
    t.same(users(`a:${hash.replace('$04$', `$${cost}$`)}`), [
      'line 1: only bcrypt counts; use tagwarden hash-password',
    ]);
  }
  t.end();
});

t.test('a line that hash-password makes lets its password in, and none that only begins so', async (t) => {
  const long = 'é'.repeat(36);
  const path = join(t.testdir({ users: `long:${await hashPassword(long)}\n` }), 'users');
  const users = await UsersFile.open(path, ignore);
  t.ok(await users.authenticate('long', long, ignore));
  t.notOk(await users.authenticate('long', `${long}x`, ignore), 'bcrypt would read no further than 72 bytes');
  t.notOk(await users.authenticate('long', long.slice(1), ignore));
  await t.rejects(hashPassword(`${long}x`), /72 bytes/);
});

t.test('the same login at once is one comparison, another one is another', async (t) => {
  // It takes several turns of the event loop, in which the others come.
  const slow = bcrypt.hashSync('secret', 12);
  const path = join(t.testdir({ users: `a:${slow}\nb:${slow}\n` }), 'users');
  const users = await UsersFile.open(path, ignore);
  let begun = 0;
  const attempt = (user: string, password: string): Promise<boolean> =>
    users.authenticate(user, password, () => {
      begun += 1;
    });
  const results = await Promise.all([
    ...[attempt('a', 'secret'), attempt('a', 'secret'), attempt('b', 'secret')],
    ...[
      attempt('a', 'wrong'),
      attempt('a', 'wrong'),
      attempt('nobody', 'secret'),
      attempt('nobody', 'secret'),
    ],
  ]);
  t.same(results, [true, true, true, false, false, false, false]);
  t.equal(begun, 4);
  t.notOk(await attempt('a', 'wrong'), 'what was wrong is not remembered');
  t.equal(begun, 5);
  t.ok(await attempt('a', 'secret'), 'what was right is');
  t.equal(begun, 5);
  const stop = new Error('enough');
  await t.rejects(
    users.authenticate('a', 'other', () => {
      throw stop;
    }),
    stop,
  );
});

t.test('a file that is not there, or broken, stops the start', async (t) => {
  const directory = t.testdir({ broken: 'a\nb' });
  await t.rejects(UsersFile.open(join(directory, 'missing'), ignore), /missing: cannot be read \(ENOENT\)/);
  await t.rejects(
    UsersFile.open(join(directory, 'broken'), ignore),
    /broken: line 1: .*\n.*broken: line 2: /,
  );
});
