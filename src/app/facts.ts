import type { Logger } from 'pino';
import { LedgeredTagFacts, type Tampering } from '../adapters/ledgered-tag-facts.ts';
import { ManifestCache } from '../adapters/manifest-cache.ts';
import { PatientReader, type OwnAuthorization } from '../adapters/patient-reader.ts';
import { RepositoryNeeds } from '../adapters/repository-needs.ts';
import { RepositoryReads } from '../adapters/repository-reads.ts';
import { UpstreamTagFacts } from '../adapters/tag-facts.ts';
import { TombstonedTagFacts } from '../adapters/tombstoned-tag-facts.ts';
import type { Upstream } from '../adapters/upstream.ts';
import type { Clock, Needs } from '../core/ports.ts';
import type { Audit } from '../http/log.ts';
import { counting, type Measuring } from './measures.ts';
import type { Store } from './store.ts';

export interface Sources extends Pick<Store, 'ledger' | 'tombstones' | 'manifests'> {
  readonly upstream: Upstream;
  readonly own: OwnAuthorization | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** More protected tags than these in one repository are not walked. */
  readonly tagLimit: number;
  /** Hears of tampering. */
  readonly audit?: Audit | undefined;
}

export interface WiredFacts {
  readonly facts: LedgeredTagFacts;
  readonly needs: Needs;
  readonly tamperings: Measuring;
}

/** What is known of the upstream, and from whom. */
export function wireFacts({
  upstream,
  own,
  clock,
  log,
  tagLimit,
  ledger,
  tombstones,
  manifests: shared,
  audit,
}: Sources): WiredFacts {
  const reader = new PatientReader(upstream, clock, own);
  const seen = new TombstonedTagFacts(new UpstreamTagFacts(reader), tombstones, log);
  const facts = new LedgeredTagFacts(seen, ledger, clock, log, (tampering: Tampering) => {
    audit?.write({ audit: 'tampering', ...tampering });
  });
  const reads = new RepositoryReads(reader);
  const manifests = new ManifestCache(reads, shared);
  return {
    facts,
    needs: new RepositoryNeeds({ reads, manifests, facts, ledger, clock, tagLimit }),
    tamperings: counting(() => ({ tamperings: facts.tamperings })),
  };
}
