import { createHash, randomUUID } from 'node:crypto';
import { contentOf } from '../../config/rule-content.ts';
import type { Clock } from '../../core/ports.ts';
import type { RuleSet } from '../../core/rule.ts';
import { firstPushTimes } from '../rules-change.ts';
import type { SwitchState } from '../rules-in-force.ts';
import { readSnapshot, writeSnapshot } from '../rules-snapshot.ts';
import { SnapshotRefused } from '../spec.ts';
import { lookAtRules, publishRules, switchImmutability } from './rules-scripts.ts';
import type { Reply, Script, SharedStore } from './store.ts';

/** The record of the rules at one moment. */
export interface RulesLook {
  /** Changes whenever the record does. */
  readonly stamp: string;
  /** Another one after the store lost its data; empty where there is no record. */
  readonly lineage: string;
  readonly revision: number;
  /** Empty where no rules were published. */
  readonly checksum: string;
  /** When rules that are new with this revision admit first pushes, by the server's clock. */
  readonly newFromMs: number;
  /** Absent where nobody has said anything yet. */
  readonly switch: SwitchState | undefined;
  /**
   * Between the server's clock and ours, as of this look. Rounded up both ways by what the look took, for these are
   * times to wait for; 0 is long ago on both.
   */
  readonly toOurMs: (serverMs: number) => number;
  readonly toServerMs: (ourMs: number) => number;
}

export interface Publication {
  /** The look that it is based on. */
  readonly base: RulesLook;
  readonly rules: RuleSet;
  /** What was judged by until now: of these rules the times are known, of all others they begin. */
  readonly before: RuleSet | undefined;
  readonly leastRevision: number;
  readonly isEnabled: boolean;
  /** After which time what is new with it admits first pushes. */
  readonly waitMs: number;
}

/** The rules and the switch as replicas share them: one hash (rules-scripts.ts). Every method throws StoreAway. */
export class RulesRecord {
  readonly #store: SharedStore;
  readonly #clock: Clock;
  /** Of the hash, and of the channel on which its changes are told. */
  readonly #key: string;

  constructor(store: SharedStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#key = store.key('rules');
  }

  /** Hears that the record may have changed; what is missed is found by looking. */
  onChange(hear: () => void): void {
    this.#store.subscribe(this.#key, hear);
  }

  /**
   * @param knownStamp of a look whose payload need not be read again
   * @returns the look, and the payload where its stamp is another one
   */
  async look(knownStamp = ''): Promise<{ readonly look: RulesLook; readonly payload: string | undefined }> {
    const askedMs = this.#clock.nowMs();
    const reply = await this.#store.run(lookAtRules, [this.#key], [knownStamp]);
    const answeredMs = this.#clock.nowMs();
    const [now, stamp = '', payload, lineage = '', revision, checksum = '', enabled, enabledFrom, newFrom] =
      fieldsOf(reply);
    const serverMs = Number(now);
    const toOurMs = (ms: number): number => (ms === 0 ? 0 : ms - serverMs + answeredMs);
    const position = enabled === undefined ? undefined : enabled !== '0';
    const look: RulesLook = {
      ...{ stamp, lineage, checksum },
      revision: Number(revision ?? 0),
      newFromMs: Number(newFrom ?? NaN),
      toOurMs,
      toServerMs: (ms) => (ms <= askedMs ? 0 : Math.ceil(ms - askedMs + serverMs)),
      switch:
        position === undefined
          ? undefined
          : { isEnabled: position, admitsFirstPushFromMs: toOurMs(Number(enabledFrom ?? 0)) },
    };
    return { look, payload };
  }

  /** @returns the revision; undefined where the base is not what is there any more */
  async publish(publication: Publication): Promise<number | undefined> {
    const { base, rules, before, leastRevision, isEnabled, waitMs } = publication;
    const times = before && firstPushTimes(before);
    const payload = writeSnapshot(rules, (rule) => {
      const fromMs = times?.get(contentOf(rule));
      return fromMs === undefined ? undefined : base.toServerMs(fromMs);
    });
    const args = [base.stamp, leastRevision, payload, checksumOf(payload), positionOf(isEnabled), waitMs];
    const reply = await this.#write(publishRules, args);
    return reply === null ? undefined : Number(reply);
  }

  /** @param waitMs for how long first pushes wait once it is on again */
  async switchImmutability(isEnabled: boolean, waitMs: number): Promise<void> {
    await this.#write(switchImmutability, [positionOf(isEnabled), waitMs, 0]);
  }

  /** The first position of a switch that nobody has set. */
  async setDefaultSwitch(isEnabled: boolean): Promise<void> {
    await this.#write(switchImmutability, [positionOf(isEnabled), 0, 1]);
  }

  #write(script: Script, args: readonly (string | number)[]): Promise<Reply> {
    return this.#store.runDurably(script, [this.#key], [...args, randomUUID(), this.#key]);
  }
}

/** What was published is not what is there: the store is damaged. */
export class SnapshotDamaged extends SnapshotRefused {
  override readonly name = 'SnapshotDamaged';
}

/**
 * The rules of a look, in our time.
 * @throws SnapshotRefused
 */
export function rulesOf({ revision, checksum, newFromMs, toOurMs }: RulesLook, payload = ''): RuleSet {
  if (checksumOf(payload) !== checksum) throw new SnapshotDamaged('its checksum is wrong');
  if (!Number.isSafeInteger(newFromMs)) throw new SnapshotDamaged('the time of its new rules is missing');
  const rules = readSnapshot(payload, (toldMs = newFromMs) => toOurMs(toldMs));
  return { version: `${revision}-${checksum.slice(0, 12)}`, ...rules };
}

function checksumOf(payload: string): string {
  return createHash('sha256').update(payload).digest('hex');
}

function positionOf(isEnabled: boolean): '1' | '0' {
  return isEnabled ? '1' : '0';
}

/** Of a Lua table; what is empty or not there is undefined. */
function fieldsOf(reply: Reply): readonly (string | undefined)[] {
  const fields: readonly Reply[] = Array.isArray(reply) ? reply : [];
  return fields.map((field) => (field === null || field === '' ? undefined : String(field)));
}
