import { setTimeout as sleep } from 'node:timers/promises';
import type { Contest } from './contest.ts';
import type { Dice } from './dice.ts';
import type { Fate, Held } from './flaky-upstream.ts';
import type { Fleet } from './fleet.ts';
import type { Recorder } from './recorder.ts';

/** Where faults strike. */
export interface Scene {
  readonly fleet: Fleet;
  readonly recorder: Recorder;
  readonly contest: Contest;
}

export interface Fault {
  readonly name: string;
  /** Breaks something, and mends it; what then takes its time to heal is waited for elsewhere. */
  readonly strike: (dice: Dice) => Promise<void>;
  /** Whether it touches no push but those that it befalls; else all that is under way. */
  readonly isOfSinglePushes?: true;
}

const roundsBefore = 4;
const roundsMeanwhile = 12;
const roundsAfter = 4;

/** One fault: rounds are under way when it strikes, begin while it lasts, and follow when all is well again. */
export async function episode({ fleet, recorder, contest }: Scene, fault: Fault, dice: Dice): Promise<void> {
  for (let round = 0; round < roundsBefore; round++) void contest.round(dice.fork());
  await sleep(dice.between(0, 200));
  const own = dice.fork();
  const struck = async (): Promise<void> => {
    await fault.strike(own);
    await fleet.untilAllAdmit();
  };
  const striking = fault.isOfSinglePushes ? struck() : recorder.during(fault.name, struck);
  for (let round = 0; round < roundsMeanwhile; round++) {
    void contest.round(dice.fork());
    await sleep(dice.between(50, 500));
  }
  await striking;
  for (let round = 0; round < roundsAfter; round++) await contest.round(dice.fork());
}

/** Lets a push of somebody's go wrong, and resolves when it has arrived at the upstream. */
export async function befall(
  { fleet, recorder }: Pick<Scene, 'fleet' | 'recorder'>,
  name: string,
  fate: Fate,
): Promise<Held> {
  const put = await fleet.upstream.next('PUT', fate);
  recorder.struck(name, put.tag);
  return put;
}
