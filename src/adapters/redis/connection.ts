import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis';
import type { Address } from '../../config/addresses.ts';
import type { RedisConfig } from '../../config/redis.ts';
import { directConnector, masterConnector } from './connectors.ts';

export type Client = Redis | Cluster;

const mostRetryMs = 500;
/** How long a socket may take to end by itself: one of a Redis that stands still never does. */
const disconnectMs = 100;

/** Never gives up; the jitter keeps replicas that lost Redis together from coming back together. */
export function retryDelayMs(attempt: number): number {
  return Math.min(mostRetryMs, 50 * attempt) * (0.5 + Math.random() / 2);
}

/** The connection that scripts run on. It reconnects by itself, and sends nothing again. */
export function openClient(config: RedisConfig): Client {
  const { servers } = config;
  if (servers.kind === 'cluster') return openCluster(config, servers.nodes);
  return new Redis({ ...placeOf(config), lazyConnect: true, enableOfflineQueue: false });
}

/**
 * A connection to hear messages on, which ends for good when it is lost: the next one may be to another node.
 * @param client of a Cluster, knows its nodes
 */
export function openSubscriber(config: RedisConfig, client: Client): Redis {
  const { servers } = config;
  const place =
    servers.kind === 'cluster'
      ? { ...optionsOf(config), ...anyNode(servers.nodes, client) }
      : placeOf(config);
  return new Redis({ ...place, retryStrategy: () => null });
}

/** A connection to a sentinel, which ends for good when it is lost. */
export function openSentinel(config: RedisConfig, sentinel: Address): Redis {
  const { sentinelPassword } = config;
  return new Redis({
    ...optionsOf({ ...config, username: undefined, password: sentinelPassword }),
    ...sentinel,
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
}

function openCluster(config: RedisConfig, nodes: readonly Address[]): Client {
  let lastError: Error | undefined;
  const cluster = new Cluster([...nodes], {
    ...clusterOptions(config),
    redisOptions: { ...optionsOf(config), Connector: directConnector((error) => (lastError = error)) },
  });
  // Else it says no more than that a connection was closed.
  cluster.on('error', (error: { lastNodeError?: Error }) => {
    if (lastError) error.lastNodeError = lastError;
  });
  return cluster.on('ready', () => (lastError = undefined));
}

function optionsOf({ username, password, tls, commandTimeoutMs }: RedisConfig): RedisOptions {
  return {
    Connector: directConnector(),
    ...(username !== undefined && { username }),
    ...(password && { password: password.reveal() }),
    ...(tls && { tls: tls.ca === undefined ? {} : { ca: tls.ca } }),
    connectTimeout: commandTimeoutMs,
    commandTimeout: commandTimeoutMs,
    disconnectTimeout: disconnectMs,
    maxLoadingRetryTime: mostRetryMs,
    // One more question before a connection can be used, which would be waited for where Redis stands still.
    disableClientInfo: true,
    autoResubscribe: false,
    // A command of which nothing was heard may have been run: it is for the caller to know, not to be sent again.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: retryDelayMs,
    // A former master: where the new one is may be learnt by connecting anew.
    reconnectOnError: ({ message }) => /\b(?:READONLY|MASTERDOWN)\b/.test(message),
  };
}

function placeOf(config: RedisConfig): RedisOptions {
  const { servers } = config;
  const options = optionsOf(config);
  switch (servers.kind) {
    case 'standalone':
      return { ...options, ...servers.address, db: servers.database };
    case 'sentinel': {
      const open = (sentinel: Address): Redis => openSentinel(config, sentinel);
      const Connector = masterConnector(servers.sentinels, servers.name, open);
      return { ...options, Connector, db: servers.database };
    }
    case 'cluster':
      throw new Error('a Cluster is in many places');
  }
}

function clusterOptions({ commandTimeoutMs }: RedisConfig): ClusterOptions {
  return {
    lazyConnect: true,
    clusterRetryStrategy: retryDelayMs,
    slotsRefreshTimeout: commandTimeoutMs,
    maxRedirections: 4,
    // Else it would send again what it never heard of.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // Nodes are connected to by the first command for them, and without it every other command would fail meanwhile.
    // RedisStore sends nothing to a Cluster that is not ready, and waits for no longer than the command timeout.
    enableOfflineQueue: true,
  };
}

/** Messages reach every node of a Cluster. */
function anyNode(startNodes: readonly Address[], client: Client): RedisOptions {
  const known =
    'nodes' in client ? client.nodes().map(({ options: { host, port } }) => ({ host, port })) : [];
  const nodes = known.length > 0 ? known : startNodes;
  const { host, port } = nodes[Math.floor(Math.random() * nodes.length)] ?? {};
  return { ...(host !== undefined && { host }), ...(port !== undefined && { port }) };
}
