import { arrangeAuth, type AuthConfig } from './auth.ts';
import type { Address, Network } from './addresses.ts';
import { arrangeLimits, type LimitsConfig } from './limits.ts';
import type { Passthrough } from './passthrough.ts';
import { arrangeRedis, arrangeRules, type RedisConfig, type RulesConfig } from './redis.ts';
import type { Values } from './schema.ts';
import type { Secret } from './secret.ts';
import { arrangeServerTls, arrangeUpstreamTls, type ServerTlsConfig, type UpstreamTlsConfig } from './tls.ts';
import type { WebhookConfig } from './webhooks.ts';

/** Everything that can be set in this version, checked and frozen. Paths are absolute. */
export interface Config {
  readonly listen: Address;
  /** Undefined: plain HTTP. */
  readonly tls: ServerTlsConfig | undefined;
  /** How many processes serve clients. */
  readonly workers: number;
  /** As `https://registry.example`; absent: the Host that the client used. */
  readonly publicUrl: string | undefined;
  readonly trustedProxies: readonly Network[];
  readonly admin: {
    readonly listen: Address;
    /** Whether it serves HTTPS as the main listener does. */
    readonly tls: boolean;
    /** Absent: there is no management API. */
    readonly tokenFile: string | undefined;
    readonly graphqlIntrospection: boolean;
  };
  readonly upstream: {
    /** As `http://127.0.0.1:5000`. */
    readonly url: string;
    readonly tls: UpstreamTlsConfig;
    readonly credentials: UpstreamCredentials | undefined;
    readonly idleTimeoutSeconds: number;
  };
  readonly rules: RulesConfig;
  /** Undefined: everything is in memory, for one process. */
  readonly redis: RedisConfig | undefined;
  readonly auth: AuthConfig;
  readonly immutability: {
    readonly enabled: boolean;
    /** The config file, where it has the say: nothing beats it. */
    readonly file: string | undefined;
    readonly tombstoneFile: string;
    readonly birthFile: string;
  };
  readonly claims: {
    readonly ttlSeconds: number;
    readonly putDeadlineSeconds: number;
    readonly journalFile: string;
  };
  /** What a walk over a repository may cost, before something is deleted from it by digest. */
  readonly deletes: { readonly walkSeconds: number; readonly tagLimit: number };
  /** Of answers to reads of manifests; either may be 0: none are held. */
  readonly cache: { readonly sizeMib: number; readonly revalidateSeconds: number };
  readonly uploads: { readonly sealKeyFile: string };
  readonly passthrough: readonly Passthrough[];
  readonly limits: LimitsConfig;
  readonly shutdown: ShutdownConfig;
  readonly metrics: { readonly repositories: boolean };
  readonly log: {
    readonly level: Values['log.level'];
    readonly format: Values['log.format'];
    /** `-`: standard output. */
    readonly auditFile: string | undefined;
  };
  readonly webhooks: readonly WebhookConfig[];
  /** Undefined: nothing is recorded. */
  readonly tracing: TracingConfig | undefined;
}

export interface TracingConfig {
  /** As `http://collector:4318/v1/traces`. */
  readonly endpoint: string;
  /** Undefined: the system's certificates are trusted. */
  readonly ca: string | undefined;
  /** From 0 to 1, of the traces that begin here. */
  readonly sampleRatio: number;
}

/** Between SIGTERM and the end of the process. */
export interface ShutdownConfig {
  /** While new connections are still accepted. */
  readonly delaySeconds: number;
  /** After that. */
  readonly timeoutSeconds: number;
}

/** Tagwarden's own, for look-ups. */
export interface UpstreamCredentials {
  readonly username: string;
  readonly password: Secret;
}

export function arrange(values: Values, switchFile: string | undefined): Config {
  const { 'upstream.username': username, 'upstream.password_file': password } = values;
  const credentials = username !== undefined && password ? { username, password } : undefined;
  return deepFreeze({
    listen: values.listen,
    tls: arrangeServerTls(values),
    workers: values.workers,
    publicUrl: values.public_url,
    trustedProxies: values.trusted_proxies,
    admin: {
      listen: values['admin.listen'],
      tls: values['admin.tls'],
      tokenFile: values['admin.token_file'],
      graphqlIntrospection: values['admin.graphql_introspection'],
    },
    upstream: {
      url: values['upstream.url'],
      tls: arrangeUpstreamTls(values),
      credentials,
      idleTimeoutSeconds: values['upstream.idle_timeout_seconds'],
    },
    rules: arrangeRules(values),
    redis: arrangeRedis(values),
    auth: arrangeAuth(values),
    immutability: {
      enabled: values['immutability.enabled'],
      file: switchFile,
      tombstoneFile: values['immutability.tombstone_file'],
      birthFile: values['immutability.birth_file'],
    },
    claims: {
      ttlSeconds: values['claims.ttl_seconds'],
      putDeadlineSeconds: values['claims.put_deadline_seconds'],
      journalFile: values['claims.journal_file'],
    },
    deletes: { walkSeconds: values['deletes.walk_seconds'], tagLimit: values['deletes.tag_limit'] },
    cache: { sizeMib: values['cache.size_mib'], revalidateSeconds: values['cache.revalidate_seconds'] },
    uploads: { sealKeyFile: values['uploads.seal_key_file'] },
    passthrough: values.passthrough,
    limits: arrangeLimits(values),
    shutdown: {
      delaySeconds: values['shutdown.delay_seconds'],
      timeoutSeconds: values['shutdown.timeout_seconds'],
    },
    metrics: { repositories: values['metrics.repositories'] },
    log: {
      level: values['log.level'],
      format: values['log.format'],
      auditFile: values['log.audit_file'],
    },
    webhooks: values.webhooks,
    tracing: arrangeTracing(values),
  });
}

function arrangeTracing(values: Values): TracingConfig | undefined {
  const endpoint = values['tracing.endpoint'];
  if (endpoint === undefined) return undefined;
  return { endpoint, ca: values['tracing.ca_file'], sampleRatio: values['tracing.sample_ratio'] };
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const part of Object.values(value) as unknown[]) {
    if (typeof part === 'object' && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
