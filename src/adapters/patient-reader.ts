import { parseChallenges } from '../core/challenge.ts';
import { headerValues, mapHeaders, soleHeader, type HeaderList } from '../core/header-list.ts';
import { printOperation, type ReadOperation } from '../core/operation.ts';
import { CredentialsRefused, type Clock } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import { NoToken } from './token/token-realm.ts';
import type { Upstream, UpstreamAnswer } from './upstream.ts';

const firstRetryMs = 200;
const longestRetryMs = 2_000;
const bodyLimitBytes = 4 * 1024 * 1024;
const provenAbsent = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);

/** Tagwarden's own `Authorization`, for callers who may push or delete but not pull. */
export interface OwnAuthorization {
  /**
   * @param refused what the registry has just answered 401 to: the same is not given again where there is another
   * @throws Error where there is none
   */
  of(repository: Repository, refused?: string): Promise<string>;
  /** Whether it is used too where the caller's is refused with 401: we verified the caller's, and so another would not help. */
  readonly after401: boolean;
}

/** For where it is ourselves who ask at first: a 401 is nobody else's to mend. */
export function renewed(own: OwnAuthorization): OwnAuthorization {
  return { of: (repository, refused) => own.of(repository, refused), after401: true };
}

export interface Reading {
  readonly repository: Repository;
  /** The caller's `Authorization` and the host that the caller addressed: it is read as the caller would read. */
  readonly asCaller: HeaderList;
  readonly withinMs: number;
}

/** What could not be learnt in time. */
export interface Unknown {
  readonly state: 'unknown';
  readonly reason: string;
}

export interface Patience {
  readonly attemptMs: number;
  /** All attempts at one read together, however long it may take. */
  readonly readMs: number;
}

const whileCallersWait: Patience = { attemptMs: 3_000, readMs: Infinity };

/** Sends one read. What needs other credentials does not come back as an answer. */
export type Send = (
  operation: ReadOperation,
  options?: { readonly accept?: readonly string[]; readonly bodyLimitBytes?: number },
) => Promise<UpstreamAnswer>;

/** Asks the registry again until it says something, and with Tagwarden's own credentials where the caller may not see it. */
export class PatientReader {
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #own: OwnAuthorization | undefined;
  readonly #patience: Patience;

  constructor(upstream: Upstream, clock: Clock, own?: OwnAuthorization, patience = whileCallersWait) {
    this.#upstream = upstream;
    this.#clock = clock;
    this.#own = own;
    this.#patience = patience;
  }

  /**
   * @param attempt what is to be learnt, in one request or some
   * @throws CredentialsRefused
   */
  async read<Fact extends { readonly state: string }>(
    reading: Reading,
    attempt: (send: Send) => Promise<Fact | Unknown>,
  ): Promise<Fact | Unknown> {
    const { attemptMs, readMs } = this.#patience;
    const endMs = this.#clock.nowMs() + Math.min(reading.withinMs, readMs);
    let asker: Asker = { headers: reading.asCaller, turn: 0 };
    let retryMs = firstRetryMs;
    for (;;) {
      const leftMs = endMs - this.#clock.nowMs();
      const fact = await this.#try(attempt, asker, Math.min(attemptMs, leftMs));
      const next = isRefusal(fact) ? await this.#afterRefusal(fact, asker, reading) : fact;
      if ('turn' in next) {
        asker = next;
        continue;
      }
      if ('final' in next) return next.final;
      if (next.state !== 'unknown' || endMs - this.#clock.nowMs() <= retryMs) return next;
      await this.#clock.sleep(retryMs);
      retryMs = Math.min(2 * retryMs, longestRetryMs);
    }
  }

  /**
   * Who asks next: ourselves, and once more with something else than was refused.
   * @throws CredentialsRefused where the client can do something about it
   */
  async #afterRefusal(
    refusal: Refusal,
    { headers, turn, relayed }: Asker,
    { repository, asCaller }: Reading,
  ): Promise<Asker | Unknown | { readonly final: Unknown }> {
    const own = this.#own;
    const is401 = refusal instanceof CredentialsRefused;
    const isCallers = turn === 0 && !own?.after401;
    if (is401 && isCallers && !(own && isInsufficient(refusal))) throw refusal;
    // If nothing comes of it: with a token for more the client gets further.
    const toRelay = is401 && isCallers ? refusal : relayed;
    const isOver = turn === 2 || (turn === 1 && !is401);
    if (isOver && toRelay) throw toRelay;
    if (!own || isOver) return { final: notShown };
    try {
      const refused = is401 && !isCallers ? soleHeader(headers, 'authorization') : undefined;
      const authorization = await own.of(repository, refused);
      return {
        headers: withAuthorization(asCaller, authorization),
        turn: turn === 0 ? 1 : 2,
        relayed: toRelay,
      };
    } catch (error) {
      if (!(error instanceof NoToken)) throw error;
      if (toRelay) throw toRelay;
      const unknown = { state: 'unknown', reason: error.message } as const;
      return error.refuses ? { final: unknown } : unknown;
    }
  }

