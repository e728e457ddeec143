import { createHash } from 'node:crypto';
import type { BaseLogger } from 'pino';
import type { RedisConfig } from '../../config/redis.ts';
import { StoreAway } from '../../core/ports.ts';
import { openClient, openSubscriber, retryDelayMs, type Client } from './connection.ts';
import { watchFailovers } from './failover-watch.ts';
import { failureOf, Refused, timedOut, within } from './failures.ts';
import { StoreHealth } from './store-health.ts';
import type { Reply, Script, SharedStore, StoreState } from './store.ts';
import { Subscriptions, type Hear } from './subscriptions.ts';

type Keys = readonly string[];
type Arguments = readonly (string | number)[];

/**
 * Rejects for nothing that Redis does: a store that is away at the start is one that is back later. This module takes
 * long to load: import it only where Redis is used.
 */
export async function connectRedis(
  config: RedisConfig,
  log: Pick<BaseLogger, 'info' | 'warn' | 'error'>,
): Promise<SharedStore> {
  const client = openClient(config);
  const subscriptions = new Subscriptions(() => openSubscriber(config, client));
  const store = new RedisStore(config, client, subscriptions, new StoreHealth(log));
  await store.connect();
  return store;
}

class RedisStore implements SharedStore {
  readonly #config: RedisConfig;
  readonly #client: Client;
  readonly #subscriptions: Subscriptions;
  readonly #health: StoreHealth;
  /** How often it was connected: what goes wrong on an old connection is no reason to drop a new one. */
  #connections = 0;
  #isClosed = false;
  #endWatch: () => void = () => undefined;

  constructor(config: RedisConfig, client: Client, subscriptions: Subscriptions, health: StoreHealth) {
    this.#config = config;
    this.#client = client;
    this.#subscriptions = subscriptions;
    this.#health = health;
  }

  /** Waits for the first connection, or its failure. */
  async connect(): Promise<void> {
    const connect = (): Promise<void> => this.#client.connect().catch(() => undefined);
    let attempt = 0;
    this.#client.on('ready', () => {
      attempt = 0;
      this.#connections += 1;
      this.#health.isUp();
    });
    this.#client.on('error', (error: Error) => {
      this.#isAway(failureOf(error).reason);
    });
    this.#client.on('close', () => {
      this.#isAway('the connection was closed');
    });
    // Where there is not even a socket, or no sentinel answers, ioredis gives up for good.
    this.#client.on('end', () => {
      setTimeout(() => {
        if (!this.#isClosed) void connect();
      }, retryDelayMs(++attempt));
    });
    this.#endWatch = watchFailovers(this.#config, () => {
      this.#client.disconnect(true);
      this.#subscriptions.reopen();
    });
    await within(this.#config.commandTimeoutMs, connect()).catch((error: unknown) => {
      this.#isAway(failureOf(error).reason);
    });
    // A Cluster says it a little later.
    if (this.#client.status === 'ready') this.#health.isUp();
  }

  key(...parts: readonly string[]): string {
    return `{${this.#config.keyPrefix}}:${parts.join(':')}`;
  }

  run(script: Script, keys: Keys, args: Arguments): Promise<Reply> {
    return this.#attempt(script, () => this.#evaluate(script, keys, args));
  }

  runDurably(script: Script, keys: Keys, args: Arguments): Promise<Reply> {
    if (this.#config.waitReplicas === 0) return this.run(script, keys, args);
    return this.#attempt(script, () => this.#evaluateDurably(script, keys, args));
  }

  subscribe(channel: string, hear: Hear): void {
    this.#subscriptions.add(channel, hear);
  }

  state(): StoreState {
    return this.#health.state;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#endWatch();
    this.#subscriptions.close();
    this.#client.disconnect();
    return Promise.resolve();
  }

  async #attempt(script: Script, work: () => Promise<Reply>): Promise<Reply> {
    const connection = this.#connections;
    try {
      if (this.#client.status !== 'ready') throw new Error('there is no connection');
      const reply = await within(this.#config.commandTimeoutMs, work());
      this.#health.isUp();
      return reply;
    } catch (error) {
      const { reason, isRefusal } = failureOf(error);
      if (isRefusal) this.#health.refused(reason);
      else this.#isAway(reason);
      // What follows on this connection would wait behind it, and a Redis that has gone silently is found nowhere else.
      if (reason === timedOut && connection === this.#connections) this.#client.disconnect(true);
      throw new StoreAway('redis cannot be used', { cause: new Error(`${script.name}: ${reason}`) });
    }
  }

  /** A Redis that was restarted has forgotten the scripts. */
  async #evaluate(script: Script, keys: Keys, args: Arguments): Promise<Reply> {
    const rest = [keys.length, ...keys, ...args] as const;
    try {
      return (await this.#client.evalsha(hashOf(script), ...rest)) as Reply;
    } catch (error) {
      if (!failureOf(error).isForgotten) throw error;
      return (await this.#client.eval(script.lua, ...rest)) as Reply;
    }
  }

  async #evaluateDurably(script: Script, keys: Keys, args: Arguments): Promise<Reply> {
    const rest = [keys.length, ...keys, ...args] as const;
    // In a Cluster a single command follows a slot that has moved, and so makes known where it is; a pipeline does not.
    if ('nodes' in this.#client) await this.#client.exists(...keys);
    try {
      return await this.#sendAndWait(['evalsha', hashOf(script), ...rest]);
    } catch (error) {
      if (!failureOf(error).isForgotten) throw error;
      return await this.#sendAndWait(['eval', script.lua, ...rest]);
    }
  }

  /** In one pipeline, and so on one connection: WAIT waits for what was written on its own. */
  async #sendAndWait(command: readonly (string | number)[]): Promise<Reply> {
    const { waitReplicas, commandTimeoutMs } = this.#config;
    // Less than half of the time: where Redis has forgotten the script, it waits twice.
    const wait = ['wait', waitReplicas, Math.ceil(commandTimeoutMs / 3)];
    const results = await this.#client.pipeline([[...command], wait]).exec();
    const [reply, reached] = (results ?? []).map(([error, result]) => {
      if (error) throw error;
      return result as Reply;
    });
    if (reply === undefined || !(Number(reached) >= waitReplicas))
      throw new Refused(`it reached ${String(reached)} replicas of Redis, not ${waitReplicas}`);
    return reply;
  }

  #isAway(reason: string): void {
    if (!this.#isClosed) this.#health.isAway(reason);
  }
}

const hashes = new WeakMap<Script, string>();

function hashOf(script: Script): string {
  const hash = hashes.get(script) ?? createHash('sha1').update(script.lua).digest('hex');
  hashes.set(script, hash);
  return hash;
}
