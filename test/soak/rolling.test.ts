import { Agent } from 'node:http';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { startBalancer } from '../fixtures/balancer.ts';
import { eventually } from '../fixtures/eventually.ts';
import { imageOf } from '../fixtures/image.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRedis } from '../fixtures/redis.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { Replica } from '../replicas/replica.ts';
import { DockerLike } from './docker-like.ts';

const clients = 50;
/** Of each; once shows it, and more belongs into `npm run soak`. */
const restarts = process.env['SOAK_SECONDS'] === undefined ? 1 : 5;

t.test(`two replicas restarted one after the other, under ${clients} clients: nobody notices`, async (t) => {
  const [registry, redis] = [await startRegistry(t), await startRedis(t)];
  const directory = temporaryDirectory(t);
  const rulesFile = join(directory, 'rules.yaml');
  writeFileSync(rulesFile, 'tag_rules:\n  - { id: releases, tag_name_pattern: ^v, immutable: true }\n');
  const config = {
    upstream: { url: registry.url },
    redis: { url: redis.url },
    rules: { file: rulesFile, publish: true },
    trusted_proxies: ['127.0.0.1/32'],
  };
  const start = (index: number) => Replica.start(t, index, join(directory, String(index)), config);
  const [first, second] = [await start(0), await start(1)];
  const url = await startBalancer(t, first.address, second.address);

  const agent = new Agent({ keepAlive: true });
  t.teardown(() => {
    agent.destroy();
  });
  const client = new DockerLike(url, agent);
  const failures: string[] = [];
  let [done, isStopped] = [0, false];
  const running = Array.from({ length: clients }, async (_, index) => {
    for (let turn = 0; !isStopped; turn++) {
      const [repository, tag] = [`rolling/app-${index % 5}`, `v${index}-${turn}`];
      try {
        await client.push(repository, tag, imageOf(`${repository}:${tag}`));
        await client.pull(repository, tag);
        done += 1;
      } catch (error) {
        failures.push(String(error));
      }
    }
  });
  const some = async (): Promise<void> => {
    const before = done;
    await eventually('clients get on', () => done > before + clients, 60_000);
  };
  await some();
  for (let restart = 0; restart < restarts; restart++) {
    for (const replica of [first, second]) {
      t.equal(await replica.stop(), 0, 'it ends as it should');
      await some();
      const before = replica.lines.length;
      await replica.start();
      // The balancer leaves out for five seconds what it could not reach: until then the other one is alone.
      const isUsed = (): boolean => replica.lines.slice(before).some(({ msg }) => msg === 'wrote');
      await eventually('the balancer uses it again', isUsed, 60_000);
    }
  }
  isStopped = true;
  await Promise.all(running);
  t.same(failures, [], `${done} pushes and pulls`);
  // What was sent in the moment in which a listener closes; a listener that closed at once resets dozens.
  t.ok(client.retries <= 4 * restarts, `${client.retries} layers were tried again`);
});
