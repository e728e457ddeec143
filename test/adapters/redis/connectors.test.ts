import t from 'tap';
import { openClient, openSentinel } from '../../../src/adapters/redis/connection.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { redisConfig, startRedis } from '../../fixtures/redis.ts';
import { startSentinel } from '../../fixtures/redis-sentinel.ts';

t.test('a socket that has several errors does not end the process', async (t) => {
  const { url: sentinelUrl, sentinels } = await startSentinel(t);
  const redis = await startRedis(t);
  const address = { host: '127.0.0.1', port: sentinels[0]?.port ?? 0 };
  const clients = [
    openClient(redisConfig(redis.url)),
    openClient(redisConfig(sentinelUrl)),
    openSentinel(redisConfig(sentinelUrl), address),
  ];
  for (const client of clients) {
    if ('nodes' in client) throw new Error('a Cluster has no socket of its own');
    client.on('error', () => undefined);
    if (client.status === 'wait') await client.connect();
    await eventually('it is connected', () => client.status === 'ready');
    const { stream } = client;
    for (const message of ['one', 'two', 'three'])
      t.doesNotThrow(() => stream.emit('error', new Error(message)));
    client.disconnect();
  }
});
