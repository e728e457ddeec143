import { headerValues, mapHeaders, soleHeader, type HeaderList } from './header-list.ts';
import { isDigest, type Digest, type Reference } from './reference.ts';

/** What the upstream answered to a read of a manifest. */
export interface ManifestAnswer {
  readonly status: number;
  readonly headers: HeaderList;
}

/** What of it may be answered to others who ask the same. */
export interface Keepable {
  readonly digest: Digest;
  readonly type: string;
  /** How old the answer was when it came. */
  readonly ageSeconds: number;
  /** How long it may be answered, from when it was asked for; Infinity where the upstream says nothing. */
  readonly lifetimeSeconds: number;
}

/**
 * What is said of a manifest, whoever asks. Everything else belongs to one exchange and one caller: a cookie, a token
 * against forged requests, a rate limit, an id.
 */
const describing = new Set([
  'cache-control',
  'content-type',
  'date',
  'docker-content-digest',
  'docker-distribution-api-version',
  'etag',
  'last-modified',
  'link',
  'oci-namespace',
  'strict-transport-security',
  'vary',
  'warning',
  'x-content-type-options',
]);
/** A request that is answered from memory has these as the request had for which it was kept: the same, or none at all. */
const agreeing = new Set(['accept', 'accept-encoding', 'cookie', 'origin']);
/** What is for one caller alone, or says that this is not the manifest itself. */
const personal = ['set-cookie', 'content-encoding', 'content-range'];
const forbidding = new Set(['no-cache', 'no-store', 'private']);

/**
 * @param asked what for: by digest the answer must be of that digest
 * @param isOf whether a digest is that of the answer's body; absent: it has none, as an answer to HEAD
 * @returns undefined for what may be passed on, and not kept
 */
export function keepable(
  { status, headers }: ManifestAnswer,
  asked: Reference,
  isOf?: (digest: Digest) => boolean,
): Keepable | undefined {
  const digest = soleHeader(headers, 'docker-content-digest');
  if (status !== 200 || digest === undefined || !isDigest(digest)) return undefined;
  if ('digest' in asked && asked.digest !== digest) return undefined;
  const type = soleHeader(headers, 'content-type');
  if (type === undefined || headerValues(headers, 'etag').length > 1) return undefined;
  if (personal.some((name) => has(headers, name))) return undefined;
  if (listed(headers, 'vary').some((name) => !agreeing.has(name))) return undefined;
  const lifetimeSeconds = lifetimeOf(headers);
  const ageSeconds = Math.max(0, ...headerValues(headers, 'age').map((age) => secondsIn(age) ?? Infinity));
  if (lifetimeSeconds <= ageSeconds) return undefined;
  // Last, for it costs most. A signed schema 1 manifest has another digest than that of its bytes.
  if (isOf && !isOf(digest)) return undefined;
  return { digest, type, ageSeconds, lifetimeSeconds };
}

/** The fields that describe the manifest; neither its length nor its age. */
export function describingHeaders(headers: HeaderList): HeaderList {
  return mapHeaders(headers, (name, value) => (describing.has(name) ? value : undefined));
}

/** RFC 9111, section 4.2.1, for a cache that many share; 0 for what may not be kept, or cannot be read. */
function lifetimeOf(headers: HeaderList): number {
  const directives = listed(headers, 'cache-control');
  if (directives.some((directive) => forbidding.has(directive.split('=')[0] ?? ''))) return 0;
  if (listed(headers, 'pragma').includes('no-cache')) return 0;
  const ages = (name: string): readonly number[] =>
    directives
      .filter((directive) => directive.split('=')[0] === name)
      .map((directive) => secondsIn(directive.slice(name.length + 1).replace(/^"(.*)"$/, '$1')) ?? 0);
  const [shared, own] = [ages('s-maxage'), ages('max-age')];
  if (shared.length > 0) return Math.min(...shared);
  if (own.length > 0) return Math.min(...own);
  // A time of day, by somebody else's clock.
  return has(headers, 'expires') ? 0 : Infinity;
}

function secondsIn(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function has(headers: HeaderList, name: string): boolean {
  return headerValues(headers, name).length > 0;
}

function listed(headers: HeaderList, name: string): readonly string[] {
  return headerValues(headers, name)
    .flatMap((value) => value.toLowerCase().split(','))
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** The fields of an answer after it was seen again: those of the later one, and what that says nothing of (RFC 9111, section 3.2). */
export function freshened(before: HeaderList, later: HeaderList): HeaderList {
  return [...mapHeaders(before, (name, value) => (has(later, name) ? undefined : value)), ...later];
}
