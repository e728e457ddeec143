import { formatReference, type Digest, type Reference, type Repository, type Tag } from './reference.ts';
import { withQuery, type Query } from './target.ts';

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
  /** The target at the upstream, as the upstream wrote it, where `session` is only our name for it. */
  readonly location?: string;
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

/** The request line that goes upstream, printed from what was judged. */
export function printOperation(operation: Operation): { readonly method: string; readonly target: string } {
  const [method, path, query] = printParts(operation);
  return { method, target: withQuery(path, query) };
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
      return [
        operation.method,
        operation.location ?? `${base}/blobs/uploads/${operation.session}`,
        operation.query,
      ];
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
