import { accessLevels, isAccessLevel } from '../core/access-level.ts';
import { address, hostName, network, origin, webAddress } from './addresses.ts';
import { certificateFile, secretFile } from './files.ts';
import { defaulting, optional, required, usual, type Key } from './key.ts';
import { flag, integer, listOf, oneOf, path, text, userName } from './kinds.ts';
import { limitKeys } from './limit-keys.ts';
import { passthroughs } from './passthrough.ts';
import { keyPrefix, redisUrl } from './redis-url.ts';
import { shutdownKeys } from './shutdown-keys.ts';
import { tellingKeys } from './telling-keys.ts';

const authModes = ['anonymous', 'upstream', 'token', 'builtin'] as const;
// Asymmetric ones alone: with HMAC whoever knows a public key could sign.
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
const levels = Object.keys(accessLevels).filter(isAccessLevel);
const seconds = integer('SECONDS', 1, 86_400);
const putDeadline = integer('SECONDS', 1, 600);

/** Every key, once: its name in the file, in a flag and in the environment, its kind, its default, its reason. */
export const keys = {
  listen: defaulting('127.0.0.1:8080', address, 'Where docker clients connect; port 0 picks a free one.'),
  workers: defaulting(
    '1',
    integer('COUNT', 1, 1024),
    'How many processes serve clients; more than one where one core is not enough.',
  ),
  'tls.cert_file': optional(
    path,
    'The certificate chain (PEM) to serve HTTPS with; what replaces it is in force within seconds. Absent: plain HTTP.',
  ),
  'tls.key_file': optional(path, 'The private key (PEM) of that certificate.'),
  'tls.client_auth': defaulting(
    'off',
    oneOf(['off', 'optional', 'required']),
    'Whether clients are asked for a certificate; with auth.mode anonymous its common name is who the caller is, for members.',
  ),
  'tls.client_ca_file': optional(
    path,
    'Certificates (PEM) of those who issue the certificates of clients; no others are trusted.',
  ),
  public_url: optional(origin, 'The address that clients know; absent: the Host that each of them used.'),
  trusted_proxies: defaulting(
    '',
    listOf(network),
    'Who may say, in Forwarded and X-Forwarded-*, for whom they ask; of anyone else these headers are dropped.',
  ),
  'admin.listen': defaulting('127.0.0.1:9090', address, 'Where operators and probes connect.'),
  'admin.tls': defaulting(
    'false',
    flag,
    'Whether operators and probes too are served HTTPS, with the certificate of tls.cert_file.',
  ),
  'admin.token_file': optional(
    path,
    'The tokens of the management API, hashed; absent: there is no management API.',
  ),
  'admin.graphql_introspection': defaulting(
    'false',
    flag,
    'Whether /api/graphql tells its schema to those who ask for it with a token.',
  ),
  'upstream.url': required('http://127.0.0.1:5000', origin, 'The registry that is protected.'),
  'upstream.ca_file': optional(
    certificateFile,
    "Certificates (PEM) to trust, in place of the system's, for an https upstream.",
  ),
  'upstream.server_name': optional(
    hostName,
    'The name that an https upstream must have a certificate for; absent: the host of upstream.url.',
  ),
  'upstream.client_cert_file': optional(
    path,
    'The certificate chain (PEM) that is shown to an https upstream that asks for one.',
  ),
  'upstream.client_key_file': optional(path, 'The private key (PEM) of that certificate.'),
  'upstream.username': optional(
    userName,
    "Used to look up tags where the caller's own credentials may not pull.",
  ),
  'upstream.password_file': optional(
    secretFile,
    'Holds the password of that user; a file, so that it is in no process list.',
  ),
  'upstream.idle_timeout_seconds': defaulting(
    '120',
    seconds,
    'How long a transfer may stand still before it is given up; one that moves may take as long as it likes (but see limits.body_bytes_per_second).',
  ),
  'rules.file': usual(
    './rules.yaml',
    path,
    'The rules; a change to the file is in force within a second. Required without redis.url.',
  ),
  'rules.managed_file': defaulting(
    './.tagwarden/managed-rules.yaml',
    path,
    'Without redis.url: keeps the rules that the management API makes, beside those of rules.file; the default is in the working directory.',
  ),
  'rules.publish': defaulting(
    'false',
    flag,
    'With redis.url: whether this file is what all replicas follow; those without a file follow.',
  ),
  'rules.max_age_seconds': defaulting(
    '86400',
    integer('SECONDS', 1, 31_536_000),
    'With redis.url: how long the rules last heard of stay in force while Redis is away; then writes are refused.',
  ),
  'redis.url': optional(
    redisUrl,
    'What replicas share; also redis+sentinel://HOST:PORT,HOST:PORT/NAME, redis+cluster://HOST:PORT,HOST:PORT, and rediss for TLS. Absent: everything is in memory, for one process.',
  ),
  'redis.key_prefix': defaulting(
    'tagwarden',
    keyPrefix,
    'With what the names of all keys and channels begin; in braces, so that a Cluster keeps them together.',
  ),
  'redis.username': optional(text, 'The user of Redis, where it has an access list.'),
  'redis.password_file': optional(secretFile, 'Holds the password for Redis.'),
  'redis.sentinel_password_file': optional(secretFile, 'Holds the password for the sentinels.'),
  'redis.ca_file': optional(
    certificateFile,
    "Certificates (PEM) to trust, in place of the system's, with rediss.",
  ),
  'redis.command_timeout_ms': defaulting(
    '1000',
    integer('MILLISECONDS', 50, 5_000),
    'How long Redis may take to answer; then it counts as away.',
  ),
  'redis.wait_replicas': defaulting(
    '0',
    integer('COUNT', 0, 16),
    'How many replicas of Redis must have a reservation before its push is sent: a failover to one of them keeps it.',
  ),
  'auth.mode': defaulting(
    'anonymous',
    oneOf(authModes),
    'Who says who the caller is: nobody; the upstream; an issuer of tokens; or ourselves, with users_file.',
  ),
  'auth.default_access_level': defaulting(
    'developer',
    oneOf(levels),
    'What a caller is where no member entry says more.',
  ),
  'auth.groups_claim': defaulting(
    'groups',
    text,
    "The claim of a token that lists the caller's groups, for members.",
  ),
  'auth.level_claim': optional(text, "The claim of a token that says the caller's access level everywhere."),
  'auth.trust_basic_username': defaulting(
    'false',
    flag,
    'With mode upstream: whether a user name counts that the upstream lets in; not where a password alone is enough there.',
  ),
  'auth.realm': optional(
    webAddress,
    'Where clients are sent for a token; with mode builtin that is ourselves.',
  ),
  'auth.service': defaulting('container_registry', text, 'What a token must be meant for (its audience).'),
  'auth.issuer': optional(
    text,
    'Who must have issued a token; with mode builtin, whom ours are from: tagwarden.',
  ),
  'auth.algorithms': defaulting(
    'RS256,ES256',
    listOf(oneOf(algorithms)),
    'With what a token may be signed, with mode token.',
  ),
  'auth.keys.jwks_url': optional(
    webAddress,
    'Where the keys that sign tokens are published; a rotation needs no restart.',
  ),
  'auth.keys.jwks_file': optional(path, 'The same, in a file.'),
  'auth.keys.certificate_file': optional(path, 'The same, as certificates or public keys (PEM).'),
  'auth.users_file': optional(
    path,
    'With mode builtin: users and their passwords, as htpasswd -B writes them.',
  ),
  'auth.signing_key_file': defaulting(
    './.tagwarden/signing.key',
    path,
    'With mode builtin: what signs our tokens; made if absent, with .crt and .jwks.json beside it for the registry.',
  ),
  'auth.token_lifetime_seconds': defaulting(
    '300',
    integer('SECONDS', 60, 86_400),
    'How long our own tokens are good for; clients take less than 60 for 60.',
  ),
  'auth.refuse_at_token': defaulting(
    'true',
    flag,
    'With mode builtin: whether a push to a repository that is protected against the caller gets no token.',
  ),
  'immutability.enabled': defaulting(
    'true',
    flag,
    'Whether immutable rules count: the switch for an emergency.',
  ),
  'immutability.tombstone_file': defaulting(
    './.tagwarden/tombstones',
    path,
    'Without redis.url: remembers for good what tags were under a rule with tombstone: true; the default is in the working directory.',
  ),
  'immutability.birth_file': defaulting(
    './.tagwarden/births',
    path,
    'Without redis.url: remembers for good when tags were pushed first that are under a rule with immutable_after; the default is in the working directory.',
  ),
  'claims.ttl_seconds': defaulting(
    '120',
    integer('SECONDS', 2, 86_400),
    'How long a tag stays reserved for a push whose outcome is unknown; at least twice the deadline of a push.',
  ),
  'claims.put_deadline_seconds': defaulting(
    '25',
    putDeadline,
    'How long the upstream may take to accept a manifest; containerd gives up after 30 seconds.',
  ),
  'claims.journal_file': defaulting(
    './.tagwarden/claims.journal',
    path,
    'Remembers pending reservations over a restart; the default is in the working directory.',
  ),
  'deletes.walk_seconds': defaulting(
    '20',
    integer('SECONDS', 1, 600),
    'How long a repository may be walked, before something is deleted from it by digest, to learn who needs that.',
  ),
  'deletes.tag_limit': defaulting(
    '100000',
    integer('COUNT', 1, 10_000_000),
    'How many protected tags of one repository are walked; with more of them a delete by digest is refused.',
  ),
  'cache.size_mib': defaulting(
    '64',
    integer('MIB', 0, 65_536),
    'How much memory of each process may hold answers to reads of manifests that do not change; 0: none are held.',
  ),
  'cache.revalidate_seconds': defaulting(
    '60',
    integer('SECONDS', 0, 3_600),
    'After how long the upstream is asked whether such an answer is still right; 0: none are held.',
  ),
  'uploads.seal_key_file': defaulting(
    './.tagwarden/uploads.key',
    path,
    "Without redis.url: the key by which uploads are named whose address is of the registry's own form; made if absent; the default is in the working directory.",
  ),
  passthrough: defaulting(
    '',
    passthroughs,
    'Paths outside /v2/ that are forwarded as they are, as /ui; GET and HEAD, or { prefix: /ui, methods: [GET, POST] }.',
  ),
  ...limitKeys,
  ...shutdownKeys,
  ...tellingKeys,
};

