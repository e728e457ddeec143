import { keptAnswer, type KeptAnswer } from '../adapters/kept-answer.ts';
import { UpstreamFailure, type UpstreamAnswer } from '../adapters/upstream.ts';
import type { Clock } from '../core/ports.ts';
import { RestingKeys } from '../core/resting-keys.ts';
import type { RepositoryChanges } from '../core/repository-changes.ts';
import type { Asking } from './manifest-answers.ts';
import type { ManifestQuestion } from './manifest-question.ts';

export interface JoinedPorts {
  readonly clock: Clock;
  readonly changes: RepositoryChanges;
}

/** What is to be done for a request. */
export type Turn =
  /** It goes its own way, and `answered` is told when the upstream has answered, or will not; once or twice. */
  | { readonly answered: () => void }
  /** Undefined: it must go its own way after all. Never rejects. */
  | { readonly joined: Promise<KeptAnswer | undefined> };

/** Those who ask the same. */
interface Lane {
  running: number;
  /** Is sent as soon as one of those has been answered. */
  next: Batch | undefined;
}

interface Batch {
  /** Undefined: each must go its own way. Never rejects. */
  readonly answer: Promise<KeptAnswer | undefined>;
  readonly send: () => void;
}

/** A registry of a few cores answers no sooner if it is asked more often at once. */
const atOnce = 4;
/** In all lanes: their answers are held in memory. */
const readingLimit = 64;
/** Nobody waits longer for others: their connections may be dead. */
const joinMs = 1_000;
/** How long what nobody else may be answered with, or cannot be read whole, is not tried again. */
const unsharedMs = 5_000;

/**
 * Reads of tags that may move, of which many come at once when a fleet pulls `latest`. A few are sent; who comes while
 * they run waits for one that is sent *after* it came, together with all others who do. So nobody is answered with what
 * was so before it had asked, and nothing is kept.
 */
export class JoinedReads {
  readonly #ports: JoinedPorts;
  readonly #lanes = new Map<string, Lane>();
  readonly #unshared = new RestingKeys();
  #reading = 0;
  #joined = 0;

  constructor(ports: JoinedPorts) {
    this.#ports = ports;
  }

  /** How many were answered with what had been sent for several. */
  get joined(): number {
    return this.#joined;
  }

  enter(question: ManifestQuestion, asking: Asking): Turn {
    const { key, isRefresh } = question;
    if (isRefresh || this.#unshared.rests(key, this.#ports.clock.nowMs()))
      return { answered: () => undefined };
    const lane = this.#lanes.get(key) ?? { running: 0, next: undefined };
    if (lane.running < atOnce || this.#reading >= readingLimit) return { answered: this.#begin(key, lane) };
    lane.next ??= this.#batch(lane, question, asking);
    const joined = lane.next.answer;
    void joined.then((kept) => {
      if (kept) this.#joined += 1;
    });
    return { joined };
  }

  /** @returns what is called when it has been answered; calls after the first one do nothing */
  #begin(key: string, lane: Lane): () => void {
    this.#lanes.set(key, lane);
    lane.running += 1;
    let isRunning = true;
    return () => {
      if (isRunning) this.#leave(key, lane);
      isRunning = false;
    };
  }

  /** @param question the first one's: it is asked as that caller */
  #batch(lane: Lane, question: ManifestQuestion, asking: Asking): Batch {
    let send: () => void = () => undefined;
    const answer = new Promise<KeptAnswer | undefined>((resolve) => {
      const timer = setTimeout(() => {
        // It may not even have been sent: others begin anew.
        if (lane.next === batch) lane.next = undefined;
        resolve(undefined);
      }, joinMs);
      send = () => {
        void this.#send(lane, question, asking)
          .then((own) => own && this.#shareable(question, asking, own))
          .then(resolve, () => {
            resolve(undefined);
          })
          .finally(() => {
            clearTimeout(timer);
          });
      };
    });
    const batch: Batch = { answer, send };
    return batch;
  }

  async #send(
    lane: Lane,
    { key, method }: ManifestQuestion,
    asking: Asking,
  ): Promise<UpstreamAnswer | undefined> {
    const answered = this.#begin(key, lane);
    this.#reading += 1;
    try {
      return await asking.send(method);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      this.#keepApart(key);
      return undefined;
    } finally {
      this.#reading -= 1;
      answered();
    }
  }

  #leave(key: string, lane: Lane): void {
    lane.running -= 1;
    const { next } = lane;
    lane.next = undefined;
    if (next) next.send();
    else if (lane.running === 0) this.#lanes.delete(key);
  }

  /** What says nothing of the one who asked. */
  #shareable(question: ManifestQuestion, asking: Asking, answer: UpstreamAnswer): KeptAnswer | undefined {
    const { key, method, reference } = question;
    const proof = { askedMs: this.#ports.clock.nowMs(), moment: this.#ports.changes.now() };
    const seen = { ...proof, method, reference, answer, shown: asking.shown(answer) };
    const kept = keptAnswer(seen, undefined, joinMs);
    if (!kept) this.#keepApart(key);
    return kept;
  }

  #keepApart(key: string): void {
    this.#unshared.rest(key, this.#ports.clock.nowMs() + unsharedMs);
  }
}
