import type { AnswerStore } from '../adapters/answer-store.ts';
import { keptAnswer, type KeptAnswer, type Proof, type Seen } from '../adapters/kept-answer.ts';
import { UpstreamFailure, type UpstreamAnswer } from '../adapters/upstream.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { ReadMethod } from '../core/operation.ts';
import type { Clock } from '../core/ports.ts';
import { RestingKeys } from '../core/resting-keys.ts';
import type { RepositoryChanges } from '../core/repository-changes.ts';
import { JoinedReads } from './joined-reads.ts';
import { mayMove, type ManifestQuestion } from './manifest-question.ts';

/** Sends a question as this caller would, by `GET` or by `HEAD`; `shown` is what of the answer's headers goes to a client. */
export interface Asking {
  readonly send: (method: ReadMethod) => Promise<UpstreamAnswer>;
  readonly shown: (answer: UpstreamAnswer) => HeaderList;
}

/** What there is to answer a question with; neither: it must go its own way. */
export interface Answered {
  /** What the upstream said to this very request. */
  readonly own?: UpstreamAnswer;
  /** What it said to one that asked the same, or has just confirmed. */
  readonly kept?: KeptAnswer;
}

/** Of reads of manifests, since the start. */
export interface AnswerCounts {
  /** Answered without a word to the upstream. */
  readonly hits: number;
  /** Answered with what another request had just asked for. */
  readonly shared: number;
  /** Asked of the upstream. */
  readonly misses: number;
  /** Those of them by which an answer that was kept was found to be still right. */
  readonly renewals: number;
  /** Of tags that may move: answered with what was asked for several at once. */
  readonly joined: number;
  /** Forwarded: by somebody whom others may not be answered like, too long, or at a bad moment. */
  readonly forwarded: number;
  readonly entries: number;
  readonly bytes: number;
}

export interface AnswerPorts {
  readonly store: AnswerStore;
  readonly changes: RepositoryChanges;
  readonly clock: Clock;
  /** Whether others may have changed something that is not known here yet. */
  readonly isBehind: () => boolean;
  /** How long an answer is good without being asked for again. */
  readonly lifetimeMs: number;
  /** Longer ones are not kept. */
  readonly bodyLimitBytes: number;
}

interface Running extends Proof {
  readonly method: ReadMethod;
  /** Never rejects. */
  readonly kept: Promise<KeptAnswer | undefined>;
}

/** So many at a time are read whole, and their answers held; the others stream through. */
const runningLimit = 64;
/** Nobody waits longer for what another asked: its connection may be dead. */
const joinMs = 1_000;
/** However often it is confirmed: a registry that counts pulls, and keeps what is pulled, counts no `HEAD`. */
const rereadMs = 3_600_000;
/** How long what could not be read whole is not tried again. */
const unreadableMs = 5_000;

/** What the upstream answered to reads of manifests that do not change, for as long as that is known to be true. */
export class ManifestAnswers {
  /** Of tags that may move. */
  readonly joined: JoinedReads;
  readonly #ports: AnswerPorts;
  readonly #running = new Map<string, Running>();
  /** Until when, in epoch milliseconds. */
  readonly #unreadable = new RestingKeys();
  #asking = 0;
  #hits = 0;
  #shared = 0;
  #misses = 0;
  #renewals = 0;
  #forwarded = 0;

  constructor(ports: AnswerPorts) {
    this.#ports = ports;
    this.joined = new JoinedReads(ports);
  }

  get bodyLimitBytes(): number {
    return this.#ports.bodyLimitBytes;
  }

