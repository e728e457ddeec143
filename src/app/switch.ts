import { pino } from 'pino';
import { steadyClock } from '../adapters/clock.ts';
import { connectRedis } from '../adapters/redis/redis-store.ts';
import { RulesRecord } from '../adapters/redis/rules-record.ts';
import { firstPushWaitMs } from '../adapters/redis/rules.ts';
import type { Config } from '../config/config.ts';

/** The switch of all replicas, or why it cannot be had. */
export type SwitchOutcome = { readonly says: string } | { readonly error: string };

/**
 * Says how `immutability.enabled` stands in Redis, after having set it there if a position is given.
 * @throws StoreAway
 */
export async function switchReplicas(config: Config, position: boolean | undefined): Promise<SwitchOutcome> {
  if (!config.redis) {
    return {
      error:
        'redis.url: is not set, so that there is one process; set immutability.enabled in its config file, which it watches',
    };
  }
  const store = await connectRedis(config.redis, pino({ level: 'silent' }));
  try {
    const record = new RulesRecord(store, steadyClock);
    if (position !== undefined) {
      await record.switchImmutability(position, firstPushWaitMs(config.claims.ttlSeconds * 1000));
    }
    const { look } = await record.look();
    if (!look.switch) return { says: 'immutability.enabled is as each replica is configured' };
    const { isEnabled, admitsFirstPushFromMs } = look.switch;
    const waitSeconds = Math.ceil((admitsFirstPushFromMs - steadyClock.nowMs()) / 1000);
    const wait = isEnabled && waitSeconds > 0 ? `; new immutable tags can be pushed in ${waitSeconds} s` : '';
    return { says: `immutability.enabled is ${isEnabled ? 'on' : 'off'} on all replicas${wait}` };
  } finally {
    await store.close();
  }
}
