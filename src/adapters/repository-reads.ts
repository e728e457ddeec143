import { headerValues, soleHeader } from '../core/header-list.ts';
import { readNeeds, type ManifestNeeds } from '../core/manifest.ts';
import type { ReadOperation } from '../core/operation.ts';
import { digestAlgorithm, isDigest, isTag, type Digest, type Tag } from '../core/reference.ts';
import { parseTarget } from '../core/target.ts';
import {
  notAsRegistry,
  provesAbsence,
  type PatientReader,
  type Reading,
  type Send,
  type Unknown,
} from './patient-reader.ts';
import { digestsOf } from './digests.ts';
import { manifestTypes } from './tag-facts.ts';
import type { UpstreamAnswer } from './upstream.ts';

const noSuchRoute = new Set([400, 404, 405]);
const listTypes = ['application/json', 'application/vnd.oci.image.index.v1+json'];
const listLimitBytes = 32 * 1024 * 1024;
const manifestLimitBytes = 4 * 1024 * 1024;

export interface TagList {
  readonly state: 'known';
  readonly tags: readonly Tag[];
}

/** `sha256`: of its bytes, by whatever name it was asked for. */
export type ManifestFact =
  | { readonly state: 'present'; readonly sha256: Digest; readonly needs: ManifestNeeds }
  | { readonly state: 'absent' };

export type TaggedFact =
  | {
      readonly state: 'present';
      readonly digest: Digest;
      readonly sha256: Digest;
      readonly needs: ManifestNeeds;
    }
  | { readonly state: 'absent' };

export type BytesFact = { readonly state: 'present'; readonly bytes: Buffer } | { readonly state: 'absent' };

/** What the Referrers API says (distribution-spec, end-12a); `unsupported`: the registry does not have it. */
export type ReferrersFact =
  { readonly state: 'known'; readonly referrers: readonly Digest[] } | { readonly state: 'unsupported' };

/** Reads what is in one repository. Every method throws CredentialsRefused. */
export class RepositoryReads {
  readonly #reader: PatientReader;

  constructor(reader: PatientReader) {
    this.#reader = reader;
  }

  /** All tags, page by page; a repository that is not there has none. */
  listTags(reading: Reading): Promise<TagList | Unknown> {
    return this.#reader.read<TagList>(reading, async (send) => {
      const tags: Tag[] = [];
      for await (const answer of pages(listOf(reading), send)) {
        if (provesAbsence(answer)) break;
        if (answer.status !== 200) return notAsRegistry(answer);
        const listed = tagsIn(answer.body);
        if (!listed) return { state: 'unknown', reason: 'the upstream did not list the tags' };
        for (const tag of listed) tags.push(tag);
      }
      return { state: 'known', tags };
    });
  }

  async readManifest(reading: Reading, digest: Digest): Promise<ManifestFact | Unknown> {
    const fact = await this.readBytes(reading, digest);
    if (fact.state !== 'present') return fact;
    const { bytes } = fact;
    return { state: 'present', sha256: digestsOf(bytes).sha256, needs: readNeeds(bytes.toString()) };
  }

  /** What a tag points to, in one request: its digest, and what that needs. */
  readTag(reading: Reading, tag: Tag): Promise<TaggedFact | Unknown> {
    const { repository } = reading;
    const get = { kind: 'getManifest', method: 'GET', repository, reference: { tag }, query: [] } as const;
    return this.#reader.read<TaggedFact>(reading, async (send) => {
      const answer = await send(get, { accept: manifestTypes, bodyLimitBytes: manifestLimitBytes });
      if (provesAbsence(answer)) return { state: 'absent' };
      if (answer.status !== 200) return notAsRegistry(answer);
      const digest = soleHeader(answer.headers, 'docker-content-digest');
      if (digest === undefined || !isDigest(digest)) {
        return { state: 'unknown', reason: 'the upstream did not say its digest' };
      }
      const checked = verified(digest, answer.body);
      if (checked.state !== 'present') return checked;
      const { bytes } = checked;
      return {
        state: 'present',
        digest,
        sha256: digestsOf(bytes).sha256,
        needs: readNeeds(bytes.toString()),
      };
    });
  }

  /** The bytes of a digest, if they are no longer than a manifest may be. */
  readBytes(reading: Reading, digest: Digest): Promise<BytesFact | Unknown> {
    const { repository } = reading;
    const get = { kind: 'getManifest', method: 'GET', repository, reference: { digest }, query: [] } as const;
    return this.#reader.read<BytesFact>(reading, async (send) => {
      const answer = await send(get, { accept: manifestTypes, bodyLimitBytes: manifestLimitBytes });
      if (provesAbsence(answer)) return { state: 'absent' };
      if (answer.status >= 500) return (await readAsBlob(send, reading, digest)) ?? notAsRegistry(answer);
      return answer.status === 200 ? verified(digest, answer.body) : notAsRegistry(answer);
    });
  }

  listReferrers(reading: Reading, digest: Digest): Promise<ReferrersFact | Unknown> {
    const { repository } = reading;
    const list = { kind: 'listReferrers', method: 'GET', repository, digest, query: [] } as const;
    return this.#reader.read<ReferrersFact>(reading, async (send) => {
      const referrers: Digest[] = [];
      for await (const answer of pages(list, send)) {
        if (provesAbsence(answer)) break;
        // distribution 2.8 and 3.x have no such route, and answer as for any other path.
        if (noSuchRoute.has(answer.status)) return { state: 'unsupported' };
        if (answer.status !== 200) return notAsRegistry(answer);
        const text = answer.body.toString();
        if (!isIndex(text)) return { state: 'unsupported' };
        referrers.push(...readNeeds(text).children);
      }
      return { state: 'known', referrers };
    });
  }
}

