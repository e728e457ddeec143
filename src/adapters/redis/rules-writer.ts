import type { BaseLogger } from 'pino';
import type { Clock } from '../../core/ports.ts';
import type { RuleSet } from '../../core/rule.ts';
import { fingerprintOf } from '../rules-snapshot.ts';
import type { RulesWatch } from '../rules-watch.ts';

/** Before it is tried to mend a store again, which loses what it was given. */
const restoreEveryMs = 5_000;

/** What a writer wants the store to have: its file, and what the store has lost. */
export class RulesWriter {
  readonly #file: RulesWatch;
  readonly #clock: Clock;
  readonly #log: Pick<BaseLogger, 'warn'>;
  #wanted: RuleSet | undefined;
  #restoredMs = -Infinity;

  /** @param hear told of each change of the file */
  constructor(file: RulesWatch, clock: Clock, log: Pick<BaseLogger, 'warn'>, hear: (rules: RuleSet) => void) {
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
    this.#wanted = file.rules;
    file.onChange((rules) => {
      this.#wanted = rules;
      hear(rules);
    });
  }

  /** What the file says, until the store has had it. */
  get wanted(): RuleSet | undefined {
    return this.#wanted;
  }

  get failedReloads(): number {
    return this.#file.failedReloads;
  }

  stored(rules: RuleSet): void {
    if (this.#wanted === rules) this.#wanted = undefined;
  }

  /** Whether what was lost is to be published again now. */
  get mayRestore(): boolean {
    return this.#clock.nowMs() - this.#restoredMs >= restoreEveryMs;
  }

  restored(): void {
    this.#restoredMs = this.#clock.nowMs();
  }

  /** Not a reason to publish again: two writers would never come to an end. */
  warnOfOthers(before: RuleSet | undefined, rules: RuleSet, revision: number): void {
    const fingerprint = fingerprintOf(rules);
    if (before && fingerprint === fingerprintOf(before)) return;
    if (fingerprint !== fingerprintOf(this.#file.rules))
      this.#log.warn({ revision }, 'somebody else published other rules than those of our file');
  }

  close(): void {
    this.#file.close();
  }
}
