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
    printTable(['start to ready', 'ms'], [['Tagwarden', number(ms, 0)]]);
    return [{ work: 'start to ready', milliseconds: ms }];
  });
}