function listOf({ repository }: Reading): ReadOperation {
  return { kind: 'listTags', method: 'GET', repository, query: [] };
}

/** An answer and those that its `Link` leads to (RFC 8288): of a link only its query counts. */
export async function* pages(first: ReadOperation, send: Send): AsyncGenerator<UpstreamAnswer> {
  const asked = new Set<string>();
  for (let operation = first; ;) {
    const answer = await send(operation, { accept: listTypes, bodyLimitBytes: listLimitBytes });
    yield answer;
    const target = nextOf(answer);
    if (target === undefined || asked.has(target)) return;
    asked.add(target);
    operation = { ...first, query: parseTarget(`/?${target.split('?')[1] ?? ''}`).query };
  }
}

/** Where the next page is: one field can have several links, and one link several relations. */
function nextOf({ headers }: UpstreamAnswer): string | undefined {
  const links = headerValues(headers, 'link').flatMap((value) => value.split('<').slice(1));
  for (const link of links) {
    const [target, parameters = ''] = link.split('>', 2);
    const [, quoted, bare] = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters) ?? [];
    if ((quoted ?? bare ?? '').toLowerCase().split(/\s+/).includes('next')) return target;
  }
  return undefined;
}

/** A web page that answers every path with 200 has no such API either. */
function isIndex(text: string): boolean {
  try {
    const index = JSON.parse(text) as { manifests?: unknown } | null;
    return Array.isArray(index?.manifests);
  } catch {
    return false;
  }
}

function tagsIn(body: Buffer): readonly Tag[] | undefined {
  try {
    const { name, tags } = JSON.parse(body.toString()) as { name?: unknown; tags?: unknown };
    // An empty list may be null, or left out; but not everything in which there is none is a list of tags.
    if (tags === null || (tags === undefined && typeof name === 'string')) return [];
    if (!Array.isArray(tags)) return undefined;
    // What is no tag cannot be asked for, neither by us nor by a client.
    return tags.filter((tag) => typeof tag === 'string').filter(isTag);
  } catch {
    return undefined;
  }
}

/**
 * distribution 2.8 answers 500 where a layer is asked for as a manifest. Whatever it is, its bytes are those of its
 * digest: what is larger than any manifest is none, and what is none names nothing.
 */
async function readAsBlob(
  send: Send,
  { repository }: Reading,
  digest: Digest,
): Promise<BytesFact | Unknown | undefined> {
  const blob = { kind: 'getBlob', repository, digest, query: [] } as const;
  const head = await send({ ...blob, method: 'HEAD' });
  // To a storage of its own (S3, say), where only blobs lead.
  if (head.status === 307 || head.status === 302) return { state: 'absent' };
  if (head.status !== 200) return undefined;
  const length = Number(soleHeader(head.headers, 'content-length'));
  if (length > manifestLimitBytes) return { state: 'absent' };
  const answer = await send({ ...blob, method: 'GET' }, { bodyLimitBytes: manifestLimitBytes });
  return answer.status === 200 ? verified(digest, answer.body) : undefined;
}

function verified(digest: Digest, bytes: Buffer): BytesFact | Unknown {
  if (digestsOf(bytes).includes(digest) || isUnverifiable(digest, bytes)) return { state: 'present', bytes };
  return { state: 'unknown', reason: `the upstream answered other bytes than those of ${digest}` };
}

const verifiable = new Set(['sha256', 'sha384', 'sha512']);

/** A signed schema 1 manifest has the digest of its bytes without the signatures. */
function isUnverifiable(digest: Digest, bytes: Buffer): boolean {
  const isSigned = /"schemaVersion"\s*:\s*1\b/.test(bytes.toString()) && bytes.includes('"signatures"');
  return isSigned || !verifiable.has(digestAlgorithm(digest));
}
