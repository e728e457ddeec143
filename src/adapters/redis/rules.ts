import {
  managedStateOf,
  withManaged,
  type ManagedRules,
  type ManagedState,
} from '../../core/managed-rules.ts';
import { StoreAway, type Clock, type RuleSource } from '../../core/ports.ts';
import { noRules, type RuleSet } from '../../core/rule.ts';
import type { ImmutabilitySwitch } from '../immutability-switch.ts';
import {
  tellChange,
  inForceAfter,
  tellInForce,
  type InForce,
  type RulesHistory,
  type Settle,
  type SwitchState,
} from '../rules-in-force.ts';
import { RulesWatch } from '../rules-watch.ts';
import {
  changeable,
  hasFile,
  isBegunAnew,
  isBehind,
  lastPublished,
  lostRules,
  type HeldRules,
} from './rules-held.ts';
import { Rounds } from '../rounds.ts';
import { RulesReader, type Seen } from './rules-reader.ts';
import { RulesRecord, type RulesLook } from './rules-record.ts';
import { RulesWriter } from './rules-writer.ts';
import type { SharedRulesOptions } from './rules-options.ts';

/** What the store has from here on. */
export interface Published {
  readonly revision: number;
  /** As `RuleSet.version`. */
  readonly version: string;
}

const pollMs = 250;
/** Within it every replica that can reach the store has taken up what was published. */
const adoptionMs = 1_000;
/** Keeps replicas that heard the same message from asking for the same rules at the same moment. */
const jitterMs = 20;
/** How long a state must last that is likely to mend itself: a failover, or what another replica is about to repair. */
const patienceMs = 5_000;
/** Without a writer the others restore what the store has lost, if a writer had done so by then. */
const writerMs = 1_000;
/** By then somebody has restored what a store had that seems to be new. */
const newStoreMs = 1_500;
/** How many other publications may come between. */
const attemptLimit = 5;
/** The same for a change, which is made over whatever came between. */
const changeAttemptLimit = 100;

/**
 * The rules that replicas share. Each replica holds all of them in memory, and swaps them at once when the record in the
 * store has changed: it is told so, and asks four times a second. What cannot be read, or is not there, changes nothing.
 *
 * A writer publishes its file at the start, when the file changes, and what was in force when the store has lost it;
 * not because another writer has published something else. What is managed stays beside the file in the one record: any
 * replica changes it, over what was published last, and where there is no writer any replica restores it.
 *
 * **When the store falls back** (a failover that lost the last publication, or a former primary that still answers) its
 * revision is lower than the one in force, of the same lineage. Going back at once would turn rules to and fro for as
 * long as both answer. A writer publishes what is in force again, above both revisions; the others wait for that, and go
 * back only where the store has said the same for five seconds, for then there is no writer. A store that lost all its
 * data begins another lineage, and revisions of two lineages are not compared.
 *
 * The first push that a rule admits waits by the clock of the store, so that it is the same moment on every replica, and
 * one that starts later knows it too; and on each replica for its own writes from before.
 */
export class SharedRules implements RuleSource, ImmutabilitySwitch, ManagedRules, RulesHistory {
  readonly #options: SharedRulesOptions;
  readonly #clock: Clock;
  readonly #record: RulesRecord;
  readonly #reader: RulesReader;
  readonly #writer: RulesWriter | undefined;
  readonly #rounds: Rounds;
  #inForce: InForce | undefined;
  #sinceMs: number | undefined;
  #settle: Settle | undefined;
  /** Where in the store that is; undefined while a writer judges by its file, for the store was never reached. */
  #look: RulesLook | undefined;
  /** When the store last had what is in force. */
  #confirmedMs = -Infinity;
  /** The last revision that we published. */
  #ownRevision: number | undefined;

  /**
   * Asks the store once, and follows it from now on, also where it is away: a writer goes by its file until then.
   * @throws RulesRefused where the file of a writer cannot be used
   */
  static async open(options: SharedRulesOptions): Promise<SharedRules> {
    const { file: path, log, clock } = options;
    const file = path === undefined ? undefined : await RulesWatch.open({ path, log, clock });
    const rules = new SharedRules(options, file);
    await rules.#rounds.start();
    return rules;
  }

