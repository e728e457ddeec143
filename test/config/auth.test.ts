import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AuthConfig } from '../../src/config/auth.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startTagwarden, rulesElsewhere } from '../fixtures/tagwarden.ts';

interface Loaded {
  readonly auth: AuthConfig | undefined;
  readonly errors: readonly string[];
  readonly cwd: string;
}

/** Loads a config file that has just `auth:`, in a directory `etc`. */
function load(t: Test, auth: string, argv: readonly string[] = []): Loaded {
  const cwd = t.testdir({ etc: { 'tagwarden.yaml': `auth:\n${auth.replace(/^/gm, '  ')}\n` } });
  const needed = ['--upstream', 'http://u', '--rules', 'r.yaml', '--config', 'etc/tagwarden.yaml'];
  const loaded = loadConfig({ argv: [...needed, ...argv], env: {}, cwd });
  return 'errors' in loaded
    ? { auth: undefined, errors: loaded.errors, cwd }
    : { auth: loaded.config.auth, errors: [], cwd };
}

const claims = { defaultAccessLevel: 'developer', groupsClaim: 'groups', levelClaim: undefined };

t.test('anonymous', (t) => {
  t.strictSame(load(t, 'default_access_level: guest').auth, {
    mode: 'anonymous',
    ...claims,
    defaultAccessLevel: 'guest',
  });
  t.end();
});

t.test('upstream', (t) => {
  t.strictSame(load(t, 'mode: upstream').auth, { mode: 'upstream', ...claims, trustBasicUsername: false });
  const all = 'mode: upstream\ntrust_basic_username: true\ngroups_claim: teams\nlevel_claim: level';
  t.strictSame(load(t, all).auth, {
    ...{ mode: 'upstream', trustBasicUsername: true },
    ...{ defaultAccessLevel: 'developer', groupsClaim: 'teams', levelClaim: 'level' },
  });
  t.end();
});

const token = 'mode: token\nrealm: https://g/jwt/auth\nissuer: g';

t.test('token', (t) => {
  const keys = { jwksUrl: 'https://g/keys', jwksFile: undefined, certificateFile: undefined };
  t.strictSame(load(t, `${token}\nkeys: { jwks_url: https://g/keys }`).auth, {
    ...{ mode: 'token', ...claims, service: 'container_registry', realm: 'https://g/jwt/auth', issuer: 'g' },
    ...{ algorithms: ['RS256', 'ES256'], keys },
  });
  const more =
    'service: s\nalgorithms: [PS512, EdDSA]\nkeys: { jwks_file: k.json, certificate_file: ../k.pem }';
  const { auth, cwd } = load(t, `${token}\n${more}`);
  t.match(auth, {
    ...{ service: 's', algorithms: ['PS512', 'EdDSA'] },
    keys: { jwksUrl: undefined, jwksFile: join(cwd, 'etc/k.json'), certificateFile: join(cwd, 'k.pem') },
  });
  t.end();
});

t.test('builtin', (t) => {
  const { auth, cwd } = load(t, 'mode: builtin\nusers_file: users');
  t.strictSame(auth, {
    ...{ mode: 'builtin', ...claims, service: 'container_registry', issuer: 'tagwarden' },
    usersFile: join(cwd, 'etc/users'),
    signingKeyFile: join(cwd, '.tagwarden/signing.key'),
    ...{ tokenLifetimeSeconds: 300, refuseAtToken: true },
  });
  const more =
    'service: s\nissuer: i\nsigning_key_file: k\ntoken_lifetime_seconds: 60\nrefuse_at_token: false';
  t.match(load(t, `mode: builtin\nusers_file: users\n${more}`).auth, {
    ...{ service: 's', issuer: 'i', tokenLifetimeSeconds: 60, refuseAtToken: false },
    signingKeyFile: /etc\/k$/,
  });
  t.end();
});

t.test('what a mode cannot do without', (t) => {
  const is = 'is required with auth.mode';
  t.match(load(t, 'mode: builtin').errors, [`auth.users_file: ${is} builtin; With mode builtin: users and`]);
  const noKeys = `auth.keys: one of auth.keys.jwks_url, auth.keys.jwks_file, auth.keys.certificate_file ${is} token`;
  t.match(load(t, 'mode: token').errors, [`auth.realm: ${is} token; `, `auth.issuer: ${is} token; `, noKeys]);
  t.same(load(t, token).errors, [noKeys]);
  t.same(
    load(t, `${token}\nkeys: { jwks_url: nonsense }`).errors,
    ['etc/tagwarden.yaml:5:21 auth.keys.jwks_url: must start with http:// or https://'],
    'what is there and wrong is not missing as well',
  );
  t.same(load(t, `${token}\nkeys: { jwks_file: k }\nalgorithms: []`).errors, [
    'etc/tagwarden.yaml:6:15 auth.algorithms: names none, and so no token would be good',
  ]);
  t.end();
});

