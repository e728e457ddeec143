import { randomUUID } from 'node:crypto';
import type { BaseLogger } from 'pino';
import type { ClaimLifetimes } from '../../core/claim.ts';
import {
  StoreAway,
  type Arming,
  type ClaimAnswer,
  type ClaimRequest,
  type ClaimStore,
  type Clock,
  type DeleteMark,
  type MarkAnswer,
} from '../../core/ports.ts';
import type { Digest, Repository, Tag } from '../../core/reference.ts';
import { ClaimChanges } from '../claim-changes.ts';
import * as claimScripts from './claim-scripts.ts';
import * as markScripts from './mark-scripts.ts';
import type { Reply, Script, SharedStore } from './store.ts';

const beatEveryMs = 250;
/** An arming that took longer: this process slept, and would send when its claim may be over. */
const armWithinMs = 2_000;
/** How long a confirmation is tried: with the PUT's deadline still below the 30 s after which containerd gives up. */
const confirmWithinMs = 3_000;
const confirmAgainMs = 250;

const safePolicy = 'noeviction';

export interface RedisClaimLifetimes extends ClaimLifetimes {
  /** From the birth of a store until it is used: so long a running replica that knew another one may take to be heard. */
  readonly graceMs: number;
}

/** Claims that all replicas share. Every change is one script: atomic, over all tags of a request or none. */
export class RedisClaims implements ClaimStore {
  readonly #store: SharedStore;
  readonly #lifetimes: RedisClaimLifetimes;
  readonly #clock: Clock;
  readonly #log: Pick<BaseLogger, 'warn' | 'error'>;
  readonly #id = randomUUID();
  readonly #changes: ClaimChanges;
  /** The store's epoch as last seen, and how many claims this process has armed in all: see `attend`. */
  #epoch = '';
  #armed = 0;
  #evictionPolicy = safePolicy;
  #isClosed = false;

