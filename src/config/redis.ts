import type { RedisServers } from './redis-url.ts';
import { flagOf, isDefault, keyPaths, variableOf, type KeyPath, type Values } from './schema.ts';
import type { Secret } from './secret.ts';

/** The Redis that replicas share. */
export interface RedisConfig {
  readonly servers: RedisServers;
  /** Absent: no TLS. `ca`: certificates (PEM) to trust in place of the system's. */
  readonly tls: { readonly ca: string | undefined } | undefined;
  readonly keyPrefix: string;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  readonly sentinelPassword: Secret | undefined;
  readonly commandTimeoutMs: number;
  /** How many replicas of Redis must have a claim before its push is sent. */
  readonly waitReplicas: number;
}

/** Where the rules come from. */
export interface RulesConfig {
  /** Undefined on a replica that follows what another one publishes. */
  readonly file: string | undefined;
  /** Without Redis: what the management API makes. */
  readonly managedFile: string;
  /** Whether the file is what all replicas follow. */
  readonly publish: boolean;
  /** How long rules from Redis stay in force while it is away. */
  readonly maxAgeSeconds: number;
}

/** INVARIANT: `checkRedis` found nothing wrong. */
export function arrangeRedis(values: Values): RedisConfig | undefined {
  const url = values['redis.url'];
  if (!url) return undefined;
  return {
    servers: url.servers,
    tls: url.isTls ? { ca: values['redis.ca_file'] } : undefined,
    keyPrefix: values['redis.key_prefix'],
    username: values['redis.username'],
    password: values['redis.password_file'],
    sentinelPassword: values['redis.sentinel_password_file'],
    commandTimeoutMs: values['redis.command_timeout_ms'],
    waitReplicas: values['redis.wait_replicas'],
  };
}

/** INVARIANT: `checkRedis` found nothing wrong. */
export function arrangeRules(values: Values): RulesConfig {
  return {
    file: values['rules.file'],
    managedFile: values['rules.managed_file'],
    publish: values['rules.publish'],
    maxAgeSeconds: values['rules.max_age_seconds'],
  };
}

type PlaceOf = (path: KeyPath) => string | undefined;

/**
 * Whether the keys go together that say what is shared, and with whom.
 * @param placeOf where a key was given; undefined where it was not, though it may have a default
 */
export function checkRedis(values: Partial<Values>, placeOf: PlaceOf): string[] {
  return placeOf('redis.url') === undefined
    ? checkAlone(values, placeOf)
    : [...checkShared(values, placeOf), ...checkConnection(values, placeOf)];
}

/** Whether there are rules for one who asks no Redis, whatever the configuration has for those who do. */
export function checkWithoutRedis(values: Partial<Values>, placeOf: PlaceOf): string[] {
  if (placeOf('redis.url') === undefined) return checkAlone(values, placeOf);
  return placeOf('rules.file') === undefined
    ? [`rules.file: is required: Redis is not asked for rules; give ${waysToRulesFile}`]
    : [];
}

const waysToRulesFile = `${flagOf('rules.file')}, ${variableOf('rules.file')}, or the key in the config file`;

function checkAlone(values: Partial<Values>, placeOf: PlaceOf): string[] {
  const needRedis = keyPaths.filter(
    (path) => path.startsWith('redis.') || path === 'rules.publish' || path === 'rules.max_age_seconds',
  );
  return [
    ...(placeOf('rules.file') === undefined
      ? [`rules.file: is required without redis.url; give ${waysToRulesFile}`]
      : []),
    ...needRedis
      .filter((path) => !isDefault(path, values[path]))
      .flatMap((path) =>
        complain(placeOf(path), 'does nothing without redis.url; give that too, or leave it out'),
      ),
  ];
}

function checkShared(values: Partial<Values>, placeOf: PlaceOf): string[] {
  const file = placeOf('rules.file');
  if (values['rules.publish'] !== true) {
    // Else every replica would go by its own file.
    const mend =
      'add rules.publish: true where this file shall be what all replicas follow, or leave rules.file out';
    return values['rules.publish'] === false ? complain(file, `is not used with redis.url; ${mend}`) : [];
  }
  const publish = placeOf('rules.publish');
  return file === undefined ? complain(publish, 'needs rules.file too: that is what is published') : [];
}

function checkConnection(values: Partial<Values>, placeOf: PlaceOf): string[] {
  const url = values['redis.url'];
  const needs = (given: KeyPath, other: KeyPath): string[] =>
    placeOf(other) === undefined ? complain(placeOf(given), `needs ${other} too`) : [];
  return [
    ...needs('redis.username', 'redis.password_file'),
    ...(url && !url.isTls
      ? complain(placeOf('redis.ca_file'), 'does nothing without TLS; write rediss:// in redis.url')
      : []),
    ...(url && url.servers.kind !== 'sentinel'
      ? complain(
          placeOf('redis.sentinel_password_file'),
          'does nothing without sentinels; write redis+sentinel:// in redis.url, or leave it out',
        )
      : []),
  ];
}

function complain(place: string | undefined, text: string): string[] {
  return place === undefined ? [] : [`${place}: ${text}`];
}
