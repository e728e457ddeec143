import type { TagFact } from '../core/verdict.ts';
import { headerValues, mapHeaders, soleHeader, type HeaderList } from '../core/header-list.ts';
import { printOperation, type ReadMethod } from '../core/operation.ts';
import { CredentialsRefused, type Clock, type TagFacts, type TagQuestion } from '../core/ports.ts';
import { isDigest, type Repository } from '../core/reference.ts';
import { type Upstream, type UpstreamAnswer } from './upstream.ts';

/** Every type of manifest, or distribution answers 404 for a tag that exists (manifests.go). */
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v1+json',
  '*/*',
];
const attemptMs = 3_000;
const firstRetryMs = 200;
const longestRetryMs = 2_000;
const manifestLimitBytes = 4 * 1024 * 1024;
const provenAbsent = new Set(['MANIFEST_UNKNOWN', 'NAME_UNKNOWN']);

/** Tagwarden's own `Authorization`, for callers who may push but not pull. */
export interface OwnAuthorization {
  of(repository: Repository): Promise<string>;
  /** Whether it is used too where the caller's is refused with 401: we verified the caller's, and so another would not help. */
  readonly after401: boolean;
}

/** Asks the registry what a tag points to. */
export class UpstreamTagFacts implements TagFacts {
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #own: OwnAuthorization | undefined;

  constructor(upstream: Upstream, clock: Clock, own?: OwnAuthorization) {
    this.#upstream = upstream;
    this.#clock = clock;
    this.#own = own;
  }

  async lookUp(question: TagQuestion): Promise<TagFact> {
    const endMs = this.#clock.nowMs() + question.withinMs;
    let headers = question.asCaller;
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(2 * retryMs, longestRetryMs)) {
      const leftMs = endMs - this.#clock.nowMs();
      const fact = await this.#ask(question, headers, Math.min(attemptMs, leftMs));
      if (fact === 'forbidden') {
        if (headers !== question.asCaller || !this.#own) {
          return { state: 'unknown', reason: 'the registry does not let it be looked up' };
        }
        headers = withAuthorization(headers, await this.#own.of(question.repository));
      } else if (fact.state !== 'unknown' || endMs - this.#clock.nowMs() <= retryMs) {
        return fact;
      }
      await this.#clock.sleep(retryMs);
    }
  }

  created(): void {
    // The upstream knows.
  }

  async #ask(question: TagQuestion, headers: HeaderList, withinMs: number): Promise<TagFact | 'forbidden'> {
    const endMs = this.#clock.nowMs() + withinMs;
    try {
      const head = await this.#send('HEAD', question, headers, withinMs);
      if (head.status !== 404) return this.#read(head, question);
      // A bare 404 is no proof: ingresses answer it while they reload, registries to those who may only push.
      const get = await this.#send('GET', question, headers, Math.max(endMs - this.#clock.nowMs(), 1));
      if (get.status !== 404) return this.#read(get, question);
      return errorCodes(get.body).some((code) => provenAbsent.has(code))
        ? { state: 'absent' }
        : { state: 'unknown', reason: 'the upstream answered 404, but not as a registry' };
    } catch (error) {
      if (error instanceof CredentialsRefused && headers === question.asCaller) {
        if (this.#own?.after401) return 'forbidden';
        throw error;
      }
      return { state: 'unknown', reason: 'the upstream did not answer' };
    }
  }

  #send(
    method: ReadMethod,
    question: TagQuestion,
    headers: HeaderList,
    withinMs: number,
  ): Promise<UpstreamAnswer> {
    const { repository, tag } = question;
    const operation = { kind: 'getManifest', method, repository, reference: { tag }, query: [] } as const;
    const accept = manifestTypes.flatMap((type) => ['Accept', type]);
    const request = { ...printOperation(operation), headers: [...headers, ...accept] };
    return this.#upstream.ask(request, Math.max(withinMs, 1), manifestLimitBytes);
  }

  #read(answer: UpstreamAnswer, { pushed }: TagQuestion): TagFact | 'forbidden' {
    if (answer.status === 401) {
      throw new CredentialsRefused(headerValues(answer.headers, 'www-authenticate'));
    }
    if (answer.status === 403) return 'forbidden';
    if (answer.status !== 200) return { state: 'unknown', reason: `the upstream answered ${answer.status}` };
    const digest = soleHeader(answer.headers, 'docker-content-digest');
    if (digest === undefined || !isDigest(digest)) {
      return { state: 'unknown', reason: 'the upstream did not say its digest' };
    }
    return { state: 'present', digest, isPushed: pushed?.includes(digest) ?? false };
  }
}

function withAuthorization(headers: HeaderList, authorization: string): HeaderList {
  const others = mapHeaders(headers, (name, value) => (name === 'authorization' ? undefined : value));
  return [...others, 'Authorization', authorization];
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