  private constructor(options: SharedRulesOptions, file: RulesWatch | undefined) {
    const { clock, log } = options;
    this.#options = options;
    this.#clock = clock;
    this.#record = new RulesRecord(options.store, clock);
    this.#reader = new RulesReader(this.#record, clock, log);
    this.#writer =
      file &&
      new RulesWriter(file, clock, log, (rules) => {
        this.#fileChanged(rules);
      });
    this.#rounds = new Rounds({ clock, everyMs: pollMs, jitterMs, round: () => this.#keepUp() });
    this.#record.onChange(() => {
      this.#rounds.wake();
    });
  }

  current(): RuleSet {
    return this.#inForce?.effective ?? noRules;
  }

  doubt(): string | undefined {
    if (!this.#inForce) return 'no rules have been received yet';
    if (this.#writer) return undefined;
    const ageMs = this.#clock.nowMs() - this.#confirmedMs;
    if (ageMs <= this.#options.maxAgeMs) return undefined;
    return `nobody could say for ${Math.floor(ageMs / 1000)} s whether the rules are still in force`;
  }

  onInForce(settle: Settle): void {
    this.#settle = settle;
  }

  get inForceSinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** How often rules could not be taken, from the store or from the file. */
  get failedReloads(): number {
    return this.#reader.refused + (this.#writer?.failedReloads ?? 0);
  }

  /**
   * Makes these the rules of all replicas, beside those that are managed; each within a second from when this resolves,
   * here they are in force already. What they say counts: their version and their times are given to them.
   * @throws StoreAway also where they may have been published
   */
  async publish(rules: RuleSet): Promise<Published> {
    const { revision } = await this.#rounds.inTurn(() => this.#reconcile(rules));
    return { revision, version: this.current().version };
  }

  async switchImmutability(isEnabled: boolean): Promise<void> {
    if (this.#inForce && !this.#look && isEnabled !== this.#inForce.switch.isEnabled)
      this.#putInForce(this.#inForce.rules, { isEnabled, admitsFirstPushFromMs: 0 });
    await this.#rounds.inTurn(async () => {
      await this.#record.switchImmutability(isEnabled, firstPushWaitMs(this.#options.settledAfterMs));
      await this.#reconcile(this.#writer?.wanted);
    });
  }

  state(): Promise<ManagedState> {
    return this.#rounds.inTurn(async () => managedStateOf(changeable(this.#held, await this.#reader.look())));
  }

  change(edit: (state: ManagedState) => ManagedState): Promise<ManagedState> {
    return this.#rounds.inTurn(() => this.#change(edit));
  }

  /** The store stays open: others use it too. */
  close(): void {
    this.#rounds.close();
    this.#writer?.close();
  }

  #fileChanged(rules: RuleSet): void {
    if (!this.#look) this.#putInForce(rules, this.#position());
    this.#rounds.wake();
  }

  /** Never rejects. */
  async #keepUp(): Promise<void> {
    const wanted = this.#writer?.wanted;
    try {
      await this.#rounds.inTurn(() => this.#reconcile(wanted));
      if (wanted) this.#writer.stored(wanted);
    } catch (error) {
      // That the store is away is told by the store.
      if (!(error instanceof StoreAway)) this.#options.log.error({ err: error }, 'rules cannot be followed');
      if (wanted && !this.#inForce) this.#putInForce(wanted, this.#position());
    }
  }

  /** Takes what the store has; or, where something else is wanted, or was lost, publishes that and takes it from there. */
  async #reconcile(wanted: RuleSet | undefined): Promise<RulesLook> {
    for (let attempt = 0; attempt < attemptLimit; attempt++) {
      const seen = await this.#reader.look();
      if (seen.found.state === 'unreadable' && seen.found.hasManaged)
        throw new StoreAway('the rules in redis are of a later version, and managed ones are among them');
      const offer = this.#offerOver(seen, wanted);
      if (!offer) {
        this.#take(seen);
        if (!seen.look.switch) await this.#record.setDefaultSwitch(this.#position().isEnabled);
        return seen.look;
      }
      const managed = managedStateOf(lastPublished(this.#held, seen));
      const revision = await this.#publish(withManaged(offer, managed), seen);
      if (revision === undefined || wanted) continue;
      this.#writer?.restored();
      this.#options.log.warn({ revision }, 'redis has lost the rules; they were published again');
    }
    throw new StoreAway('others publish rules all the time');
  }

  async #change(edit: (state: ManagedState) => ManagedState): Promise<ManagedState> {
    for (let attempt = 0; attempt < changeAttemptLimit; attempt++) {
      const seen = await this.#settled();
      const rules = changeable(this.#held, seen);
      const before = managedStateOf(rules);
      const after = edit(before);
      if (after === before) return before;
      const revision = await this.#publish(withManaged(rules, after), seen);
      if (revision !== undefined) {
        this.#take(await this.#reader.look());
        if ((this.#look?.revision ?? 0) >= revision) return after;
        throw new StoreAway('redis has lost the change again');
      }
      await this.#clock.sleep(Math.random() * jitterMs);
    }
    throw new StoreAway('others change rules all the time');
  }

  /** What is there once it is clear whether a store that has nothing is new, or has lost what others know. */
  async #settled(): Promise<Seen> {
    for (;;) {
      const seen = await this.#reader.look();
      const leftMs = newStoreMs - (this.#clock.nowMs() - seen.sinceMs);
      if (seen.found.state !== 'empty' || this.#inForce || leftMs <= 0) return seen;
      await this.#clock.sleep(Math.min(leftMs, pollMs));
    }
  }

  /** What is to be published over what was seen. */
  #offerOver(seen: Seen, wanted: RuleSet | undefined): RuleSet | undefined {
    if (wanted) return hasFile(this.#held, seen, wanted) ? undefined : wanted;
    return this.#mayRestore(seen) ? lostRules(this.#held, seen) : undefined;
  }

  #mayRestore(seen: Seen): boolean {
    if (isBegunAnew(this.#held, seen)) return true;
    if (this.#writer) return this.#writer.mayRestore;
    return this.#inForce?.rules.registry !== undefined && this.#clock.nowMs() - seen.sinceMs >= writerMs;
  }

  /** @returns the revision; undefined where another publication came between */
  async #publish(rules: RuleSet, { look, found }: Seen): Promise<number | undefined> {
    const lost = found.state === 'unreadable' ? undefined : this.#inForce?.rules;
    const before = found.state === 'rules' ? found.rules : lost;
    // The first rules that a store ever has: nothing was judged without them.
    const isFirst = found.state === 'empty' && !before;
    const revision = await this.#record.publish({
      ...{ base: look, rules, before },
      leastRevision: (this.#look?.revision ?? 0) + 1,
      isEnabled: this.#position(isBehind(this.#held, look) ? undefined : look).isEnabled,
      waitMs: isFirst ? 0 : firstPushWaitMs(this.#options.settledAfterMs),
    });
    this.#ownRevision = revision ?? this.#ownRevision;
    return revision;
  }

  #take({ look, found, sinceMs }: Seen): void {
    if (found.state !== 'rules') return;
    const nowMs = this.#clock.nowMs();
    if (look.stamp !== this.#look?.stamp) {
      const hasFallenBack = isBehind(this.#held, look);
      if (hasFallenBack && nowMs - sinceMs < patienceMs) return;
      this.#warnOf(look, found.rules, hasFallenBack);
      this.#look = look;
      this.#putInForce(found.rules, this.#position(look));
    }
    this.#confirmedMs = nowMs;
  }

  #putInForce(rules: RuleSet, position: SwitchState): void {
    const { log, settledAfterMs, onChange } = this.#options;
    this.#sinceMs = this.#clock.nowMs();
    const settledFromMs = this.#sinceMs + settledAfterMs;
    const before = this.#inForce;
    this.#inForce = inForceAfter(before, { rules, switch: position }, settledFromMs);
    tellInForce(log, this.#inForce, { source: this.#look ? 'redis' : 'the file' }, this.#settle);
    tellChange(onChange, before, this.#inForce);
  }

  #warnOf(look: RulesLook, rules: RuleSet, hasFallenBack: boolean): void {
    const { log, immutabilityEnabled: configured } = this.#options;
    const { revision, switch: position } = look;
    if (hasFallenBack) log.warn({ revision }, 'redis has lost a publication; going back to the one before');
    if (!this.#look && position && position.isEnabled !== configured) {
      const mend = 'change it with: tagwarden immutability on|off';
      log.warn({ configured }, `immutability.enabled is another one in redis, and that counts; ${mend}`);
    }
    if (revision !== this.#ownRevision) this.#writer?.warnOfOthers(this.#inForce?.rules, rules, revision);
  }

  get #held(): HeldRules {
    return { rules: this.#inForce?.rules, look: this.#look };
  }

  /** Of the switch: in the store; else the last known; else as configured. */
  #position(look?: RulesLook): SwitchState {
    const configured = { isEnabled: this.#options.immutabilityEnabled, admitsFirstPushFromMs: 0 };
    return look?.switch ?? this.#inForce?.switch ?? configured;
  }
}

/** For how long first pushes wait after a change that concerns every replica. */
export function firstPushWaitMs(settledAfterMs: number): number {
  return adoptionMs + settledAfterMs;
}
