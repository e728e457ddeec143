import { RegistryError } from './errors.ts';

/** Decoded pairs in the order in which they were sent. */
export type Query = readonly (readonly [key: string, value: string])[];

/** The target of a request line, taken apart. `path` is canonical: it has exactly one spelling. */
export interface Target {
  /** As `/v2/flightjs/flight/manifests/v1.0`: never a dot segment, an empty segment or a percent sign. */
  readonly path: string;
  readonly query: Query;
}

// The registry routes on the path decoded once and cleaned, other servers read it differently, and so a path
// that has two spellings could be judged as one and served as the other. Only one spelling is accepted (RFC 3986
// pchar without percent-encoding and without ";", which several servers cut off as a parameter).
const canonicalPath = /^\/(?:[A-Za-z0-9._~!$&'()*+,=:@-]+\/)*[A-Za-z0-9._~!$&'()*+,=:@-]*$/;
const dotSegment = /\/\.{1,2}(?:\/|$)/;
const encodedColon = /%3a/gi;
// Go's url.ParseQuery drops a pair with a semicolon, others split at it.
const printableQuery = /^[\x21\x24-\x3a\x3c-\x5b\x5d-\x7e]*$/;
// One value or several equal ones: servers differ in which of two different ones they take.
const singular = ['digest', 'digest-algorithm', 'mount', 'from'];

/**
 * Reads an origin-form request target (RFC 9112, section 3.2.1).
 * @throws RegistryError NAME_INVALID for every spelling but the canonical one
 */
export function parseTarget(raw: string): Target {
  const mark = raw.indexOf('?');
  const path = decodeDigestColon(mark < 0 ? raw : raw.slice(0, mark));
  if (!canonicalPath.test(path) || dotSegment.test(path)) {
    throw new RegistryError('NAME_INVALID', { message: 'the path is not in its canonical form' });
  }
  return { path, query: mark < 0 ? [] : parseQuery(raw.slice(mark + 1)) };
}

/** The colon of a digest is the one character that clients may percent-encode: in the last segment, once. */
function decodeDigestColon(path: string): string {
  const last = path.lastIndexOf('/') + 1;
  if (path.slice(last).match(encodedColon)?.length !== 1) return path;
  return path.slice(0, last) + path.slice(last).replace(encodedColon, ':');
}

function parseQuery(raw: string): Query {
  if (!printableQuery.test(raw)) throw badQuery('the query has a character that servers read differently');
  const query = raw
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      return equals < 0
        ? ([decode(pair), ''] as const)
        : ([decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))] as const);
    });
  for (const key of singular) {
    if (new Set(valuesOf(query, key)).size > 1)
      throw badQuery(`the query has two different values of ${key}`);
  }
  return query;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw badQuery('the query is not percent-encoded UTF-8');
  }
}

function badQuery(message: string): RegistryError {
  return new RegistryError('NAME_INVALID', { message });
}

export function valuesOf(query: Query, key: string): readonly string[] {
  return query.filter(([name]) => name === key).map(([, value]) => value);
}

/** `?a=b&c=d`, or nothing where there are no pairs. */
export function printQuery(query: Query): string {
  const pairs = query.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}

/** Whether a prefix covers a path: itself and what is below it, never a longer name: `/ui` is not `/uix`. */
export function isAtOrUnder(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

/** A target, and pairs behind what it has of a query. */
export function withQuery(target: string, query: Query): string {
  const added = printQuery(query);
  if (added === '' || !target.includes('?')) return target + added;
  return target + (/[?&]$/.test(target) ? '' : '&') + added.slice(1);
}
