import type { RuleSource } from '../../core/ports.ts';
import { noRules, type RuleSet } from '../../core/rule.ts';
import type { Lease } from './lease.ts';
import type { Beat } from './rules-feed.ts';
import { readRules } from './written-rules.ts';

/** The rules of a worker: those of its primary, as long as it hears from it. */
export class FollowedRules implements RuleSource {
  readonly #lease: Lease;
  #rules: RuleSet = noRules;
  #doubt: string | undefined = 'no rules have been received yet';

  constructor(lease: Lease) {
    this.#lease = lease;
  }

  /** @throws SnapshotRefused, and then nothing has changed: not even the lease is longer */
  take({ atMs, doubt, rules }: Beat): void {
    if (rules) this.#rules = readRules(rules);
    this.#doubt = doubt;
    this.#lease.renew(atMs);
  }

  current(): RuleSet {
    return this.#rules;
  }

  doubt(): string | undefined {
    if (this.#doubt !== undefined) return this.#doubt;
    return this.#lease.isOver ? 'the process that has the rules is not heard of' : undefined;
  }
}
