import type { RuleSet } from '../../core/rule.ts';
import { readSnapshot, writeSnapshot } from '../rules-snapshot.ts';

/** A rule set as it goes to another process: patterns as their sources, times as they are, for both have one clock. */
export interface WrittenRules {
  readonly version: string;
  readonly snapshot: string;
  readonly watched?: WrittenRules;
}

const written = new WeakMap<RuleSet, WrittenRules>();

/** Once for all workers: ten thousand rules are a megabyte. */
export function writeRules(rules: RuleSet): WrittenRules {
  const known = written.get(rules);
  if (known) return known;
  const { version, watched } = rules;
  const snapshot = writeSnapshot(rules, (rule) => rule.admitsFirstPushFromMs);
  const fresh = { version, snapshot, ...(watched && { watched: writeRules(watched) }) };
  written.set(rules, fresh);
  return fresh;
}

/** @throws SnapshotRefused */
export function readRules({ version, snapshot, watched }: WrittenRules): RuleSet {
  // INVARIANT: writeRules has told the time of each.
  const rules = readSnapshot(snapshot, (toldMs = Infinity) => toldMs);
  return { version, ...rules, ...(watched && { watched: readRules(watched) }) };
}
