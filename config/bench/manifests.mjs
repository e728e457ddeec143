import { startHttpProxy, startNginx, startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { pushImage } from './images.mjs';
import { inRounds } from './rounds.mjs';
import { number, printTable, ratio } from './table.mjs';
import { headLoadOf, loadOf } from './load.mjs';

const repository = 'bench/app';
const headers = { Accept: 'application/vnd.oci.image.manifest.v1+json' };

/** What clients ask most often: where a tag points, and what is there. */
export function benchManifests({ rounds, rules, seconds = 3 }) {
  return withEnds(async (directory, onEnd) => {
    const direct = await startRegistry(directory, onEnd);
    const digest = await pushImage(direct.url, repository, ['latest', 'v1.0']);
    const doors = [
      direct,
      await startNginx(directory, onEnd, direct.url),
      await startTagwarden(directory, onEnd, direct.url, { rules }),
      await startHttpProxy(onEnd, direct.url),
    ];
    const asking = (reference, connections, method) => (door) =>
      (method === 'HEAD' ? headLoadOf : loadOf)(`${door.url}/v2/${repository}/manifests/${reference}`, {
        connections,
        seconds,
        headers,
      });
    const works = [];
    for (const [what, reference] of [
      ['a tag that may move', 'latest'],
      ['an immutable tag', 'v1.0'],
      ['a digest', digest],
    ]) {
      for (const [method, connections] of [
        ['GET', 32],
        ['HEAD', 32],
        ['GET', 1],
      ])
        works.push({
          work: `${method} by ${what}, ${connections === 1 ? '1 connection' : `${connections} connections`}`,
          load: asking(reference, connections, method),
        });
    }
    const results = [];
    for (const { work, load } of works) {
      const measured = await inRounds(doors, rounds, load);
      results.push({ work, doors: Object.fromEntries(measured) });
      printTable(...tableOf(results.at(-1)));
    }
    return results;
  });
}

/** Without the peers where they are not among the doors. */
export function tableOf({ work, doors }) {
  const { nginx, direct } = doors;
  const head = [work, 'per s', 'of nginx', 'of direct', 'p50 ms', 'added ms', 'p99 ms', 'CPU µs each'];
  const rows = Object.entries(doors).map(([name, door]) => [
    name === 'direct' ? `direct (± ${number(door.spread * 100, 0)} %)` : name,
    number(door.perSecond, 0),
    ratio(door.perSecond, nginx?.perSecond),
    ratio(door.perSecond, direct.perSecond),
    number(door.p50Ms),
    number(door.p50Ms - direct.p50Ms),
    number(door.p99Ms),
    number(door.cpuSeconds && (door.cpuSeconds / door.requests) * 1e6, 0),
  ]);
  return [head, rows];
}
