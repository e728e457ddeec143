import { startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { pushImage } from './images.mjs';
import { tableOf } from './manifests.mjs';
import { inRounds } from './rounds.mjs';
import { printTable } from './table.mjs';
import { loadOf } from './load.mjs';

const repository = 'bench/app';

/** Manifests that are cached, by one worker and by two. */
export function benchWorkers({ rounds, rules, seconds = 2 }) {
  return withEnds(async (directory, onEnd) => {
    const direct = await startRegistry(directory, onEnd);
    const digest = await pushImage(direct.url, repository, ['v1.0']);
    const start = (name, flags) => startTagwarden(directory, onEnd, direct.url, { name, rules, flags });
    const doors = [direct, await start('one worker', []), await start('two workers', ['--workers', '2'])];
    const headers = { Accept: 'application/vnd.oci.image.manifest.v1+json' };
    const measured = await inRounds(doors, rounds, (door) =>
      loadOf(door.url, [`/v2/${repository}/manifests/${digest}`], { connections: 32, seconds, headers }),
    );
    const result = { work: 'GET by a digest, 32 connections', doors: Object.fromEntries(measured) };
    printTable(...tableOf(result));
    return [result];
  });
}
