import { spawn } from 'node:child_process';
import { startRegistry, startTagwarden, withEnds } from './doors.mjs';
import { median } from './rounds.mjs';
import { number, printTable } from './table.mjs';

/** From the start of the process to its line that says that it listens, from what was built. */
export function benchStart({ rounds, rules }) {
  return withEnds(async (directory, onEnd) => {
    const { url } = await startRegistry(directory, onEnd);
    const times = [];
    for (let round = 0; round <= rounds; round++) {
      const ends = [];
      const startedMs = performance.now();
      await startTagwarden(directory, (end) => ends.push(end), url, { name: `round ${round}`, rules });
      times.push(performance.now() - startedMs);
      for (const end of ends) await end();
    }
    // The first one reads from the disk.
    const ms = median(times.slice(1));
    const bare = median(await inTurn(rounds, bareStartMs));
    printTable(
      ['start to ready', 'ms'],
      [
        ['node itself, of no program', number(bare, 0)],
        ['Tagwarden', number(ms, 0)],
      ],
    );
    return [{ work: 'start to ready', milliseconds: ms, bareMilliseconds: bare }];
  });
}

async function inTurn(times, measure) {
  const measured = [];
  for (let time = 0; time < times; time++) measured.push(await measure());
  return measured;
}

/** What no program of Node's can be below, on this machine and in this minute. */
function bareStartMs() {
  const startedMs = performance.now();
  return new Promise((resolve) =>
    spawn(process.execPath, ['-e', '0']).once('exit', () => resolve(performance.now() - startedMs)),
  );
}
