import type { Repository } from './reference.ts';
import { isAtOrUnder } from './target.ts';

/** Sealed, and beside a token, it still fits into the head of a request. */
const lengthLimit = 8 * 1024;
const decodingLimit = 4;
/** Here registries are written to in another way than the distribution-spec's. */
export const otherWritePaths = ['/gitlab/v1', '/api/v2.0'];
/** Tokens are given out here. */
const tokenPath = '/jwt/auth';

/**
 * Why an address that the upstream gave for an upload is none; undefined: it may be one. Whatever is sent there was judged
 * as an upload in this repository, and so it must be nothing else in any reading that a server may have of it: however
 * often it decodes the path, whether or not it heeds case and what follows a semicolon.
 * @param target in origin-form
 * @param closedPrefixes of paths outside `/v2/` that have rules of their own
 */
export function whyNoUpload(
  repository: Repository,
  target: string,
  closedPrefixes: readonly string[] = [],
): string | undefined {
  if (target.length > lengthLimit) return 'is too long';
  if (!/^\/[!-~]*$/.test(target) || /[#\\]/.test(target)) return 'does not fit into a request line';
  const readings = readingsOf(target.replace(/\?.*$/, ''));
  if (!readings) return 'can be read in several ways';
  const closed = [...otherWritePaths, tokenPath, ...closedPrefixes].map((prefix) => prefix.toLowerCase());
  return readings.map((path) => whyNoUploadRead(repository, path, closed)).find((why) => why !== undefined);
}

/** The path as it is, decoded once, and so on until nothing is left to decode; undefined where servers may clean it. */
function readingsOf(path: string): readonly string[] | undefined {
  const readings = [path];
  for (let read = path; read.includes('%'); readings.push(read)) {
    const before = read;
    read = before.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
    if (read === before || readings.length > decodingLimit) return undefined;
  }
  return readings.every(isClean) ? readings : undefined;
}

/** No segment is empty, but the last, or of dots alone; and there is nothing that would end a path. */
function isClean(path: string): boolean {
  const segments = path.replace(/\/$/, '').split('/').slice(1);
  return segments.every((segment) => /^[!-~]+$/.test(segment) && !/[#?\\]|^\.{0,2}(?:;|$)/.test(segment));
}

function whyNoUploadRead(
  repository: Repository,
  path: string,
  closedPrefixes: readonly string[],
): string | undefined {
  const segments = path.replace(/\/$/, '').split('/').slice(1);
  const loose = segments.map((segment) => segment.replace(/;.*$/, '').toLowerCase());
  if (namesContent(loose)) return 'names a manifest, a blob or a tag';
  const loosePath = `/${loose.join('/')}`;
  if (closedPrefixes.some((prefix) => isAtOrUnder(loosePath, prefix)))
    return 'names something else than an upload';
  const version = loose.indexOf('v2');
  if (version < 0) return undefined;
  // Behind a prefix of its own, as Artifactory's and Nexus's, a registry may leave out what the prefix says.
  const names = version === 0 ? [repository] : suffixesOf(repository);
  const isOurs = names.some((name) => isUploadOf(name, segments.slice(version + 1)));
  return isOurs ? undefined : 'names another repository';
}

function namesContent(segments: readonly string[]): boolean {
  const parent = segments.at(-2) ?? '';
  return (
    ['manifests', 'blobs', 'referrers'].includes(parent) ||
    (parent === 'reference' && segments.at(-3) === 'tags')
  );
}

/** `blobs/` and at least two segments more: nothing in which another repository's upload could begin. */
function isUploadOf(name: string, segments: readonly string[]): boolean {
  const depth = name.split('/').length;
  const [blobs, ...rest] = segments.slice(depth);
  const isNamed = segments.slice(0, depth).join('/') === name;
  return (
    isNamed &&
    blobs === 'blobs' &&
    rest.length >= 2 &&
    !rest.some((segment) => /^blobs(?:;|$)/i.test(segment))
  );
}

function suffixesOf(repository: Repository): readonly string[] {
  const components = repository.split('/');
  return components.map((_, at) => components.slice(at).join('/'));
}
