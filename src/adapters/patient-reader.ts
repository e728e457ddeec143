import { headerValues, mapHeaders, type HeaderList } from '../core/header-list.ts';
import { printOperation, type ReadOperation } from '../core/operation.ts';
import { CredentialsRefused, type Clock } from '../core/ports.ts';
import type { Repository } from '../core/reference.ts';
import type { Upstream, UpstreamAnswer } from './upstream.ts';

const firstRetryMs = 200;
const longestRetryMs = 2_000;
const bodyLimitBytes = 4 * 1024 * 1024;
const provenAbsent = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);

/** Tagwarden's own `Authorization`, for callers who may push or delete but not pull. */
export interface OwnAuthorization {
  of(repository: Repository): Promise<string>;
  /** Whether it is used too where the caller's is refused with 401: we verified the caller's, and so another would not help. */
  readonly after401: boolean;
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
    let headers = reading.asCaller;
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(2 * retryMs, longestRetryMs)) {
      const leftMs = endMs - this.#clock.nowMs();
      const fact = await this.#try(attempt, reading, headers, Math.min(attemptMs, leftMs));
      if (fact === 'forbidden') {
        if (headers !== reading.asCaller || !this.#own) {
          return { state: 'unknown', reason: 'the registry does not let it be looked up' };
        }
        headers = withAuthorization(headers, await this.#own.of(reading.repository));
      } else if (fact.state !== 'unknown' || endMs - this.#clock.nowMs() <= retryMs) {
        return fact;
      }
      await this.#clock.sleep(retryMs);
    }
  }

  async #try<Fact>(
    attempt: (send: Send) => Promise<Fact>,
    reading: Reading,
    headers: HeaderList,
    withinMs: number,
  ): Promise<Fact | Unknown | 'forbidden'> {
    const endMs = this.#clock.nowMs() + withinMs;
    try {
      return await attempt((operation, { accept = [], bodyLimitBytes: limit = bodyLimitBytes } = {}) =>
        this.#send(operation, [...headers, ...accept.flatMap((type) => ['Accept', type])], endMs, limit),
      );
    } catch (error) {
      if (error instanceof Forbidden) return 'forbidden';
      if (error instanceof CredentialsRefused && headers === reading.asCaller) {
        if (this.#own?.after401) return 'forbidden';
        throw error;
      }
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
