import { RegistryError } from './errors.ts';
import {
  formatReference,
  isDigest,
  isRepository,
  isTag,
  parseReference,
  parseRepository,
  parseTag,
  type Digest,
  type Reference,
  type Repository,
  type Tag,
} from './reference.ts';
import { printQuery, valuesOf, type Query, type Target } from './target.ts';

export type ReadMethod = 'GET' | 'HEAD';
type Read<Kind extends string, Of = object> = {
  readonly kind: Kind;
  readonly method: ReadMethod;
  readonly query: Query;
} & Of;
interface InRepository {
  readonly repository: Repository;
}

export type ReadOperation =
  | Read<'ping'>
  | Read<'catalog'>
  | Read<'listTags', InRepository>
  | Read<'getManifest', InRepository & { readonly reference: Reference }>
  | Read<'getBlob', InRepository & { readonly digest: Digest }>
  | Read<'listReferrers', InRepository & { readonly digest: Digest }>
  /** A registry's own extension, or a read of something that cannot exist. */
  | {
      readonly kind: 'otherRead';
      readonly method: ReadMethod | 'OPTIONS';
      readonly path: string;
      readonly query: Query;
    };

export interface StartUpload extends InRepository {
  readonly kind: 'startUpload';
  readonly digest?: string;
  readonly digestAlgorithm?: string;
  readonly mount?: string;
  readonly from?: Repository;
}

/** A request within an upload session; its query belongs to the registry (`_state`) and is passed on whole. */
export interface Upload extends InRepository {
  readonly kind: 'upload';
  readonly method: ReadMethod | 'PATCH' | 'PUT' | 'DELETE';
  readonly session: string;
  readonly query: Query;
}

export interface PutManifest extends InRepository {
  readonly kind: 'putManifest';
  readonly reference: Reference;
  /** Every tag that the request would point at the manifest: the reference's own, or those of `?tag=`. */
  readonly tags: readonly Tag[];
}

export interface DeleteTag extends InRepository {
  readonly kind: 'deleteTag';
  readonly tag: Tag;
  /** `tags/reference` is GitLab's, removed there in 4.0 and still served by older registries. */
  readonly route: 'manifests' | 'tags/reference';
}

export interface DeleteDigest extends InRepository {
  readonly kind: 'deleteManifest' | 'deleteBlob';
  readonly digest: Digest;
}

export type WriteOperation = StartUpload | Upload | PutManifest | DeleteTag | DeleteDigest;
/** One request to the registry, parsed: judged and forwarded as this value and nothing else. */
export type Operation = ReadOperation | WriteOperation;

export function isWrite(operation: Operation): operation is WriteOperation {
  return 'session' in operation || !('method' in operation);
}

const sessionGrammar = /^[a-zA-Z0-9_.=-]+$/;

/**
 * Reads a request under `/v2/`, by the endpoints of the distribution-spec (end-1 to end-14 of its main branch).
 * A repository's components may themselves be called `manifests` or `blobs`: routes are told by their last segments.
 * @throws RegistryError NAME_INVALID, TAG_INVALID, and UNSUPPORTED for every write that is not known
 */
export function parseOperation(method: string, target: Target): Operation {
  const known = method === 'OPTIONS' ? undefined : parseKnown(method, target);
  if (known) return known;
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') {
    return { kind: 'otherRead', method, path: target.path, query: target.query };
  }
  throw new RegistryError('UNSUPPORTED', { message: 'this write is not part of the registry protocol' });
}

function parseKnown(method: string, { path, query }: Target): Operation | undefined {
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
    return last === '' ? parseStartUpload(method, name(3), query) : parseUpload(method, name(3), last, query);
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

/** The request line that goes upstream, printed from what was judged. */
export function printOperation(operation: Operation): { readonly method: string; readonly target: string } {
  const [method, path, query] = printParts(operation);
  return { method, target: path + printQuery(query) };
}

function printParts(operation: Operation): [method: string, path: string, query: Query] {
  switch (operation.kind) {
    case 'ping':
      return [operation.method, '/v2/', operation.query];
    case 'catalog':
      return [operation.method, '/v2/_catalog', operation.query];
    case 'otherRead':
      return [operation.method, operation.path, operation.query];
    default:
      return printInRepository(operation);
  }
}

type OperationInRepository = Extract<Operation, InRepository>;

function printInRepository(operation: OperationInRepository): [method: string, path: string, query: Query] {
  const base = `/v2/${operation.repository}`;
  switch (operation.kind) {
    case 'listTags':
      return [operation.method, `${base}/tags/list`, operation.query];
    case 'getManifest':
      return [operation.method, `${base}/manifests/${formatReference(operation.reference)}`, operation.query];
    case 'getBlob':
      return [operation.method, `${base}/blobs/${operation.digest}`, operation.query];
    case 'listReferrers':
      return [operation.method, `${base}/referrers/${operation.digest}`, operation.query];
    case 'startUpload':
      return ['POST', `${base}/blobs/uploads/`, startUploadQuery(operation)];
    case 'upload':
      return [operation.method, `${base}/blobs/uploads/${operation.session}`, operation.query];
    case 'putManifest':
      return ['PUT', `${base}/manifests/${formatReference(operation.reference)}`, tagQuery(operation)];
    case 'deleteTag':
      return ['DELETE', `${base}/${operation.route}/${operation.tag}`, []];
    case 'deleteManifest':
      return ['DELETE', `${base}/manifests/${operation.digest}`, []];
    case 'deleteBlob':
      return ['DELETE', `${base}/blobs/${operation.digest}`, []];
  }
}

function startUploadQuery({ digest, digestAlgorithm, mount, from }: StartUpload): Query {
  const pairs = { digest, 'digest-algorithm': digestAlgorithm, mount, from };
  return Object.entries(pairs).filter((pair): pair is [string, string] => pair[1] !== undefined);
}

function tagQuery({ reference, tags }: PutManifest): Query {
  return 'tag' in reference ? [] : tags.map((tag) => ['tag', tag]);
}
