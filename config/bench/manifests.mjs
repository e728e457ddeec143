import { findGoProgram } from '../go-modules.mjs';
import { startHttpProxy, startNginx, startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { pushImage } from './images.mjs';
import { inRounds } from './rounds.mjs';
import { number, printTable, ratio } from './table.mjs';
import { headLoadOf, loadOf } from './load.mjs';

const repository = 'bench/app';
const headers = { Accept: 'application/vnd.oci.image.manifest.v1+json' };

/** What clients ask most often: where a tag points, and what is there; of distribution 3 the most telling part. */
export async function benchManifests({ rounds, rules, seconds = 2 }) {
  const results = [];
  await benchBefore(undefined, works, { rounds, rules, seconds, results });
  const newer = findGoProgram('registry');
  const telling = works.filter(({ method, connections }) => method === 'GET' && connections > 1);
  if (newer) await benchBefore(newer, telling, { rounds, rules, seconds, results });
  else console.log('\nDistribution 3 is not there: npm run test:matrix builds it.');
  return results;
}

const works = ['a tag that may move', '64 tags that may move', 'an immutable tag', 'a digest'].flatMap(
  (what) =>
    [
      ['GET', 32],
      ['HEAD', 32],
      ['GET', 1],
    ].map(([method, connections]) => ({ what, method, connections })),
);

/** @param program of the registry; undefined: Debian's */
function benchBefore(program, chosen, { rounds, rules, seconds, results }) {
  return withEnds(async (directory, onEnd) => {
    const direct = await startRegistry(directory, onEnd, program);
    const many = Array.from({ length: 64 }, (_, at) => `moving-${at}`);
    const digest = await pushImage(direct.url, repository, ['latest', 'v1.0', ...many]);
    const references = {
      'a tag that may move': ['latest'],
      '64 tags that may move': many,
      'an immutable tag': ['v1.0'],
      'a digest': [digest],
    };
    const doors = [
      direct,
      await startNginx(directory, onEnd, direct.url),
      await startTagwarden(directory, onEnd, direct.url, { rules }),
      await startHttpProxy(onEnd, direct.url),
    ];
    for (const { what, method, connections } of chosen) {
      // ab asks for one address alone.
      if (method === 'HEAD' && references[what].length > 1) continue;
      const paths = references[what].map((reference) => `/v2/${repository}/manifests/${reference}`);
      const load = (door) =>
        (method === 'HEAD' ? headLoadOf : loadOf)(door.url, paths, { connections, seconds, headers });
      const measured = await inRounds(doors, rounds, load);
      const over = connections === 1 ? '1 connection' : `${connections} connections`;
      const before = program ? ', distribution 3' : '';
      results.push({ work: `${method} by ${what}, ${over}${before}`, doors: Object.fromEntries(measured) });
      printTable(...tableOf(results.at(-1)));
    }
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