  get counts(): AnswerCounts {
    const { entries, bytes } = this.#ports.store;
    return {
      ...{ hits: this.#hits, shared: this.#shared, misses: this.#misses, renewals: this.#renewals },
      ...{ joined: this.joined.joined, forwarded: this.#forwarded, entries, bytes },
    };
  }

  /** Takes note of a read that goes its own way. */
  forwarded(): void {
    this.#forwarded += 1;
  }

  /** What is known without asking. */
  find(question: ManifestQuestion): KeptAnswer | undefined {
    if (question.isRefresh || mayMove(question)) return undefined;
    const kept = this.#ports.store.find(question.key);
    if (!kept || !this.#isGood(kept, question)) return undefined;
    this.#hits += 1;
    return kept;
  }

  /** Asks the upstream, or waits for somebody who asks the same. */
  async ask(question: ManifestQuestion, asking: Asking): Promise<Answered> {
    const { key, isRefresh, noneMatch } = question;
    const before = this.#ports.store.find(key);
    const running = isRefresh ? undefined : this.#running.get(key);
    if (running && this.#mayJoin(running, question, before)) return this.#join(running, question);
    // What the client has can only be compared with what is kept.
    if (noneMatch !== undefined && !before) return {};
    const nowMs = this.#ports.clock.nowMs();
    if (this.#asking >= runningLimit || this.#unreadable.rests(key, nowMs)) return {};
    const isConfirmed = before?.body !== undefined && nowMs - before.readMs < rereadMs;
    const method = isConfirmed ? 'HEAD' : question.method;
    const answered = await this.#start(question, method, asking);
    const isOwn = method === question.method && noneMatch === undefined;
    if (isOwn && answered.own) return answered;
    const { kept } = answered;
    return kept && this.#isGood(kept, question) ? { kept } : {};
  }

  #isGood(kept: KeptAnswer, { method, repository, sinceMs }: ManifestQuestion): boolean {
    return (
      !this.#ports.isBehind() &&
      this.#ports.clock.nowMs() < kept.untilMs &&
      kept.askedMs >= sinceMs &&
      (method === 'HEAD' || kept.body !== undefined) &&
      !this.#ports.changes.hasChangedSince(repository, kept.moment)
    );
  }

  #mayJoin(running: Running, question: ManifestQuestion, before: KeptAnswer | undefined): boolean {
    const { method, repository } = question;
    const brings = method === 'HEAD' || running.method === 'GET' || before?.body !== undefined;
    const isYoung = this.#ports.clock.nowMs() - running.askedMs < joinMs;
    return brings && isYoung && !this.#ports.changes.hasChangedSince(repository, running.moment);
  }

  /** The failure of one, and a refusal of what one may see, are no answer to others. */
  async #join(running: Running, question: ManifestQuestion): Promise<Answered> {
    const { clock } = this.#ports;
    const leftMs = joinMs - (clock.nowMs() - running.askedMs);
    const kept = await Promise.race([running.kept, clock.sleep(leftMs).then(() => undefined)]);
    if (!kept || !this.#isGood(kept, question)) return {};
    this.#shared += 1;
    return { kept };
  }

  /** Whoever asked may go away: the question runs to its end, for those who wait. */
  #start(question: ManifestQuestion, method: ReadMethod, asking: Asking): Promise<Answered> {
    const { clock, changes } = this.#ports;
    const proof = { askedMs: clock.nowMs(), moment: changes.now() };
    this.#asking += 1;
    this.#misses += 1;
    const answered = this.#send(question, method, asking, proof).finally(() => {
      this.#asking -= 1;
      if (this.#running.get(question.key) === running) this.#running.delete(question.key);
    });
    const kept = answered.then(
      (answer) => answer.kept,
      () => undefined,
    );
    const running: Running = { ...proof, method, kept };
    this.#running.set(question.key, running);
    return answered;
  }

  async #send(
    question: ManifestQuestion,
    method: ReadMethod,
    asking: Asking,
    proof: Proof,
  ): Promise<Answered> {
    let own: UpstreamAnswer;
    try {
      own = await asking.send(method);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      this.#unreadable.rest(question.key, this.#ports.clock.nowMs() + unreadableMs);
      return {};
    }
    const seen = { ...proof, method, reference: question.reference, answer: own, shown: asking.shown(own) };
    const kept = this.#learn(question, seen);
    return kept ? { own, kept } : { own };
  }

  /** Keeps what may be kept; anything else is the end of what was kept before. */
  #learn({ key, repository }: ManifestQuestion, seen: Seen): KeptAnswer | undefined {
    const { store, changes, lifetimeMs } = this.#ports;
    const before = store.find(key);
    const kept = keptAnswer(seen, before, lifetimeMs);
    if (kept?.body && kept.body === before?.body) this.#renewals += 1;
    // Answers may come in another order than they were asked for.
    if (before && before.askedMs > seen.askedMs) return kept;
    if (!kept) store.drop(key);
    else if (!changes.hasChangedSince(repository, seen.moment)) store.keep(key, kept);
    return kept;
  }
}