export type KeyPath = keyof typeof keys;
type ValueOf<Declared> = Declared extends Key<infer Value> ? Value : never;
export type Values = { readonly [Path in KeyPath]: ValueOf<(typeof keys)[Path]> };

export const keyPaths = Object.keys(keys).filter((name): name is KeyPath => Object.hasOwn(keys, name));

/** To write a default down, as reference.yaml does, asks for nothing. */
export function isDefault(path: KeyPath, value: unknown): boolean {
  const { kind, defaultText } = keys[path];
  return (
    defaultText !== undefined && JSON.stringify(kind.fromText(defaultText, '')) === JSON.stringify(value)
  );
}

// Where a key is the first of its section that anybody sets by hand.
const shortNames: Readonly<Record<string, string>> = {
  'upstream.url': 'upstream',
  'rules.file': 'rules',
  'redis.url': 'redis',
};

/** As `--claims-ttl-seconds`. */
export function flagOf(path: KeyPath): string {
  return `--${(shortNames[path] ?? path).replace(/[._]/g, '-')}`;
}

/** As `TAGWARDEN_CLAIMS_TTL_SECONDS`. */
export function variableOf(path: KeyPath): string {
  return `TAGWARDEN_${(shortNames[path] ?? path).replaceAll('.', '_').toUpperCase()}`;
}
