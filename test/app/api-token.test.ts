import { createHash } from 'node:crypto';
import { join } from 'node:path';
import t from 'tap';
import { checkApiTokens, makeApiToken } from '../../src/app/api-token.ts';
import { parseApiTokens } from '../../src/config/api-tokens.ts';

t.test('a token and the entry that knows it', (t) => {
  const made = makeApiToken(['terraform', '--role', 'read', '--role', 'write:localhost:5000/app']);
  if ('errors' in made) throw new Error(made.errors.join());
  t.match(made.token, /^twa-[\w-]{43}$/);
  t.notMatch(made.entry, made.token);
  const sha256 = createHash('sha256').update(made.token).digest('hex');
  const grants = [{ role: 'read' }, { role: 'write', project: 'localhost:5000/app' }];
  t.strictSame(parseApiTokens(`tokens:\n${made.entry}`), {
    value: [{ sha256, caller: { name: 'terraform', grants } }],
  });
  const other = makeApiToken(['reader']);
  t.match(other, { entry: /roles: \["read"\]/ }, 'who asks for nothing may read');
  t.not('token' in other && other.token, made.token);
  t.end();
});

t.test('what makes no token', (t) => {
  const name = 'name: must be at most 63 letters, digits, ".", "_", "@" and "-"';
  t.strictSame(makeApiToken(['two words']), { errors: [name] });
  t.strictSame(makeApiToken(['a\nb: c']), { errors: [name] });
  t.match(makeApiToken([]), { errors: ['api-token takes one name, of what the token is for'] });
  t.match(makeApiToken(['a', 'b']), { errors: ['api-token takes one name, of what the token is for'] });
  t.match(makeApiToken(['a', '--roles', 'read']), { errors: [/Unknown option '--roles'/] });
  t.match(makeApiToken(['a', '--role', 'admin', '--role', 'read:A']), {
    errors: [/^roles\[0\]: must be one of read, write, unlock/, /^roles\[1\]: "A" is no project/],
  });
  t.end();
});

t.test('check reads the tokens file', (t) => {
  const directory = t.testdir({ good: 'tokens:\n', broken: 'tokens: [oops\n' });
  t.same(checkApiTokens(join(directory, 'good')), []);
  t.match(checkApiTokens(join(directory, 'broken')), [/broken:\d+:\d+ /]);
  t.match(checkApiTokens(join(directory, 'missing')), [/cannot read .*missing: ENOENT/]);
  t.end();
});
