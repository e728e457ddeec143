import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import type { Config } from '../../src/config/config.ts';
import { loadConfig, type LoadedConfig } from '../../src/config/load.ts';

/** Loads a config file that has these sections beside `upstream`. */
function load(t: Test, sections: string, argv: readonly string[] = []): LoadedConfig {
  const cwd = t.testdir({
    'tagwarden.yaml': `upstream: { url: http://u }\n${sections}\n`,
    'secret.txt': 's3cret\n',
    'sentinel.txt': 's3ntinel\n',
    'ca.pem': '-----BEGIN CERTIFICATE-----\n',
  });
  return loadConfig({ argv: ['--config', 'tagwarden.yaml', ...argv], env: {}, cwd });
}

function configOf(t: Test, sections: string): Config {
  const loaded = load(t, sections);
  if ('errors' in loaded) throw new Error(loaded.errors.join('\n'));
  return loaded.config;
}

function errorsOf(t: Test, sections: string, argv: readonly string[] = []): readonly string[] {
  const loaded = load(t, sections, argv);
  return 'errors' in loaded ? loaded.errors : [];
}

t.test('with nothing but its URL', (t) => {
  const { redis, rules } = configOf(t, 'redis: { url: redis://redis.internal }');
  t.strictSame(redis, {
    servers: { kind: 'standalone', address: { host: 'redis.internal', port: 6379 }, database: 0 },
    tls: undefined,
    keyPrefix: 'tagwarden',
    username: undefined,
    password: undefined,
    sentinelPassword: undefined,
    commandTimeoutMs: 1_000,
    waitReplicas: 0,
  });
  t.match(rules, { file: undefined, publish: false, maxAgeSeconds: 86_400 }, 'a follower');
  t.end();
});

t.test('with everything, and no secret is printed', (t) => {
  const { redis, rules } = configOf(
    t,
    `redis:
  url: rediss+sentinel://one,[::1]:1/mymaster/2
  key_prefix: a.b:c
  username: tagwarden
  password_file: secret.txt
  sentinel_password_file: sentinel.txt
  ca_file: ca.pem
  command_timeout_ms: 250
  wait_replicas: 1
rules: { file: rules.yaml, publish: true, max_age_seconds: 60 }`,
  );
  t.match(redis, {
    servers: {
      kind: 'sentinel',
      sentinels: [
        { host: 'one', port: 26379 },
        { host: '::1', port: 1 },
      ],
      name: 'mymaster',
      database: 2,
    },
    tls: { ca: /BEGIN CERTIFICATE/ },
    keyPrefix: 'a.b:c',
    username: 'tagwarden',
    commandTimeoutMs: 250,
    waitReplicas: 1,
  });
  t.match(rules, { file: /rules\.yaml$/, publish: true, maxAgeSeconds: 60 });
  t.equal(redis?.password?.reveal(), 's3cret');
  t.equal(redis?.sentinelPassword?.reveal(), 's3ntinel');
  t.notMatch(inspect(redis, { depth: 9, showHidden: true }) + JSON.stringify(redis), /s3cret|s3ntinel/);
  t.end();
});

t.test('the forms of its URL', (t) => {
  const serversOf = (url: string): unknown => configOf(t, `redis: { url: '${url}' }`).redis?.servers;
  t.strictSame(serversOf('redis://10.0.0.7:1/15'), {
    kind: 'standalone',
    address: { host: '10.0.0.7', port: 1 },
    database: 15,
  });
  t.strictSame(serversOf('redis://h/'), {
    kind: 'standalone',
    address: { host: 'h', port: 6379 },
    database: 0,
  });
  t.match(serversOf('redis+sentinel://a:1,b:2/m'), { name: 'm', database: 0, sentinels: { length: 2 } });
  t.strictSame(serversOf('redis+cluster://a,b:2'), {
    kind: 'cluster',
    nodes: [
      { host: 'a', port: 6379 },
      { host: 'b', port: 2 },
    ],
  });
  const isTls = (url: string): boolean => configOf(t, `redis: { url: '${url}' }`).redis?.tls !== undefined;
  t.notOk(isTls('redis://h'));
  t.ok(['rediss://h', 'rediss+cluster://h', 'rediss+sentinel://h/m'].every(isTls));
  t.end();
});