  constructor(
    store: SharedStore,
    lifetimes: RedisClaimLifetimes,
    clock: Clock,
    log: Pick<BaseLogger, 'warn' | 'error'>,
  ) {
    this.#store = store;
    this.#lifetimes = lifetimes;
    this.#clock = clock;
    this.#log = log;
    this.#changes = new ClaimChanges(clock);
    store.subscribe(this.#channel, (key) => {
      if (key !== undefined) this.#changes.tell(key);
      else this.#changes.tellAll();
    });
    void this.#keepBeating();
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const [outcome, ...rest] = await this.#change(claimScripts.claim, request, this.#lifetimes.leaseMs);
    switch (outcome) {
      case 'held':
        return typeof rest[0] === 'string' ? { outcome, base: rest[0] as Digest } : { outcome };
      case 'taken': {
        const [tag, digest, confirmed] = rest as [Tag, Digest, string];
        return { outcome, tag, digest, confirmed: confirmed === '1' };
      }
      case 'crowded':
        return { outcome, tag: rest[0] as Tag };
      case 'marked':
        return { outcome, target: rest[0] as Digest };
      case 'quarantined':
        return { outcome, leftMs: Number(rest[0]) };
      default:
        throw new StoreAway(`the store answered a claim with ${String(outcome)}`);
    }
  }

  async arm(request: ClaimRequest): Promise<Arming> {
    const startedMs = this.#clock.nowMs();
    const [outcome, armed] = await this.#change(claimScripts.arm, request, this.#lifetimes.ttlMs, true);
    if (outcome !== 'armed') return outcome === 'marked' ? 'marked' : 'lost';
    this.#count(armed);
    return this.#clock.nowMs() - startedMs > armWithinMs ? 'lost' : 'armed';
  }

  async confirm(request: ClaimRequest): Promise<boolean> {
    const endMs = this.#clock.nowMs() + confirmWithinMs;
    for (;;) {
      try {
        const [outcome] = await this.#change(claimScripts.confirm, request, this.#lifetimes.ttlMs);
        return outcome === 'confirmed';
      } catch (error) {
        if (!(error instanceof StoreAway) || this.#clock.nowMs() + confirmAgainMs > endMs) throw error;
        await this.#clock.sleep(confirmAgainMs);
      }
    }
  }

  /** Never rejects: what cannot be given back ends with the claim's time. */
  async giveBack(request: ClaimRequest): Promise<void> {
    await this.#settle(claimScripts.giveBack, request);
  }

  /** Never rejects: a holder who is not heard of any more stays as long. */
  async leaveUnknown(request: ClaimRequest): Promise<void> {
    await this.#settle(claimScripts.leaveUnknown, request);
  }

  changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void> {
    return this.#changes.next(this.#claimKey(repository, tag), timeoutMs);
  }

  async mark(mark: DeleteMark): Promise<MarkAnswer> {
    const [outcome, found] = await this.#changeMark(markScripts.mark, mark, this.#lifetimes.ttlMs);
    if (outcome === 'quarantined') return { outcome, leftMs: Number(found) };
    const claimed = (found as readonly [Tag, Digest, string][]).map(([tag, digest, needs]) => ({
      tag,
      digest,
      needs: JSON.parse(needs) as readonly Digest[],
    }));
    return { outcome: 'marked', claimed };
  }

  async armMark(mark: DeleteMark): Promise<boolean> {
    const [outcome, armed] = await this.#changeMark(markScripts.armMark, mark, this.#lifetimes.ttlMs, true);
    if (outcome !== 'armed') return false;
    this.#count(armed);
    return true;
  }

  async unmark(mark: DeleteMark): Promise<void> {
    await this.#changeMark(markScripts.unmark, mark, 0).catch(quiet);
  }

  /** What is wrong with the store as it is set up; undefined: nothing. */
  doubt(): string | undefined {
    if (this.#evictionPolicy === safePolicy) return undefined;
    return `maxmemory-policy is ${this.#evictionPolicy}: Redis may throw claims away; set ${safePolicy}`;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#store.run(claimScripts.leave, this.#storeKeys, this.#attendance).catch(quiet);
  }

  async #keepBeating(): Promise<void> {
    while (!this.#isClosed) {
      const [policy] = await this.#run(claimScripts.beat, this.#storeKeys, []).catch(() => []);
      if (typeof policy === 'string') this.#seePolicy(policy);
      await this.#clock.sleep(beatEveryMs);
    }
  }

  /** Whatever becomes of it: a script that does not hear of the epoch, and says nothing. */
  async #settle(script: Script, request: ClaimRequest): Promise<void> {
    const given = [...this.#attendance, ...this.#argsOf(request, 0)];
    await this.#store.run(script, this.#claimKeysOf(request), given).catch(quiet);
  }

  /** @throws StoreAway */
  #change(
    script: Script,
    request: ClaimRequest,
    spanMs: number,
    isDurable = false,
  ): Promise<readonly Reply[]> {
    return this.#run(script, this.#claimKeysOf(request), this.#argsOf(request, spanMs), isDurable);
  }

  /** @throws StoreAway */
  #changeMark(
    script: Script,
    { repository, id, target }: DeleteMark,
    spanMs: number,
    isDurable = false,
  ): Promise<readonly Reply[]> {
    const args = [id, target, spanMs, this.#claimKey(repository, '')];
    return this.#run(script, this.#keysOf(repository), args, isDurable);
  }

  /** What the script replied, without the epoch, which is taken note of. */
  async #run(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    isDurable = false,
  ): Promise<readonly Reply[]> {
    const given = [...this.#attendance, ...args];
    const reply = await (isDurable
      ? this.#store.runDurably(script, keys, given)
      : this.#store.run(script, keys, given));
    const [epoch, ...rest] = reply as readonly Reply[];
    if (typeof epoch === 'string') this.#seeEpoch(epoch);
    return rest;
  }

  /** Replies may come out of order. */
  #count(armed: Reply | undefined): void {
    this.#armed = Math.max(this.#armed, Number(armed));
  }

  #seePolicy(policy: string): void {
    if (policy === this.#evictionPolicy) return;
    this.#evictionPolicy = policy;
    const doubt = this.doubt();
    if (doubt !== undefined) this.#log.error({ policy }, doubt);
  }

  #seeEpoch(epoch: string): void {
    if (this.#epoch !== '' && this.#epoch !== epoch) {
      const seconds = this.#lifetimes.ttlMs / 1000;
      this.#log.warn(
        { epoch, before: this.#epoch },
        `the shared store has lost claims; first pushes of immutable tags wait for at most ${seconds} s`,
      );
    }
    this.#epoch = epoch;
  }

  get #channel(): string {
    return this.#store.key('claims');
  }

  get #storeKeys(): readonly string[] {
    return [this.#store.key('store'), this.#store.key('replicas'), this.#store.key('arms', this.#id)];
  }

  #keysOf(repository: Repository): readonly string[] {
    return [...this.#storeKeys, this.#store.key('claims', repository), this.#store.key('marks', repository)];
  }

  #claimKeysOf({ repository, tags }: ClaimRequest): readonly string[] {
    return [...this.#keysOf(repository), ...tags.map((tag) => this.#claimKey(repository, tag))];
  }

  #claimKey(repository: Repository, tag: Tag | ''): string {
    return this.#store.key('claim', repository, tag);
  }

  /** What `attend` asks of each replica. */
  get #attendance(): readonly (string | number)[] {
    const { ttlMs, graceMs } = this.#lifetimes;
    return [this.#id, this.#epoch, this.#armed, randomUUID(), ttlMs, graceMs];
  }

  #argsOf(request: ClaimRequest, spanMs: number): readonly (string | number)[] {
    const { tags, digest, holder, needs, swaps } = request;
    return [digest, holder, JSON.stringify(needs), spanMs, this.#channel, swaps ? 1 : 0, ...tags];
  }
}

function quiet(): undefined {
  return undefined;
}
