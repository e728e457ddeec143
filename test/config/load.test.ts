import { join } from 'node:path';
import { inspect } from 'node:util';
import t from 'tap';
import { configOf, errorsOf, inFile } from '../fixtures/loaded-config.ts';

t.test('defaults', (t) => {
  const { cwd, ...config } = configOf(t, {});
  t.strictSame(config, {
    listen: { host: '127.0.0.1', port: 8080 },
    cache: { sizeMib: 64, revalidateSeconds: 60 },
    tls: undefined,
    workers: 1,
    publicUrl: undefined,
    trustedProxies: [],
    admin: {
      listen: { host: '127.0.0.1', port: 9090 },
      tls: false,
      tokenFile: undefined,
      graphqlIntrospection: false,
    },
    upstream: {
      url: 'http://127.0.0.1:5000',
      tls: { ca: undefined, serverName: undefined, client: undefined },
      credentials: undefined,
      idleTimeoutSeconds: 120,
    },
    rules: {
      file: join(cwd, 'rules.yaml'),
      managedFile: join(cwd, '.tagwarden/managed-rules.yaml'),
      publish: false,
      maxAgeSeconds: 86_400,
    },
    redis: undefined,
    auth: {
      mode: 'anonymous',
      defaultAccessLevel: 'developer',
      groupsClaim: 'groups',
      levelClaim: undefined,
    },
    immutability: {
      enabled: true,
      file: undefined,
      tombstoneFile: join(cwd, '.tagwarden/tombstones'),
      birthFile: join(cwd, '.tagwarden/births'),
    },
    claims: { ttlSeconds: 120, putDeadlineSeconds: 25, journalFile: join(cwd, '.tagwarden/claims.journal') },
    deletes: { walkSeconds: 20, tagLimit: 100_000 },
    uploads: { sealKeyFile: join(cwd, '.tagwarden/uploads.key') },
    passthrough: [],
    limits: {
      connections: 0,
      connectionsPerAddress: 0,
      uploads: 0,
      uploadsPerCaller: 0,
      requestsPerSecond: 0,
      requestBurst: 100,
      bodyBytesPerSecond: 100,
      headerTimeoutSeconds: 60,
      keepAliveSeconds: 100,
    },
    shutdown: { delaySeconds: 0, timeoutSeconds: 60 },
    metrics: { repositories: false },
    log: { level: 'info', format: 'auto', auditFile: undefined },
    webhooks: [],
    tracing: undefined,
  });
  t.end();
});

t.test('a flag beats the environment, that beats the file, that beats the default', (t) => {
  const file = `${inFile}claims: { ttl_seconds: 61, put_deadline_seconds: 21 }\nlisten: "[::1]:1"\n`;
  const env = { TAGWARDEN_CLAIMS_TTL_SECONDS: '62', TAGWARDEN_LISTEN: 'localhost:2' };
  t.match(configOf(t, {}).claims, { ttlSeconds: 120, putDeadlineSeconds: 25 });
  t.match(configOf(t, { file }), {
    listen: { host: '::1', port: 1 },
    claims: { ttlSeconds: 61, putDeadlineSeconds: 21 },
  });
  t.match(configOf(t, { file, env }), {
    listen: { host: 'localhost', port: 2 },
    claims: { ttlSeconds: 62, putDeadlineSeconds: 21 },
  });
  t.match(configOf(t, { file, env, argv: ['--listen=0.0.0.0:0'] }), {
    listen: { host: '0.0.0.0', port: 0 },
    claims: { ttlSeconds: 62, putDeadlineSeconds: 21 },
  });
  t.end();
});

t.test('a path is relative to where it is written', (t) => {
  const paths = `rules: { file: ../rules.yaml }
upstream: { url: http://u, ca_file: ca.pem }
immutability: { tombstone_file: ./tombstones }
`;
  const { cwd, rules, upstream, claims, immutability } = configOf(t, { file: paths });
  t.equal(rules.file, join(cwd, 'rules.yaml'));
  t.match(upstream.tls.ca, /near/);
  t.equal(immutability.tombstoneFile, join(cwd, 'etc/tombstones'));
  t.equal(claims.journalFile, join(cwd, '.tagwarden/claims.journal'), 'a default: the working directory');
  const byFlag = configOf(t, {
    file: paths,
    argv: ['--rules', 'x.yaml'],
    env: { TAGWARDEN_UPSTREAM_CA_FILE: 'ca.pem' },
  });
  t.equal(byFlag.rules.file, join(byFlag.cwd, 'x.yaml'));
  t.notMatch(byFlag.upstream.tls.ca, /near/);
  t.end();
});

