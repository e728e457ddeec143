import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { digestOfBlob } from './blob-client.mjs';
import { startHttpProxy, startNginx, startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { inRounds } from './rounds.mjs';
import { number, printTable, ratio } from './table.mjs';

const GiB = 1024 ** 3;
const client = fileURLToPath(new URL('blob-client.mjs', import.meta.url));
const run = promisify(execFile);

async function secondsOf(...args) {
  const { stdout } = await run(process.execPath, [client, ...args.map(String)]);
  return JSON.parse(stdout).seconds;
}

/** 1 GiB through every door: pulled one and eight at a time, pushed with its length and in chunks. */
export function benchBlobs({ rounds, rules }) {
  return withEnds(async (directory, onEnd) => {
    const direct = await startRegistry(directory, onEnd);
    const digest = digestOfBlob(GiB);
    await secondsOf('push', direct.url, 1, GiB, 'length', digest);
    const doors = [
      direct,
      await startNginx(directory, onEnd, direct.url),
      await startTagwarden(directory, onEnd, direct.url, { rules }),
      await startHttpProxy(onEnd, direct.url),
    ];
    const moving =
      (count, ...args) =>
      async (door) => {
        const [what, ...rest] = args;
        const url = what === 'pull' ? `${door.url}/v2/bench/push-0/blobs/${digest}` : door.url;
        const seconds = await secondsOf(what, url, count, ...rest);
        return { gigabytesPerSecond: (count * GiB) / 1e9 / seconds };
      };
    const works = {
      'pull 1 GiB': [1, 'pull'],
      'pull 8 × 1 GiB at once': [8, 'pull'],
      'push 1 GiB with its length': [1, 'push', GiB, 'length', digest],
      'push 1 GiB in chunks': [1, 'push', GiB, 'chunked', digest],
    };
    const results = [];
    for (const [work, [count, ...args]] of Object.entries(works)) {
      const measured = await inRounds(doors, rounds, moving(count, ...args));
      results.push({ work, gigabytes: (count * GiB) / 1e9, doors: Object.fromEntries(measured) });
      printTable(...tableOf(results.at(-1)));
    }
    return results;
  });
}

function tableOf({ work, gigabytes, doors }) {
  const { nginx, direct } = doors;
  const head = [work, 'GB/s', 'of nginx', 'of direct', 'CPU s/GB', 'of nginx', 'peak MiB'];
  const rows = Object.entries(doors).map(([name, door]) => [
    name === 'direct' ? `direct (± ${number(door.spread * 100, 0)} %)` : name,
    number(door.gigabytesPerSecond),
    ratio(door.gigabytesPerSecond, nginx.gigabytesPerSecond),
    ratio(door.gigabytesPerSecond, direct.gigabytesPerSecond),
    number(door.cpuSeconds && door.cpuSeconds / gigabytes),
    ratio(door.cpuSeconds, nginx.cpuSeconds),
    number(door.peakMiB, 0),
  ]);
  return [head, rows];
}
