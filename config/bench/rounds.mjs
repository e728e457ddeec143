import { cpuSeconds, forgetPeak, peakMiB } from './process-usage.mjs';

export function median(values) {
  return [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];
}

/** The half of what was measured that is nearest to the median lies within this part of it: the machine's noise. */
export function spread(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (part) => sorted[Math.round((sorted.length - 1) * part)];
  return (at(0.75) - at(0.25)) / median(values);
}

/**
 * Measures every door in turn, over and over, so that what the machine does besides is the same for all of them; the
 * medians of each. `measure(door)` answers numbers by name; the proxy's own CPU seconds and peak memory are added.
 */
export async function inRounds(doors, rounds, measure) {
  const measured = new Map(doors.map(({ name }) => [name, []]));
  // What is compiled, or read for the first time, is not what is compared.
  for (const door of doors) await measure(door);
  for (let round = 0; round < rounds; round++) {
    for (const door of doors) measured.get(door.name).push(await measureOnce(door, measure));
  }
  return new Map([...measured].map(([name, samples]) => [name, summarized(samples)]));
}

async function measureOnce(door, measure) {
  const pids = door.pids?.() ?? [];
  forgetPeak(pids);
  const before = cpuSeconds(pids);
  const numbers = await measure(door);
  if (pids.length === 0) return numbers;
  return { ...numbers, cpuSeconds: cpuSeconds(pids) - before, peakMiB: peakMiB(pids) };
}

function summarized(samples) {
  const names = Object.keys(samples[0]);
  const medians = names.map((name) => [name, median(samples.map((sample) => sample[name]))]);
  return { ...Object.fromEntries(medians), spread: spread(samples.map((sample) => sample[names[0]])) };
}
