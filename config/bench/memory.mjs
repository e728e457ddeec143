import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { digestOfBlob } from './blob-client.mjs';
import { startHttpProxy, startNginx, startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { forgetPeak, peakMiB } from './process-usage.mjs';
import { number, printTable } from './table.mjs';

const run = promisify(execFile);
const MiB = 1024 ** 2;
const client = fileURLToPath(new URL('blob-client.mjs', import.meta.url));
const slowClients = fileURLToPath(new URL('slow-clients.mjs', import.meta.url));
const atOnce = 64;
const seconds = 15;

/** What a door keeps in memory for clients that are slower than it. */
export function benchMemory({ rules }) {
  return withEnds(async (directory, onEnd) => {
    const direct = await startRegistry(directory, onEnd);
    const digest = digestOfBlob(256 * MiB);
    await run(process.execPath, [client, 'push', direct.url, '1', String(256 * MiB), 'length', digest]);
    const doors = [
      await startNginx(directory, onEnd, direct.url),
      await startTagwarden(directory, onEnd, direct.url, { rules }),
      await startHttpProxy(onEnd, direct.url),
    ];
    const work = `${atOnce} pulls and ${atOnce} pushes of 256 MiB at once, slow clients`;
    const measured = {};
    for (const door of doors) {
      const pids = door.pids();
      forgetPeak(pids);
      const blob = `/v2/bench/push-0/blobs/${digest}`;
      const { stdout } = await run(process.execPath, [
        slowClients,
        door.url,
        blob,
        String(atOnce),
        String(seconds),
      ]);
      measured[door.name] = {
        peakMiB: peakMiB(pids),
        gigabytesPerSecond: JSON.parse(stdout).bytes / 1e9 / seconds,
      };
    }
    const rows = Object.entries(measured).map(([name, door]) => [
      name,
      number(door.peakMiB, 0),
      number(door.gigabytesPerSecond),
    ]);
    printTable([work, 'peak MiB', 'GB/s'], rows);
    return [{ work, doors: measured }];
  });
}
