import type { RedisConfig } from '../../config/redis.ts';
import { openSentinel } from './connection.ts';
import { Subscriptions } from './subscriptions.ts';

/**
 * Hears from every sentinel when there is another master: in a failover that an operator asked for, the former one goes
 * on serving for some ten seconds, and what is written to it is lost.
 * @returns what ends it
 */
export function watchFailovers(config: RedisConfig, onFailover: () => void): () => void {
  const { servers } = config;
  if (servers.kind !== 'sentinel') return () => undefined;
  const watches = servers.sentinels.map((sentinel) => {
    const watch = new Subscriptions(() => openSentinel(config, sentinel));
    watch.add('+switch-master', (message) => {
      if (message?.startsWith(`${servers.name} `)) onFailover();
    });
    return watch;
  });
  return () => {
    for (const watch of watches) watch.close();
  };
}
