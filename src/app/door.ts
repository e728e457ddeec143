import type { ServingReport } from '../adapters/workers/worker-port.ts';
import { added, merged } from '../core/metric-families.ts';

/** What clients connect to: this process, or several. */
export interface Door {
  /**
   * Serves from when this resolves.
   * @returns the address, as `127.0.0.1:8080`
   * @throws Error where it cannot be had
   */
  open(): Promise<string>;
  report(): Promise<ServingReport>;
  /** Resolves when nothing is judged any more by other rules than those that are in force now. */
  settled(): Promise<void>;
  /** After a rotation: opens the files anew that are written to. */
  reopen(): void;
  /** Accepts nothing new; resolves when all that runs has come to its end. */
  close(): Promise<void>;
}

/** Of several processes: a part is as well as the first of them where it is not, and what is counted is added up. */
export function sumOf(reports: readonly ServingReport[]): ServingReport {
  return {
    needed: reports.reduce((all, { needed }) => worstOf(all, needed), {}),
    noted: reports.reduce((all, { noted }) => worstOf(all, noted), {}),
    // Of one part they are moments apart.
    sinceMs: reports.reduce((all, { sinceMs }) => ({ ...all, ...sinceMs }), {}),
    counts: reports.reduce((all, { counts }) => added(all, counts), {}),
    levels: reports.reduce((all, { levels }) => merged(all, levels), {}),
  };
}

type States = ServingReport['needed'];

function worstOf(one: States, other: States): States {
  const isWell = ([, state]: readonly [string, string]): boolean => state === 'ok';
  const entries = [...Object.entries(one), ...Object.entries(other)];
  const unwell = entries.filter((entry) => !isWell(entry)).reverse();
  return Object.fromEntries([...entries, ...unwell]);
}
