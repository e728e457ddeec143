import type { BaseLogger } from 'pino';
import type { Clock } from '../../core/ports.ts';
import type { RulesChange } from '../rules-in-force.ts';
import type { SharedStore } from './store.ts';

/** What the rules that replicas share are opened with. */
export interface SharedRulesOptions {
  readonly store: SharedStore;
  /** The file of a writer, which all replicas follow; undefined for a replica that only follows. */
  readonly file: string | undefined;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  readonly clock: Clock;
  /** How long a write that was judged under other rules may still be on its way. */
  readonly settledAfterMs: number;
  /** How long rules stay in force where nobody can say whether they still are, at a replica that only follows. */
  readonly maxAgeMs: number;
  /** The switch, for a store that has no position of its own. */
  readonly immutabilityEnabled: boolean;
  /** Hears of other rules than before; absent: nobody does. */
  readonly onChange?: ((change: RulesChange) => void) | undefined;
}
