import { CredentialsRefused, type Clock } from '../core/ports.ts';
import type { Repository, Tag } from '../core/reference.ts';
import type { TagFact } from '../core/verdict.ts';
import {
  PatientReader,
  renewed,
  type OwnAuthorization,
  type Reading,
  type Unknown,
} from './patient-reader.ts';
import { RepositoryReads, type TagList } from './repository-reads.ts';
import { UpstreamTagFacts } from './tag-facts.ts';
import { NoToken } from './token/token-realm.ts';
import type { Upstream } from './upstream.ts';

const withinMs = 10_000;

interface Sources {
  readonly upstream: Upstream;
  readonly clock: Clock;
  /** Absent: the upstream asks nobody for credentials. */
  readonly own: OwnAuthorization | undefined;
}

/** What the upstream has now, asked for with Tagwarden's own credentials. */
export class UpstreamLiveTags {
  readonly #own: OwnAuthorization | undefined;
  readonly #reads: RepositoryReads;
  readonly #facts: UpstreamTagFacts;

  constructor({ upstream, clock, own }: Sources) {
    const reader = new PatientReader(upstream, clock, own && renewed(own), {
      attemptMs: withinMs,
      readMs: withinMs,
    });
    this.#own = own;
    this.#reads = new RepositoryReads(reader);
    this.#facts = new UpstreamTagFacts(reader);
  }

  list(repository: Repository): Promise<TagList | Unknown> {
    return this.#read(repository, (reading) => this.#reads.listTags(reading));
  }

  lookUp(repository: Repository, tag: Tag): Promise<TagFact> {
    return this.#read(repository, (reading) => this.#facts.lookUp({ ...reading, tag }));
  }

  async #read<Fact>(
    repository: Repository,
    read: (reading: Reading) => Promise<Fact>,
  ): Promise<Fact | Unknown> {
    try {
      const asCaller = this.#own ? ['Authorization', await this.#own.of(repository)] : [];
      return await read({ repository, asCaller, withinMs });
    } catch (error) {
      if (error instanceof NoToken) return { state: 'unknown', reason: error.message };
      if (!(error instanceof CredentialsRefused)) throw error;
      return { state: 'unknown', reason: "the upstream refuses Tagwarden's own credentials" };
    }
  }
}
