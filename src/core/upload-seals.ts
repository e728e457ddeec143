import { RegistryError } from './errors.ts';
import type { Repository } from './reference.ts';
import { valuesOf, type Query } from './target.ts';
import { whyNoUpload } from './upload-target.ts';

/**
 * Makes names for upload sessions whose address at the upstream is not of our own form, which the spec leaves to every
 * registry. A name says nothing, and nobody else can make one.
 */
export interface UploadSeals {
  /**
   * Text of base64url's alphabet, good in this repository for a while.
   * @throws RegistryError UNAVAILABLE where the key is not known yet
   */
  seal(repository: Repository, target: string): string;
  /**
   * What was sealed; undefined where it was not by us, not for this repository, or too long ago.
   * @throws RegistryError UNAVAILABLE where the key is not known yet
   */
  open(repository: Repository, sealed: string): string | undefined;
}

/** For where no upload is expected. */
export const noSeals: UploadSeals = {
  seal: () => {
    throw new RegistryError('UNAVAILABLE');
  },
  open: () => undefined,
};

const mark = 'sealed.';

/** Whether a session is named by us. An upstream's own name that looks like it must be sealed too. */
export function isSealed(session: string): boolean {
  return session.startsWith(mark);
}

/** @throws RegistryError UNAVAILABLE */
export function sealSession(seals: UploadSeals, repository: Repository, target: string): string {
  return mark + seals.seal(repository, target);
}

/**
 * The target at the upstream.
 * @throws RegistryError BLOB_UPLOAD_UNKNOWN, UNAVAILABLE
 */
export function openSession(seals: UploadSeals, repository: Repository, session: string): string {
  const target = seals.open(repository, session.slice(mark.length));
  // What may be sealed is known better today than when it was sealed, perhaps by somebody who has the key.
  if (target === undefined || whyNoUpload(repository, target) !== undefined)
    throw new RegistryError('BLOB_UPLOAD_UNKNOWN', {
      message: 'this upload is not known, or it was begun too long ago; begin anew',
    });
  return target;
}

/**
 * What a client may add to a target that it cannot read: the digest (end-6). All else is the upstream's own.
 * @throws RegistryError NAME_INVALID where the upstream has another digest there: servers differ in which they take
 */
export function addableQuery(target: string, query: Query): Query {
  const [digest] = valuesOf(query, 'digest');
  if (digest === undefined) return [];
  const own = ownValues(target, 'digest');
  if (own.some((value) => value !== digest))
    throw new RegistryError('NAME_INVALID', { message: 'this upload is of another digest' });
  return own.length > 0 ? [] : [['digest', digest]];
}

/** Read loosely: of a key in any case, among pairs that are separated in any way. */
function ownValues(target: string, key: string): readonly string[] {
  const pairs = target.slice(target.indexOf('?') + 1).split(/[&;]/);
  return pairs
    .map((pair) => decoded(pair))
    .filter((pair) => pair.toLowerCase().startsWith(`${key}=`))
    .map((pair) => pair.slice(key.length + 1));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' ')).trim();
  } catch {
    return text;
  }
}
