import t from 'tap';
import { parseApiTokens } from '../../src/config/api-tokens.ts';

const hash = (digit: string) => digit.repeat(64);

t.test('a file of tokens', (t) => {
  const text = `# who may change rules
tokens:
  - name: terraform
    sha256: ${hash('a')}
    roles: [read, 'write:flightjs', 'write:localhost:5000/app', unlock]
  - { name: ci.release@x, sha256: '${hash('1')}', roles: [read:a/b] }
`;
  const grants = [
    { role: 'read' },
    { role: 'write', project: 'flightjs' },
    { role: 'write', project: 'localhost:5000/app' },
    { role: 'unlock' },
  ];
  t.strictSame(parseApiTokens(text), {
    value: [
      { sha256: hash('a'), caller: { name: 'terraform', grants } },
      { sha256: hash('1'), caller: { name: 'ci.release@x', grants: [{ role: 'read', project: 'a/b' }] } },
    ],
  });
  t.strictSame(parseApiTokens('tokens: []\n'), { value: [] });
  t.strictSame(parseApiTokens('tokens:\n'), { value: [] }, 'as it is before the first one is made');
  t.end();
});

t.test('every error at once, each with its place and its mend', (t) => {
  const text = `tokens:
  - name: two words
    sha256: twa-secret
    roles: [reed, write:Flightjs, 'write:', 'read:', 'grant:x', 'write:*']
  - { name: a, sha256: ${hash('a')}, roles: [] }
  - { name: a, sha256: ${hash('a')}, roles: [read], project: x }
  - {}
  - text
`;
  t.strictSame(parseApiTokens(text), {
    errors: [
      '2:11 tokens[0].name: must be at most 63 letters, digits, ".", "_", "@" and "-"',
      '3:13 tokens[0].sha256: must be the SHA-256 of the token, 64 digits 0-9 a-f; use tagwarden api-token',
      '4:13 tokens[0].roles[0]: must be one of read, write, unlock, not "reed"; did you mean read?',
      '4:19 tokens[0].roles[1]: "Flightjs" is no project; write the first part of repository paths, in lower case',
      '4:35 tokens[0].roles[2]: "" is no project; write the first part of repository paths, in lower case',
      '4:45 tokens[0].roles[3]: "" is no project; write the first part of repository paths, in lower case',
      '4:54 tokens[0].roles[4]: must be one of read, write, unlock, not "grant"',
      '4:65 tokens[0].roles[5]: "*" is no project; write the first part of repository paths, in lower case',
      `5:${33 + 64} tokens[1].roles: is empty; such a token may do nothing, so remove it`,
      '6:13 tokens[2].name: is there twice, first at 5:13; each token has its own',
      '6:24 tokens[2].sha256: is there twice, first at 5:24; each token has its own',
      `6:${41 + 64} tokens[2]: unknown key "project"`,
      ...['name', 'sha256', 'roles'].map((name) => `7:5 tokens[3]: needs ${name}`),
      '8:5 tokens[4]: must be a mapping with name, sha256, roles, not "text"',
    ],
  });
  t.notMatch(JSON.stringify(parseApiTokens(text)), /secret/, 'what may be a token is not shown');
  t.end();
});

t.test('what is no file of tokens', (t) => {
  t.same(parseApiTokens(''), { errors: ['1:1 the document is empty'] });
  t.same(parseApiTokens('{}\n'), { errors: ['1:1 needs tokens'] });
  t.same(parseApiTokens('[]\n'), { errors: ['1:1 must be a mapping with tokens, not a list'] });
  t.same(parseApiTokens('token: []\n'), {
    errors: ['1:1 unknown key "token"; did you mean tokens?', '1:1 needs tokens'],
  });
  t.same(parseApiTokens(`#${'x'.repeat(1024 * 1024)}`), { errors: ['1:1 larger than 1 MiB'] });
  t.end();
});

t.test('a file that is cut short grants no more than the whole', (t) => {
  const text = `tokens:
  - name: a
    sha256: ${hash('a')}
    roles:
      - read:flightjs/flight
      - write:flightjs/flight
  - name: b
    sha256: ${hash('b')}
    roles: [write:other]
`;
  const outcome = parseApiTokens(text);
  const all = new Set('value' in outcome ? outcome.value.flatMap((token) => grantsOf(token)) : []);
  t.equal(all.size, 3);
  let good = 0;
  for (let length = 0; length < text.length; length += 1) {
    const cut = parseApiTokens(text.slice(0, length));
    if (!('value' in cut)) continue;
    good += 1;
    const more = cut.value.flatMap((token) => grantsOf(token)).filter((grant) => !all.has(grant));
    t.same(more, [], `the first ${length} characters`);
  }
  t.ok(good > 0);
  t.end();

  function grantsOf({ caller }: { caller: { name: string; grants: readonly object[] } }): string[] {
    return caller.grants.map((grant) => `${caller.name} ${JSON.stringify(grant)}`);
  }
});
