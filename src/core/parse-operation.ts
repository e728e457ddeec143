import { RegistryError } from './errors.ts';
import type { DeleteTag, Operation, PutManifest, ReadMethod, StartUpload, Upload } from './operation.ts';
import {
  isDigest,
  isRepository,
  isTag,
  parseReference,
  parseRepository,
  parseTag,
  type Reference,
  type Repository,
  type Tag,
} from './reference.ts';
import { valuesOf, type Query, type Target } from './target.ts';
import { addableQuery, isSealed, noSeals, openSession, type UploadSeals } from './upload-seals.ts';

const sessionGrammar = /^[a-zA-Z0-9_.=-]+$/;
// The spec asks for ten. Each may cost look-ups, and a request line has room for thousands.
const tagsPerPushLimit = 100;

/**
 * Reads a request under `/v2/`, by the endpoints of the distribution-spec (end-1 to end-14 of its main branch).
 * A repository's components may themselves be called `manifests` or `blobs`: routes are told by their last segments.
 * @param seals open the sessions that have a name of ours
 * @throws RegistryError NAME_INVALID, TAG_INVALID, BLOB_UPLOAD_UNKNOWN, and UNSUPPORTED for every write that is not known
 */
export function parseOperation(method: string, target: Target, seals: UploadSeals = noSeals): Operation {
  const known = method === 'OPTIONS' ? undefined : parseKnown(method, target, seals);
  if (known) return known;
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') {
    return { kind: 'otherRead', method, path: target.path, query: target.query };
  }
  throw new RegistryError('UNSUPPORTED', { message: 'this write is not part of the registry protocol' });
}

function parseKnown(method: string, { path, query }: Target, seals: UploadSeals): Operation | undefined {
  const read = asRead(method);
  if (path === '/v2/') return read && { kind: 'ping', method: read, query };
  if (path === '/v2/_catalog') return read && { kind: 'catalog', method: read, query };

  const segments = path.split('/').slice(2);
  const last = segments.at(-1) ?? '';
  const parent = segments.at(-2);
  const name = (routeLength: number): string => segments.slice(0, -routeLength).join('/');

  if (parent === 'manifests') return parseManifest(method, name(2), last, query);
  if (parent === 'blobs' && last === 'uploads') return parseStartUpload(method, name(2), query);
  if (parent === 'blobs') return parseBlob(method, name(2), last, query);
  if (segments.at(-3) === 'blobs' && parent === 'uploads') {
    if (last === '') return parseStartUpload(method, name(3), query);
    const upload = parseUpload(method, name(3), last, query);
    return upload && isSealed(last) ? opened(upload, seals) : upload;
  }
  if (segments.at(-3) === 'tags' && parent === 'reference' && method === 'DELETE') {
    return { ...deleteTag(name(3), parseTag(last), query), route: 'tags/reference' };
  }
  const repository = name(2);
  if (!read || !isRepository(repository)) return undefined;
  if (parent === 'tags' && last === 'list') return { kind: 'listTags', method: read, repository, query };
  if (parent === 'referrers' && isDigest(last)) {
    return { kind: 'listReferrers', method: read, repository, digest: last, query };
  }
  return undefined;
}

function asRead(method: string): ReadMethod | undefined {
  return method === 'GET' || method === 'HEAD' ? method : undefined;
}

function parseManifest(method: string, name: string, last: string, query: Query): Operation | undefined {
  const read = asRead(method);
  if (read) {
    if (!isRepository(name) || !(isTag(last) || isDigest(last))) return undefined;
    return { kind: 'getManifest', method: read, repository: name, reference: parseReference(last), query };
  }
  if (method !== 'PUT' && method !== 'DELETE') return undefined;
  const reference = parseReference(last);
  if (method === 'PUT') return parsePutManifest(parseRepository(name), reference, query);
  if ('tag' in reference) return { ...deleteTag(name, reference.tag, query), route: 'manifests' };
  refuseTags(query);
  return { kind: 'deleteManifest', repository: parseRepository(name), digest: reference.digest };
}

function parsePutManifest(repository: Repository, reference: Reference, query: Query): PutManifest {
  if ('tag' in reference) {
    refuseTags(query);
    return { kind: 'putManifest', repository, reference, tags: [reference.tag] };
  }
  const tags = new Set(valuesOf(query, 'tag').map(parseTag));
  if (tags.size > tagsPerPushLimit) {
    const message = `at most ${tagsPerPushLimit} tags in one push`;
    throw new RegistryError('TAG_INVALID', { status: 414, message });
  }
  // In sorted order, so that two requests for the same tags claim them in the same order.
  return { kind: 'putManifest', repository, reference, tags: [...tags].sort() };
}

function deleteTag(name: string, tag: Tag, query: Query): Omit<DeleteTag, 'route'> {
  refuseTags(query);
  return { kind: 'deleteTag', repository: parseRepository(name), tag };
}

/** `?tag=` belongs to a push by digest (end-7b); what a registry makes of it elsewhere nobody can say. */
function refuseTags(query: Query): void {
  if (query.some(([key]) => key.trim().toLowerCase() === 'tag')) {
    throw new RegistryError('TAG_INVALID', { message: '?tag= is only allowed in a push by digest' });
  }
}

function parseBlob(method: string, name: string, last: string, query: Query): Operation | undefined {
  const read = asRead(method);
  if (read) {
    if (!isRepository(name) || !isDigest(last)) return undefined;
    return { kind: 'getBlob', method: read, repository: name, digest: last, query };
  }
  if (method !== 'DELETE') return undefined;
  if (!isDigest(last)) throw new RegistryError('NAME_INVALID', { message: `invalid digest "${last}"` });
  return { kind: 'deleteBlob', repository: parseRepository(name), digest: last };
}

function parseStartUpload(method: string, name: string, query: Query): StartUpload | undefined {
  if (method !== 'POST') return undefined;
  const value = (key: string): string | undefined => valuesOf(query, key)[0];
  const [digest, digestAlgorithm, mount, from] = ['digest', 'digest-algorithm', 'mount', 'from'].map(value);
  return {
    kind: 'startUpload',
    repository: parseRepository(name),
    ...(digest !== undefined && { digest }),
    ...(digestAlgorithm !== undefined && { digestAlgorithm }),
    ...(mount !== undefined && { mount }),
    ...(from !== undefined && { from: parseRepository(from) }),
  };
}

function parseUpload(method: string, name: string, session: string, query: Query): Upload | undefined {
  const known = ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'] as const;
  const uploadMethod = known.find((candidate) => candidate === method);
  if (!uploadMethod || !sessionGrammar.test(session)) return undefined;
  return { kind: 'upload', method: uploadMethod, repository: parseRepository(name), session, query };
}

function opened(upload: Upload, seals: UploadSeals): Upload {
  const location = openSession(seals, upload.repository, upload.session);
  return { ...upload, location, query: addableQuery(location, upload.query) };
}
