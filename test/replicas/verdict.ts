import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { projectRoot } from '../fixtures/start.ts';
import type { Fleet } from './fleet.ts';
import { checkHistory, unharmedTags, type FaultWindow, type History, type Violation } from './history.ts';
import { sizes } from './sizes.ts';

/** What a run came to, in numbers. */
export interface Tally {
  readonly rounds: number;
  readonly withWinner: number;
  /** Those that met no fault. */
  readonly unharmed: number;
}

/** No violation is in the history; one that has any is kept in a file, with what the replicas logged of those tags. */
export function judgeHistory(t: Test, fleet: Fleet, recorded: History): Tally {
  const { failures, strain } = fleet.upstream;
  const history = withFaults(without(recorded, failures), strain.windows);
  const violations = checkHistory(history);
  t.same(violations, [], 'the history has no violation');
  if (violations.length > 0) t.comment(`the history is in ${keep(t, fleet, history, violations)}`);

  const rounds = countBy(history.attempts, ({ tag }) => tag).size;
  const won = history.attempts.filter(({ outcome }) => outcome === 'acknowledged');
  const withWinner = countBy(won, ({ tag }) => tag).size;
  const unharmed = unharmedTags(history).length;
  t.comment(`seed ${sizes.seed}: ${rounds} rounds, ${withWinner} with a winner, ${unharmed} without a fault`);
  t.comment(`told: ${listed(countBy(history.attempts, ({ outcome }) => outcome))}`);
  if (history.faults.length > 0) t.comment(`faults: ${listed(countBy(history.faults, ({ name }) => name))}`);
  for (const [tag, error] of failures) t.comment(`${tag} was left out: ${String(error)}`);
  t.ok(failures.size < rounds / 20, 'nearly all could be judged');
  return { rounds, withWinner, unharmed };
}

/** Of these tags nothing can be said: what befell them is not what was ordered. */
function without({ attempts, samples, faults }: History, tags: ReadonlyMap<string, unknown>): History {
  const stays = ({ tag }: { readonly tag?: string }): boolean => tag === undefined || !tags.has(tag);
  return { attempts: attempts.filter(stays), samples: samples.filter(stays), faults: faults.filter(stays) };
}

function withFaults(history: History, more: readonly FaultWindow[]): History {
  return { ...history, faults: [...history.faults, ...more] };
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

function keep(t: Test, { replicas }: Fleet, history: History, violations: readonly Violation[]): string {
  const tags = new Set(violations.map(({ tag }) => tag));
  const ofTags = <Part extends { readonly tag?: string }>(parts: readonly Part[]): readonly Part[] =>
    parts.filter(({ tag }) => tag === undefined || tags.has(tag));
  const directory = join(projectRoot, '.tagwarden/replicas');
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `violation-${t.name.replace(/\W+/g, '-')}-${sizes.seed}.json`);
  const kept = {
    violations,
    attempts: ofTags(history.attempts),
    samples: ofTags(history.samples),
    faults: history.faults,
    // Their clock is the time of day; this turns it into that of the history.
    startedAt: performance.timeOrigin,
    logs: replicas.map(({ lines }) =>
      lines.filter(({ reference, level }) => tags.has(String(reference)) || Number(level) >= 40),
    ),
  };
  writeFileSync(file, JSON.stringify(kept, undefined, 1));
  return file;
}