  async #try<Fact>(
    attempt: (send: Send) => Promise<Fact>,
    { headers }: Asker,
    withinMs: number,
  ): Promise<Fact | Unknown | Refusal> {
    const endMs = this.#clock.nowMs() + withinMs;
    try {
      return await attempt((operation, { accept = [], bodyLimitBytes: limit = bodyLimitBytes } = {}) =>
        this.#send(operation, [...headers, ...accept.flatMap((type) => ['Accept', type])], endMs, limit),
      );
    } catch (error) {
      if (isRefusal(error)) return error;
      return { state: 'unknown', reason: 'the upstream did not answer' };
    }
  }

  async #send(
    operation: ReadOperation,
    headers: HeaderList,
    endMs: number,
    limit: number,
  ): Promise<UpstreamAnswer> {
    const withinMs = Math.max(endMs - this.#clock.nowMs(), 1);
    const answer = await this.#upstream.ask({ ...printOperation(operation), headers }, withinMs, limit);
    if (answer.status === 401) {
      throw new CredentialsRefused(headerValues(answer.headers, 'www-authenticate'));
    }
    if (answer.status === 403) throw new Forbidden();
    return answer;
  }
}

class Forbidden extends Error {}

type Refusal = Forbidden | CredentialsRefused;

function isRefusal(answer: unknown): answer is Refusal {
  return answer instanceof Forbidden || answer instanceof CredentialsRefused;
}

const notShown: Unknown = { state: 'unknown', reason: 'the registry does not let it be looked up' };

/** With what the registry is asked. */
interface Asker {
  readonly headers: HeaderList;
  /** The caller; ourselves; ourselves with something new. */
  readonly turn: 0 | 1 | 2;
  /** What the caller was told, where we asked in the caller's place. */
  readonly relayed?: CredentialsRefused | undefined;
}

/** The token is good, but not for reading (RFC 6750, section 3.1): the registry's form of 403. */
function isInsufficient({ challenges }: CredentialsRefused): boolean {
  return parseChallenges(challenges).some(
    ({ scheme, parameters }) => scheme === 'bearer' && parameters.get('error') === 'insufficient_scope',
  );
}

function withAuthorization(headers: HeaderList, authorization: string): HeaderList {
  const others = mapHeaders(headers, (name, value) => (name === 'authorization' ? undefined : value));
  return [...others, 'Authorization', authorization];
}

/**
 * Whether a registry said that there is no such manifest, or no such repository. A bare 404 is no proof: ingresses
 * answer it while they reload, registries to those who may only push.
 */
export function provesAbsence({ status, body }: UpstreamAnswer): boolean {
  return status === 404 && errorCodes(body).some((code) => provenAbsent.has(code));
}

export function notAsRegistry({ status }: UpstreamAnswer): Unknown {
  const reason =
    status === 404 ? 'the upstream answered 404, but not as a registry' : `the upstream answered ${status}`;
  return { state: 'unknown', reason };
}

/** The codes of an OCI error body; none where it is something else. */
function errorCodes(body: Buffer): readonly string[] {
  try {
    const parsed = JSON.parse(body.toString()) as { errors?: { code?: unknown }[] } | null;
    const errors = Array.isArray(parsed?.errors) ? parsed.errors : [];
    return errors.map((error) => error.code).filter((code) => typeof code === 'string');
  } catch {
    return [];
  }
}
