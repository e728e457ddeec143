import type { Births } from '../../core/births.ts';
import {
  StoreAway,
  type Arming,
  type ClaimAnswer,
  type ClaimRequest,
  type ClaimStore,
  type Clock,
  type DeleteMark,
  type Ledger,
  type MarkAnswer,
  type Tombstones,
} from '../../core/ports.ts';
import type { Repository, Tag } from '../../core/reference.ts';
import type { Unlocks } from '../../core/unlock.ts';
import type { Channel } from './channel.ts';
import { remote, served, type MethodsOf } from './remote-port.ts';

/** What is in memory, and in files, in one process: the primary has it, and its workers ask for it. */
export interface OneStore {
  readonly claims: ClaimStore;
  readonly ledger: Ledger;
  readonly tombstones: Tombstones;
  readonly births: Births;
  readonly unlocks: Unlocks;
}

type Open<Port> = Omit<Port, 'close'>;

const claimMethods: MethodsOf<Open<ClaimStore>> = {
  ...{ claim: true, arm: true, confirm: true, giveBack: true, leaveUnknown: true, changed: true },
  ...{ mark: true, armMark: true, unmark: true },
};
const ledgerMethods: MethodsOf<Open<Ledger>> = { recall: true, recallAll: true, note: true, forget: true };
const tombstoneMethods: MethodsOf<Open<Tombstones>> = { recall: true, bury: true, replace: true };
const birthMethods: MethodsOf<Open<Births>> = { recall: true, note: true };
const unlockMethods: MethodsOf<Unlocks> = { all: true, add: true, end: true };

/** In the primary. */
export function serveStore(channel: Channel, store: OneStore): void {
  channel.serve('claims', served<Open<ClaimStore>>(store.claims, claimMethods));
  channel.serve('ledger', served<Open<Ledger>>(store.ledger, ledgerMethods));
  channel.serve('tombstones', served<Open<Tombstones>>(store.tombstones, tombstoneMethods));
  channel.serve('births', served<Open<Births>>(store.births, birthMethods));
  channel.serve('unlocks', served<Unlocks>(store.unlocks, unlockMethods));
}

/** In a worker. */
export function remoteStore(channel: Channel, clock: Clock): OneStore {
  const close = (): Promise<void> => Promise.resolve();
  return {
    claims: new RemoteClaims(remote<Open<ClaimStore>>(channel, 'claims', claimMethods), clock),
    ledger: { ...remote<Open<Ledger>>(channel, 'ledger', ledgerMethods), close },
    tombstones: { ...remote<Open<Tombstones>>(channel, 'tombstones', tombstoneMethods), close },
    births: { ...remote<Open<Births>>(channel, 'births', birthMethods), close },
    unlocks: remote<Unlocks>(channel, 'unlocks', unlockMethods),
  };
}

/** An arming that took longer: this process slept, and would send when its claim may be over. */
const armWithinMs = 2_000;

/** The claims of the primary. What a worker leaves behind that ends stays until it expires. */
class RemoteClaims implements ClaimStore {
  readonly #claims: Open<ClaimStore>;
  readonly #clock: Clock;

  constructor(claims: Open<ClaimStore>, clock: Clock) {
    this.#claims = claims;
    this.#clock = clock;
  }

  claim(request: ClaimRequest): Promise<ClaimAnswer> {
    return this.#claims.claim(request);
  }

  async arm(request: ClaimRequest): Promise<Arming> {
    const startedMs = this.#clock.nowMs();
    const arming = await this.#claims.arm(request);
    return this.#clock.nowMs() - startedMs > armWithinMs ? 'lost' : arming;
  }

  confirm(request: ClaimRequest): Promise<boolean> {
    return this.#claims.confirm(request);
  }

  giveBack(request: ClaimRequest): Promise<void> {
    return this.#claims.giveBack(request).catch(ignoreAway);
  }

  leaveUnknown(request: ClaimRequest): Promise<void> {
    return this.#claims.leaveUnknown(request).catch(ignoreAway);
  }

  changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void> {
    return this.#claims.changed(repository, tag, timeoutMs).catch(ignoreAway);
  }

  mark(mark: DeleteMark): Promise<MarkAnswer> {
    return this.#claims.mark(mark);
  }

  armMark(mark: DeleteMark): Promise<boolean> {
    return this.#claims.armMark(mark);
  }

  unmark(mark: DeleteMark): Promise<void> {
    return this.#claims.unmark(mark).catch(ignoreAway);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What cannot be given back ends with its time. */
function ignoreAway(error: unknown): void {
  if (!(error instanceof StoreAway)) throw error;
}
