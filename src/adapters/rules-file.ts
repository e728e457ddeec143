import type { BaseLogger } from 'pino';
import type { Clock, RuleSource } from '../core/ports.ts';
import type { RuleSet } from '../core/rule.ts';
import { steadyClock } from './clock.ts';
import type { ImmutabilitySwitch } from './immutability-switch.ts';
import { besideFile, type ManagedRulesFile } from './managed-rules-file.ts';
import {
  countsOf,
  inForceAfter,
  tellChange,
  tellInForce,
  type InForce,
  type RulesHistory,
  type Settle,
  type RulesChange,
} from './rules-in-force.ts';
import { RulesWatch } from './rules-watch.ts';

export interface RulesFileOptions {
  readonly path: string;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  readonly clock?: Clock;
  /** How long a write that was judged under other rules may still be on its way. */
  readonly settledAfterMs: number;
  /** The switch as it is at the start: without it immutable rules do not count. */
  readonly immutabilityEnabled: boolean;
  /** Hears of other rules than before; absent: nobody does. */
  readonly onChange?: ((change: RulesChange) => void) | undefined;
  /** What counts beside the file; absent: nothing does. */
  readonly managed?: Pick<ManagedRulesFile, 'rules' | 'onChange' | 'failedReloads'>;
}

/** The rules of a process that shares them with nobody: a change to the file is in force within a second. */
export class RulesFile implements RuleSource, ImmutabilitySwitch, RulesHistory {
  readonly #options: RulesFileOptions;
  readonly #clock: Clock;
  readonly #watch: RulesWatch;
  #inForce: InForce;
  #sinceMs: number;
  #settle: Settle | undefined;

  /**
   * Reads the rules, and watches them from now on.
   * @throws RulesRefused
   */
  static async open(options: RulesFileOptions): Promise<RulesFile> {
    const { path, log, clock = steadyClock } = options;
    return new RulesFile(options, clock, await RulesWatch.open({ path, log, clock }));
  }

  private constructor(options: RulesFileOptions, clock: Clock, watch: RulesWatch) {
    this.#options = options;
    this.#clock = clock;
    this.#watch = watch;
    this.#sinceMs = clock.nowMs();
    const position = { isEnabled: options.immutabilityEnabled, admitsFirstPushFromMs: 0 };
    this.#inForce = inForceAfter(undefined, { rules: this.#rules(), switch: position }, 0);
    this.#tell();
    const hear = (): void => {
      this.#putInForce({ rules: this.#rules(), switch: this.#inForce.switch });
    };
    watch.onChange(hear);
    options.managed?.onChange(hear);
  }

  current(): RuleSet {
    return this.#inForce.effective;
  }

  doubt(): string | undefined {
    return undefined;
  }

  onInForce(settle: Settle): void {
    this.#settle = settle;
  }

  get loaded() {
    return countsOf(this.current());
  }

  get inForceSinceMs(): number {
    return this.#sinceMs;
  }

  /** How often what a file had become could not be taken. */
  get failedReloads(): number {
    return this.#watch.failedReloads + (this.#options.managed?.failedReloads ?? 0);
  }

  switchImmutability(isEnabled: boolean): Promise<void> {
    const { rules, switch: position } = this.#inForce;
    if (isEnabled !== position.isEnabled)
      this.#putInForce({ rules, switch: { isEnabled, admitsFirstPushFromMs: 0 } });
    return Promise.resolve();
  }

  close(): void {
    this.#watch.close();
  }

  #rules(): RuleSet {
    return besideFile(this.#watch.rules, this.#options.managed?.rules);
  }

  #putInForce(next: Pick<InForce, 'rules' | 'switch'>): void {
    const before = this.#inForce;
    this.#sinceMs = this.#clock.nowMs();
    this.#inForce = inForceAfter(before, next, this.#sinceMs + this.#options.settledAfterMs);
    this.#tell();
    tellChange(this.#options.onChange, before, this.#inForce);
  }

  #tell(): void {
    const { log, path } = this.#options;
    tellInForce(log, this.#inForce, { path }, this.#settle);
  }
}
