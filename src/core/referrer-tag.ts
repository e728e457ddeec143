import { isDigest, type Digest, type Tag } from './reference.ts';

/** A tag that is named after a manifest, and holds what refers to it. */
export interface ReferrerTag {
  readonly named: Digest;
  /** An index of referrers (distribution-spec, "Referrers Tag Schema"), or cosign's manifest of signatures. */
  readonly kind: 'index' | 'cosign';
}

const grammar = /^(?:(sha256-[0-9a-f]{64})(\.sig|\.att|\.sbom)?|(sha512-[0-9a-f]{128}))$/;

/** Any other tag that begins with `sha256-` is a tag like others. */
export function parseReferrerTag(tag: Tag): ReferrerTag | undefined {
  const [, sha256Name, suffix, sha512Name] = grammar.exec(tag) ?? [];
  const named = (sha256Name ?? sha512Name)?.replace('-', ':');
  if (named === undefined) return undefined;
  return isDigest(named) ? { named, kind: suffix === undefined ? 'index' : 'cosign' } : undefined;
}

export function isReferrerTag(tag: Tag): boolean {
  return parseReferrerTag(tag) !== undefined;
}
