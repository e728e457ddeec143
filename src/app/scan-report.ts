import type { Walk } from '../adapters/repository-walk.ts';
import { rulesKeeping } from '../core/judge-digest-delete.ts';
import type { NeedingTag } from '../core/need-graph.ts';
import { deleteMinimumOf, protectionOf, type HeldReferrers, type Minimum } from '../core/protection.ts';
import type { Digest, Repository, Tag } from '../core/reference.ts';
import { parseReferrerTag } from '../core/referrer-tag.ts';
import type { ReferrersTreatment, RuleSet } from '../core/rule.ts';

// The keys of these are those of `--json` (docs/scan.md).

export interface MinimumReport {
  readonly minimum: Minimum['level'];
  readonly rules: readonly string[];
}

export interface ReferrersReport {
  readonly named: Digest;
  /** `unknown`: something could not be read, and so who needs the image is not known. */
  readonly treatment: ReferrersTreatment | 'unknown';
  readonly rules: readonly string[];
  /** For whose sake. */
  readonly tags: readonly Tag[];
}

export interface TagReport {
  readonly tag: Tag;
  readonly digest: Digest | null;
  /** The rules by which it is. */
  readonly immutable: readonly string[];
  readonly push: MinimumReport | null;
  readonly delete: MinimumReport | null;
  /** Null: it is a tag like others. */
  readonly referrers: ReferrersReport | null;
}

export interface SizedDigest {
  readonly digest: Digest;
  readonly bytes: number | null;
}

export interface RepositoryReport {
  readonly repository: Repository;
  /** What could not be read; null: all was. */
  readonly error: string | null;
  readonly tags: readonly TagReport[];
  /** Null: not known, for something could not be read. */
  readonly unprotected: {
    readonly manifests: readonly SizedDigest[];
    readonly blobs: readonly SizedDigest[];
  } | null;
}

/** What the rules make of what was found in a repository. */
export function reportOf(rules: RuleSet, repository: Repository, walk: Walk): RepositoryReport {
  const tags = walk.tags.map(({ tag, digest }): TagReport => {
    const named = parseReferrerTag(tag)?.named;
    const needing = named === undefined ? [] : [...walk.graph.tagsNeeding([named])];
    const { immutable, push, delete: remove, referrers } = protectionOf(rules, repository, tag, needing);
    return {
      tag,
      digest: digest ?? null,
      immutable,
      push: minimumReport(push),
      delete: minimumReport(remove),
      referrers: referrers ? referrersReport(referrers, walk.unread === undefined) : null,
    };
  });
  const unprotected = walk.unread === undefined ? unprotectedIn(rules, repository, walk) : null;
  return { repository, error: walk.unread ?? null, tags, unprotected };
}

/** Of a repository that could not be walked at all. */
export function unreadReport(repository: Repository, error: string): RepositoryReport {
  return { repository, error, tags: [], unprotected: null };
}

function referrersReport(
  { named, treatment, ruleIds, tags }: HeldReferrers,
  isAllKnown: boolean,
): ReferrersReport {
  // Nothing is stricter.
  const isCertain = isAllKnown || treatment === 'immutable';
  return { named, treatment: isCertain ? treatment : 'unknown', rules: ruleIds, tags };
}

function minimumReport(minimum: Minimum | undefined): MinimumReport | null {
  return minimum ? { minimum: minimum.level, rules: minimum.ruleIds } : null;
}

function unprotectedIn(
  rules: RuleSet,
  repository: Repository,
  { graph, manifests, blobs, bytesOf }: Walk,
): RepositoryReport['unprotected'] {
  if (deleteMinimumOf(rules, repository)) return { manifests: [], blobs: [] };
  const isKeeping = memoized((needs) => rulesKeeping(rules, repository, needs).length > 0);
  const isUnprotected = (digest: Digest): boolean => {
    for (const needs of graph.tagsNeeding([digest])) if (isKeeping(needs)) return false;
    return true;
  };
  const sized = (digests: readonly Digest[]): readonly SizedDigest[] =>
    digests
      .filter(isUnprotected)
      .sort()
      .map((digest) => ({ digest, bytes: bytesOf(digest) ?? null }));
  return { manifests: sized(manifests), blobs: sized(blobs) };
}

/** A layer that all images share is asked for by all of their tags. */
function memoized(judge: (needs: NeedingTag) => boolean): (needs: NeedingTag) => boolean {
  const known = { asPart: new Map<Tag, boolean>(), asReferrer: new Map<Tag, boolean>() };
  return (needs) => {
    const verdicts = needs.isReferrer ? known.asReferrer : known.asPart;
    const verdict = verdicts.get(needs.tag) ?? judge(needs);
    verdicts.set(needs.tag, verdict);
    return verdict;
  };
}