const values: Readonly<Record<string, string>> = {
  groups_claim: 'teams',
  level_claim: 'level',
  trust_basic_username: 'true',
  realm: 'https://g/jwt/auth',
  service: 's',
  issuer: 'i',
  algorithms: '[RS512]',
  'keys.jwks_url': 'https://g/keys',
  'keys.jwks_file': 'keys.json',
  'keys.certificate_file': 'keys.pem',
  users_file: 'users',
  signing_key_file: 'signing.key',
  token_lifetime_seconds: '600',
  refuse_at_token: 'false',
};
const enough: Readonly<Record<string, string>> = {
  anonymous: 'mode: anonymous',
  upstream: 'mode: upstream',
  token: `${token}\nkeys: { jwks_url: https://g/keys }`,
  builtin: 'mode: builtin\nusers_file: users',
};
const useful: Readonly<Record<string, readonly string[]>> = {
  anonymous: [],
  upstream: ['groups_claim', 'level_claim', 'trust_basic_username'],
  token: [
    ...['groups_claim', 'level_claim', 'realm', 'service', 'issuer', 'algorithms'],
    ...['keys.jwks_url', 'keys.jwks_file', 'keys.certificate_file'],
  ],
  builtin: [
    'service',
    'issuer',
    'users_file',
    'signing_key_file',
    'token_lifetime_seconds',
    'refuse_at_token',
  ],
};

for (const [mode, base] of Object.entries(enough)) {
  t.test(`auth.mode ${mode}: a key that does nothing is an error, with its place`, (t) => {
    t.same(load(t, base).errors, []);
    for (const [key, value] of Object.entries(values)) {
      const flag = `--auth-${key.replace(/[._]/g, '-')}`;
      const { errors } = load(t, base, [flag, value.replace(/[[\]]/g, '')]);
      if (useful[mode]?.includes(key)) t.same(errors, [], key);
      else
        t.match(
          errors,
          [new RegExp(`^flag ${flag}: does nothing with auth.mode ${mode}; it is for \\w+`)],
          key,
        );
    }
    t.end();
  });
}

t.test('in the file it has its line; to write a default down asks for nothing', (t) => {
  t.same(load(t, 'users_file: users\nkeys:\n  jwks_url: https://g/keys').errors, [
    'etc/tagwarden.yaml:4:15 auth.keys.jwks_url: does nothing with auth.mode anonymous; it is for token',
    'etc/tagwarden.yaml:2:15 auth.users_file: does nothing with auth.mode anonymous; it is for builtin',
  ]);
  const defaults = [
    ...['groups_claim: groups', 'trust_basic_username: false', 'service: container_registry'],
    ...['algorithms: [RS256, ES256]', 'token_lifetime_seconds: 300', 'refuse_at_token: true'],
  ];
  t.same(load(t, defaults.join('\n')).errors, []);
  t.end();
});

t.test('what is read at the start stops it, and says where', async (t) => {
  const broken = join(t.testdir({ broken: 'x' }), 'broken');
  const start = (auth: string): Promise<unknown> =>
    startTagwarden(t, {
      upstream: 'http://127.0.0.1:1',
      rules: rulesElsewhere,
      config: `auth:\n${auth.replace(/^/gm, '  ')}\n`,
    });
  await t.rejects(
    start(`${token}\nkeys: { jwks_file: /nowhere/keys.json }`),
    /\/nowhere\/keys\.json: ENOENT/,
  );
  await t.rejects(start(`${token}\nkeys: { jwks_file: ${broken} }`), new RegExp(`${broken}: `));
  await t.rejects(
    start(`${token}\nkeys: { certificate_file: ${broken} }`),
    /broken: it has no certificate and no public key/,
  );
  await t.rejects(
    start('mode: builtin\nusers_file: /nowhere/users'),
    /\/nowhere\/users: cannot be read \(ENOENT\)/,
  );
  await t.rejects(start(`mode: builtin\nusers_file: ${broken}`), /broken: line 1: must be USER:HASH/);
});
