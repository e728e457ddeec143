import type { NeedGraph } from '../core/need-graph.ts';
import { CredentialsRefused, type Clock } from '../core/ports.ts';
import type { Digest, Tag } from '../core/reference.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import { forEachBounded } from './bounded.ts';
import { ManifestCache } from './manifest-cache.ts';
import type { PatientReader, Reading } from './patient-reader.ts';
import { SizedReads } from './sized-reads.ts';
import { concurrency, Survey } from './survey.ts';
import { UpstreamTagFacts } from './tag-facts.ts';

/** A registry that fails at every tag would take hours to say so. */
const failuresLimit = 16;

export interface WalkedTag {
  readonly tag: Tag;
  /** Undefined: it is listed, and what it points to is not there or could not be read. */
  readonly digest: Digest | undefined;
}

/** All that some tag of a repository leads to. */
export interface Walk {
  /** By name. */
  readonly tags: readonly WalkedTag[];
  readonly graph: NeedGraph;
  readonly manifests: readonly Digest[];
  readonly blobs: readonly Digest[];
  readonly bytesOf: (digest: Digest) => number | undefined;
  /** Why not all of it is known. */
  readonly unread: string | undefined;
}

/**
 * Walks from all tags of a repository to all that they need, and to what refers to that.
 * @param onTag hears of each tag that was looked up
 */
export async function walkRepository(
  { reader, clock }: { readonly reader: PatientReader; readonly clock: Clock },
  reading: Reading,
  onTag: () => void,
): Promise<Walk> {
  const reads = new SizedReads(reader);
  const facts = new UpstreamTagFacts(reader);
  const digests = new Map<Tag, Digest | undefined>();
  const ledger = { recallAll: () => Promise.resolve(new Map()) };
  const ports = { reads, manifests: new ManifestCache(reads), facts, ledger, clock, tagLimit: Infinity };
  const survey = new Survey(ports, reading);

  const walk = async (): Promise<string | undefined> => {
    const list = await reads.listTags(reading);
    if (list.state === 'unknown') return `its tags could not be listed: ${list.reason}`;
    for (const tag of [...list.tags].sort()) digests.set(tag, undefined);
    const unread = await lookUpAll(facts, reading, digests, onTag);
    if (unread !== undefined) return unread;
    for (const [tag, digest] of digests) {
      if (digest === undefined) continue;
      survey.graph.point(tag, digest);
      const named = parseReferrerTag(tag)?.named;
      if (named !== undefined) survey.graph.refer(digest, [named]);
    }
    const found = [...digests.values()].filter((digest) => digest !== undefined);
    return (await survey.walk(found))?.reason;
  };

  const unread = await walk().catch(reasonOf);
  return {
    tags: [...digests].map(([tag, digest]) => ({ tag, digest })),
    graph: survey.graph,
    manifests: reads.manifests(),
    blobs: reads.blobs(),
    bytesOf: (digest) => reads.bytesOf(digest),
    unread,
  };
}

/** @returns why some could not be looked up */
async function lookUpAll(
  facts: UpstreamTagFacts,
  reading: Reading,
  digests: Map<Tag, Digest | undefined>,
  onTag: () => void,
): Promise<string | undefined> {
  const failures: string[] = [];
  await forEachBounded(digests.keys(), concurrency, async (tag) => {
    const fact = await facts.lookUp({ ...reading, tag });
    if (fact.state === 'present') digests.set(tag, fact.digest);
    if (fact.state === 'unknown') failures.push(`${tag} could not be looked up: ${fact.reason}`);
    onTag();
    return failures.length < failuresLimit ? undefined : 'given up';
  });
  const [first, ...others] = failures.sort();
  return others.length === 0 ? first : `${first ?? ''} (and ${others.length} more)`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof CredentialsRefused)) throw error;
  return 'the upstream wants other credentials (401); give upstream.username and upstream.password_file';
}
