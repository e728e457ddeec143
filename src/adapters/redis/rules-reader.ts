import type { BaseLogger } from 'pino';
import type { Clock } from '../../core/ports.ts';
import type { RuleSet } from '../../core/rule.ts';
import { SnapshotRefused } from '../spec.ts';
import { rulesOf, SnapshotDamaged, type RulesLook, type RulesRecord } from './rules-record.ts';

export interface Seen {
  readonly look: RulesLook;
  readonly found: Found;
  /** Since when it is so. */
  readonly sinceMs: number;
}

export type Found =
  | { readonly state: 'rules'; readonly rules: RuleSet }
  /** No rules were ever published, or the store has lost them. */
  | { readonly state: 'empty' }
  /** They are not what was published. */
  | { readonly state: 'damaged' }
  /** They say something that this version does not know. */
  | { readonly state: 'unreadable'; readonly hasManaged: boolean };

/** What is refused may be mended in a way that does not show in its stamp. */
const rereadMs = 5_000;

/** Looks at the record of the rules again and again, and reads the rules only when they are others. */
export class RulesReader {
  readonly #record: RulesRecord;
  readonly #clock: Clock;
  readonly #log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  #seen: Seen | undefined;
  #refused = 0;

  constructor(record: RulesRecord, clock: Clock, log: Pick<BaseLogger, 'info' | 'warn' | 'error'>) {
    this.#record = record;
    this.#clock = clock;
    this.#log = log;
  }

  /** How many snapshots could not be read. */
  get refused(): number {
    return this.#refused;
  }

  /** @throws StoreAway */
  async look(): Promise<Seen> {
    const nowMs = this.#clock.nowMs();
    const last = this.#seen;
    const state = last?.found.state;
    const isDoubtful =
      last && (state === 'damaged' || state === 'unreadable') && nowMs - last.sinceMs > rereadMs;
    const { look, payload } = await this.#record.look(isDoubtful ? '' : last?.look.stamp);
    const isSame = last?.look.stamp === look.stamp;
    if (isSame && !isDoubtful) return { ...last, look };
    const found = this.#read(look, payload, isSame);
    if (found.state === 'empty' && state !== 'empty') this.#tellEmpty(last !== undefined);
    this.#seen = { look, found, sinceMs: nowMs };
    return this.#seen;
  }

  #tellEmpty(hasLost: boolean): void {
    if (hasLost) this.#log.warn('there are no rules in redis any more; the last known stay in force');
    else this.#log.info('there are no rules in redis yet');
  }

  #read(look: RulesLook, payload: string | undefined, isKnown: boolean): Found {
    if (look.checksum === '') return { state: 'empty' };
    try {
      return { state: 'rules', rules: rulesOf(look, payload) };
    } catch (error) {
      if (!(error instanceof SnapshotRefused)) throw error;
      const { revision } = look;
      if (!isKnown) {
        this.#refused += 1;
        const details = { revision, reason: error.message, failedReloads: this.#refused };
        this.#log.error(details, 'rules in redis refused; the last good ones stay in force');
      }
      if (error instanceof SnapshotDamaged) return { state: 'damaged' };
      return { state: 'unreadable', hasManaged: /"registry"\s*:/.test(payload ?? '') };
    }
  }
}