t.test('a URL that is refused', (t) => {
  const cases: [url: string, error: RegExp][] = [
    ['redis.internal:6379', /must be redis:\/\/HOST:PORT, /],
    ['http://redis', /must be redis:\/\/HOST:PORT, /],
    ['redis+cluster2://redis', /must be redis:\/\/HOST:PORT, /],
    ['redis://', /must be redis:\/\/HOST:PORT, /],
    ['redis://h?db=1', /must be redis:\/\/HOST:PORT, /],
    ['redis://:pa55word@h', /must hold no credentials; give redis\.username and redis\.password_file/],
    ['redis://a,b', /names several hosts; say what they are/],
    ['redis://h:0', /"h:0" has port 0/],
    ['redis://h:65536', /must end with a port/],
    ['redis://h:x', /write IPv6 in brackets/],
    ['redis://h/db0', /"db0" is no number of a database/],
    ['redis+sentinel://a,b', /must end with the master's name/],
    ['redis+sentinel://a,b/m/1/2', /must end with the master's name/],
    ['redis+sentinel://a,,b/m', /must be HOST:PORT/],
    ['redis+cluster://a,b/1', /a Cluster has one database only/],
  ];
  for (const [url, error] of cases) {
    const errors = errorsOf(t, '', ['--redis', url]);
    t.match(errors, [error], url);
    t.match(errors, [/^flag --redis: /]);
    t.notMatch(errors.join('\n'), /pa55word/);
  }
  t.end();
});

t.test('what does not go together', (t) => {
  const url = 'url: redis://h';
  const cases: [sections: string, errors: readonly string[]][] = [
    [
      '',
      [
        'rules.file: is required without redis.url; give --rules, TAGWARDEN_RULES, or the key in the config file',
      ],
    ],
    [
      `redis: { ${url} }\nrules: { file: r.yaml }`,
      [
        'tagwarden.yaml:3:16 rules.file: is not used with redis.url; add rules.publish: true where this file shall be what all replicas follow, or leave rules.file out',
      ],
    ],
    [
      `redis: { ${url} }\nrules: { publish: true }`,
      ['tagwarden.yaml:3:19 rules.publish: needs rules.file too: that is what is published'],
    ],
    [
      'rules: { file: r.yaml, publish: true, max_age_seconds: 60 }',
      [
        'tagwarden.yaml:2:33 rules.publish: does nothing without redis.url; give that too, or leave it out',
        'tagwarden.yaml:2:56 rules.max_age_seconds: does nothing without redis.url; give that too, or leave it out',
      ],
    ],
    [
      'rules: { file: r.yaml }\nredis: { key_prefix: x, wait_replicas: 1, password_file: secret.txt }',
      [
        'tagwarden.yaml:3:22 redis.key_prefix: does nothing without redis.url; give that too, or leave it out',
        'tagwarden.yaml:3:58 redis.password_file: does nothing without redis.url; give that too, or leave it out',
        'tagwarden.yaml:3:40 redis.wait_replicas: does nothing without redis.url; give that too, or leave it out',
      ],
    ],
    [
      `redis: { ${url}, username: u, ca_file: ca.pem, sentinel_password_file: secret.txt }`,
      [
        'tagwarden.yaml:2:36 redis.username: needs redis.password_file too',
        'tagwarden.yaml:2:48 redis.ca_file: does nothing without TLS; write rediss:// in redis.url',
        'tagwarden.yaml:2:80 redis.sentinel_password_file: does nothing without sentinels; write redis+sentinel:// in redis.url, or leave it out',
      ],
    ],
    [`redis: { ${url}, password_file: secret.txt }`, []],
  ];
  for (const [sections, errors] of cases) t.strictSame(errorsOf(t, sections), errors, sections);
  t.end();
});

t.test('a default that is written down asks for nothing', (t) => {
  const sections = `rules: { file: r.yaml, publish: false, max_age_seconds: 86400 }
redis: { key_prefix: tagwarden, command_timeout_ms: 1000, wait_replicas: 0 }`;
  t.same(errorsOf(t, sections), []);
  t.equal(configOf(t, sections).redis, undefined);
  t.end();
});

t.test('a value that is refused', (t) => {
  const cases: [key: string, value: string, error: RegExp][] = [
    ['key_prefix', '"{x}"', /must be 1 to 64 letters, digits/],
    ['key_prefix', '""', /must be 1 to 64 letters, digits/],
    ['command_timeout_ms', '10', /from 50 to 5000, not 10/],
    ['wait_replicas', '17', /from 0 to 16, not 17/],
    ['password_file', 'missing.txt', /cannot read/],
    ['ca_file', 'secret.txt', /holds no certificate/],
  ];
  for (const [key, value, error] of cases)
    t.match(errorsOf(t, `redis: { url: rediss://h, ${key}: ${value} }`), [error], `${key}: ${value}`);
  t.match(errorsOf(t, 'redis: { url: redis://h }\nrules: { max_age_seconds: 0 }'), [/from 1 to 31536000/]);
  t.end();
});

t.test('a wrong URL is one error, and not told a second time by what depends on it', (t) => {
  t.strictSame(errorsOf(t, 'redis: { url: "redis://a,b", password_file: secret.txt, ca_file: ca.pem }'), [
    'tagwarden.yaml:2:15 redis.url: names several hosts; say what they are: redis+sentinel:// or redis+cluster://',
  ]);
  t.end();
});
