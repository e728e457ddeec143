import { Agent, request } from 'node:http';
import { startRedis, startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { config, layers, manifestOf, pushBlobs } from './images.mjs';
import { inRounds, median } from './rounds.mjs';
import { number, printTable } from './table.mjs';

const repository = 'bench/app';
const pushes = 100;

/** First pushes of tags that an immutable rule covers, one after the other: claimed, looked up, armed, put, confirmed. */
export function benchPushes({ rounds, rules }) {
  return withEnds(async (directory, onEnd) => {
    const direct = await startRegistry(directory, onEnd);
    const redis = await startRedis(directory, onEnd);
    await pushBlobs(direct.url, repository);
    const doors = [
      direct,
      await startTagwarden(directory, onEnd, direct.url, { name: 'Tagwarden, in memory', rules }),
      await startTagwarden(directory, onEnd, direct.url, {
        name: 'Tagwarden, Redis',
        rules,
        flags: ['--redis', redis],
      }),
    ];
    let count = 0;
    const measured = await inRounds(doors, rounds, async (door) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const times = [];
      for (let push = 0; push < pushes; push++) {
        const name = `v${++count}`;
        const startedMs = performance.now();
        await put(agent, `${door.url}/v2/${repository}/manifests/${name}`, manifestOf(name, config, layers));
        times.push(performance.now() - startedMs);
      }
      agent.destroy();
      return {
        p50Ms: median(times),
        p99Ms: times.sort((one, other) => one - other)[Math.floor(times.length * 0.99)],
      };
    });
    const doorsMeasured = Object.fromEntries(measured);
    const rows = Object.entries(doorsMeasured).map(([name, door]) => [
      name,
      number(door.p50Ms),
      number(door.p50Ms - doorsMeasured.direct.p50Ms),
      number(door.p99Ms),
    ]);
    const work = 'first push of an immutable tag';
    printTable([work, 'p50 ms', 'added ms', 'p99 ms'], rows);
    return [{ work, doors: doorsMeasured }];
  });
}

function put(agent, url, { bytes, mediaType }) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': mediaType, 'Content-Length': bytes.length };
    const req = request(url, { method: 'PUT', agent, headers }, (res) => {
      res
        .resume()
        .on('end', () => (res.statusCode === 201 ? resolve() : reject(new Error(`${res.statusCode}`))));
    });
    req.on('error', reject).end(bytes);
  });
}
