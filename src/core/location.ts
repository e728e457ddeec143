/** A URI reference (RFC 3986, section 4.1) as it is written, without its fragment: nobody sends that. */
export interface UriReference {
  readonly scheme: string | undefined;
  readonly authority: string | undefined;
  readonly path: string;
  /** With its question mark. */
  readonly query: string | undefined;
}

// RFC 3986, appendix B.
const reference = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(\?[^#]*)?(?:#.*)?$/is;

export function splitReference(text: string): UriReference {
  const [, scheme, authority, path = '', query] = reference.exec(text) ?? [];
  return { scheme, authority, path, query };
}

/**
 * The target that a client asks for whom a reference sends on (RFC 3986, section 5.2.2), every character as it was written.
 * @param base the target that was asked, in origin-form
 */
export function resolveTarget({ authority, path, query }: UriReference, base: string): string {
  const from = splitReference(base);
  if (path === '' && authority === undefined) return from.path + (query ?? from.query ?? '');
  const isWhole = authority !== undefined || path.startsWith('/');
  const whole = isWhole ? path || '/' : from.path.slice(0, from.path.lastIndexOf('/') + 1) + path;
  return withoutDotSegments(whole) + (query ?? '');
}

/** RFC 3986, section 5.2.4. */
function withoutDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, at) => {
    const isDots = segment === '.' || segment === '..';
    if (segment === '..') kept.pop();
    if (!isDots) kept.push(segment);
    else if (at === segments.length - 1) kept.push('');
  });
  return `/${kept.join('/')}`;
}