t.test('every kind of value', (t) => {
  const lists = configOf(t, {
    env: {
      TAGWARDEN_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
      TAGWARDEN_PASSTHROUGH: '/ui,/jwt/auth/',
      TAGWARDEN_IMMUTABILITY_ENABLED: 'false',
      TAGWARDEN_PUBLIC_URL: 'https://Registry.example:443/',
    },
  });
  t.match(lists, {
    trustedProxies: [
      { address: '10.0.0.0', prefixLength: 8, family: 'ipv4' },
      { address: '::1', prefixLength: 128, family: 'ipv6' },
    ],
    passthrough: [
      { prefix: '/ui', methods: ['GET', 'HEAD'] },
      { prefix: '/jwt/auth', methods: ['GET', 'HEAD'] },
    ],
    immutability: { enabled: false },
    publicUrl: 'https://registry.example',
  });
  const file = `${inFile}trusted_proxies: [192.0.2.1]\nimmutability: { enabled: false }\npassthrough: [/ui, { prefix: /api/x, methods: [POST] }]\n`;
  t.match(configOf(t, { file }), {
    trustedProxies: [{ address: '192.0.2.1', prefixLength: 32 }],
    immutability: { enabled: false },
    passthrough: [{ prefix: '/ui' }, { prefix: '/api/x', methods: ['POST'] }],
  });
  t.end();
});

t.test('the file has the say on the switch where nothing beats it', (t) => {
  const { cwd, immutability } = configOf(t, { file: inFile });
  t.match(immutability, { enabled: true, file: join(cwd, 'etc/tagwarden.yaml') });
  const argv = ['--immutability-enabled', 'false'];
  t.match(configOf(t, { file: inFile, argv }).immutability, { enabled: false, file: undefined });
  const env = { TAGWARDEN_IMMUTABILITY_ENABLED: 'false' };
  t.match(configOf(t, { file: inFile, env }).immutability, { enabled: false, file: undefined });
  t.end();
});

t.test('nothing of it can be changed', (t) => {
  const config = configOf(t, { argv: ['--passthrough', '/ui'] });
  t.ok([config.listen, config.upstream, config.passthrough, config.passthrough[0]].every(Object.isFrozen));
  t.end();
});

t.test('the password of the upstream is printed nowhere', (t) => {
  const { upstream } = configOf(t, {
    argv: ['--upstream-username', 'tagwarden', '--upstream-password-file', 'secret.txt'],
  });
  t.equal(upstream.credentials?.username, 'tagwarden');
  t.equal(upstream.credentials?.password.reveal(), 's3cret');
  const printed = [
    inspect(upstream, { depth: 9, showHidden: true }),
    JSON.stringify(upstream),
    String(upstream.credentials?.password),
  ];
  t.same(
    printed.filter((text) => text.includes('s3cret') || !text.includes('***')),
    [],
  );
  t.end();
});

t.test('an empty variable is not set, and what Kubernetes sets is not meant for us', (t) => {
  const env = {
    TAGWARDEN_LISTEN: '',
    TAGWARDEN_WHATEVER: '',
    TAGWARDEN_PORT: 'tcp://10.96.0.12:80',
    TAGWARDEN_PORT_80_TCP: 'tcp://10.96.0.12:80',
    TAGWARDEN_PORT_80_TCP_ADDR: '10.96.0.12',
    TAGWARDEN_SERVICE_HOST: '10.96.0.12',
    TAGWARDEN_SERVICE_PORT_HTTP: '80',
    TAGWARDEN_ADMIN_SERVICE_PORT: '9090',
  };
  t.same(configOf(t, { env }).listen, { host: '127.0.0.1', port: 8080 });
  t.end();
});

t.test('all errors of all sources at once, each with its place and its mend', (t) => {
  const file = `listen: 8080
upstreem: {}
auth: { mode: tokens, default_access_level: boss }
claims: { ttl_seconds: 60, put_deadline_seconds: "25" }
log:
rules: { file: 7 }
`;
  const env = { TAGWARDEN_LISTEN: ':8080', TAGWARDEN_RULE: 'x', TAGWARDEN_CLAIMS_PUT_DEADLINE_SECONDS: '40' };
  const argv = [
    'serve',
    '--admin-listen',
    '1.2.3.4:70000',
    '--upstreams',
    'x',
    '--log-level',
    '--workers=2',
    '--workers',
    '2',
  ];
  t.same(errorsOf(t, { file, env, argv }), [
    'etc/tagwarden.yaml:1:9 listen: must be text, not 8080; put quotes around it',
    'etc/tagwarden.yaml:2:1 unknown key "upstreem"; did you mean upstream?',
    'etc/tagwarden.yaml:3:15 auth.mode: must be one of anonymous, upstream, token, builtin, not "tokens"; did you mean token?',
    'etc/tagwarden.yaml:3:45 auth.default_access_level: must be one of anonymous, guest, reporter, developer, maintainer, owner, admin, not "boss"',
    'etc/tagwarden.yaml:4:50 claims.put_deadline_seconds: must be a number, not "25"',
    'etc/tagwarden.yaml:5:5 log: is empty; it must be a mapping with level, format, audit_file',
    'etc/tagwarden.yaml:6:16 rules.file: must be text, not 7; put quotes around it',
    'environment TAGWARDEN_RULE: unknown; did you mean TAGWARDEN_RULES?',
    'environment TAGWARDEN_LISTEN: must be HOST:PORT; 127.0.0.1:8080 is this machine alone, 0.0.0.0:8080 or [::]:8080 everyone',
    'unexpected argument "serve"; flags start with --',
    'flag --upstreams: unknown; did you mean --upstream?',
    'flag --log-level: needs a value',
    'flag --workers: given twice; give it once',
    'flag --admin-listen: must end with a port from 0 to 65535, as 127.0.0.1:8080',
    'upstream.url: is required; give --upstream, TAGWARDEN_UPSTREAM, or the key in the config file',
    'etc/tagwarden.yaml:4:24 claims.ttl_seconds: 60 is too short; it must be at least 80, twice claims.put_deadline_seconds (40)',
  ]);
  t.end();
});

