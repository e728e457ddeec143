import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** A process and its children, as Linux accounts for them. */
export function familyOf(pid) {
  const parents = new Map();
  for (const entry of readdirSync('/proc')) {
    const fields = /^\d+$/.test(entry) ? statOf(entry) : undefined;
    if (fields) parents.set(Number(entry), Number(fields[1]));
  }
  const family = [pid];
  for (const member of family)
    for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family;
}

export function cpuSeconds(pids) {
  return pids.reduce((sum, pid) => {
    const fields = statOf(pid);
    return sum + (fields ? (Number(fields[11]) + Number(fields[12])) / ticksPerSecond : 0);
  }, 0);
}

/** From now on `peakMiB` is about what comes. */
export function forgetPeak(pids) {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // A kernel without it: the peak is that of all of the process's life.
    }
  }
}

/** Of the largest of them. */
export function peakMiB(pids) {
  return Math.max(...pids.map((pid) => statusMiB(pid, 'VmHWM')));
}

export function residentMiB(pid) {
  return statusMiB(pid, 'VmRSS');
}

/** The fields behind the name, which may have blanks in it: state, ppid, …; undefined: it has ended. */
function statOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  } catch {
    return undefined;
  }
}

function statusMiB(pid, field) {
  const [, kibibytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${pid}/status`, 'utf8'),
  );
  return Number(kibibytes) / 1024;
}