t.test('a value that is refused', (t) => {
  const cases: [flag: string, value: string, error: RegExp][] = [
    ['--upstream', 'registry:5000', /must start with http/],
    ['--upstream', 'http://u/v2/', /a scheme, a host and a port only/],
    ['--upstream', 'http://u/?x', /a scheme, a host and a port only/],
    ['--upstream', 'http://u:p@host', /must hold no credentials/],
    ['--listen', '8080', /must be HOST:PORT/],
    ['--listen', '*:8080', /must be HOST:PORT/],
    ['--listen', '::1:8080', /write IPv6 in brackets/],
    ['--listen', 'localhost:x', /must end with a port/],
    ['--trusted-proxies', '10.0.0.0/33', /"10\.0\.0\.0\/33" is no address or network/],
    ['--trusted-proxies', 'proxy', /"proxy" is no address or network/],
    ['--claims-ttl-seconds', '1', /from 2 to 86400, not 1/],
    ['--claims-ttl-seconds', '1e3', /must be a whole number/],
    ['--claims-put-deadline-seconds', '601', /from 1 to 600/],
    ['--immutability-enabled', 'yes', /must be one of true, false/],
    ['--log-level', 'inof', /did you mean info\?/],
    ['--upstream-ca-file', 'missing.pem', /cannot read \.\/missing\.pem: ENOENT: no such file or directory/],
    ['--upstream-ca-file', 'secret.txt', /holds no certificate/],
    ['--upstream-username', 'a', /needs upstream\.password_file too/],
    ['--upstream-username', 'a:b', /must hold no colon/],
    ['--upstream-password-file', 'secret.txt', /needs upstream\.username too/],
    ['--upstream-password-file', 'empty.txt', /empty\.txt is empty/],
    ['--config', 'missing.yaml', /flag --config: cannot read .*missing\.yaml/],
    ['--config', 'empty.txt', /empty\.txt:1:1 the document is empty/],
    ['--tls-cert-file', 'x', /needs tls\.key_file too/],
    ['--tls-key-file', 'x', /needs tls\.cert_file too/],
    ['--tls-client-auth', 'required', /needs tls\.client_ca_file too/],
    ['--tls-client-auth', 'maybe', /must be one of off, optional, required/],
    ['--tls-client-ca-file', 'x', /does nothing with tls\.client_auth off; write optional or required/],
    ['--admin-tls', 'true', /needs tls\.cert_file too/],
    ['--upstream-server-name', '10.0.0.7', /"10\.0\.0\.7" is no host name/],
    ['--upstream-server-name', 'registry.internal', /does nothing without TLS; write https:/],
    ['--upstream-client-key-file', 'x', /needs upstream\.client_cert_file too/],
    ['--upstream-client-cert-file', 'x', /needs upstream\.client_key_file too/],
    ['--limits-connections', '-1', /must be a whole number from 0 to 1000000/],
    ['--limits-request-burst', '5', /does nothing without limits\.requests_per_second/],
    ['--auth-mode', 'none', /must be one of anonymous, upstream, token, builtin, not "none"/],
    ['--auth-realm', 'gitlab.example', /must start with http/],
    ['--auth-realm', 'ftp://gitlab.example', /must start with http/],
    ['--auth-keys-jwks-url', 'https://u:p@gitlab.example/keys', /must hold no credentials/],
    ['--auth-keys-jwks-url', 'https://gitlab.example/#keys', /no fragment/],
    ['--auth-algorithms', 'RS256,none', /must be one of RS256.*, not "none"/],
    ['--auth-algorithms', 'HS256', /must be one of RS256.*, not "HS256"/],
    ['--auth-token-lifetime-seconds', '59', /from 60 to 86400, not 59/],
    ['--auth-issuer', ' ', /must not be empty/],
  ];
  for (const [flag, value, error] of cases) {
    const argv = flag === '--upstream' ? [] : [flag, value];
    const env = flag === '--upstream' ? { TAGWARDEN_UPSTREAM: value } : {};
    t.match(errorsOf(t, { argv, env }).join('\n'), error, `${flag} ${value}`);
  }
  t.end();
});
