import {
  isJsonArray,
  isJsonObject,
  readJson,
  readStringLiteral,
  stringLiteralsIn,
  type JsonNode,
  type JsonObject,
} from './json-document.ts';
import { isDigest, type Digest } from './reference.ts';

/** What one manifest needs, however its reader takes duplicate or differently cased keys. */
export interface ManifestNeeds {
  /** Listed where a client looks for manifests: each may be one. */
  readonly children: readonly Digest[];
  /** Config, layers, artifact blobs: pulled by digest, never followed. */
  readonly blobs: readonly Digest[];
  /** The manifest(s) that it says it is about. */
  readonly subjects: readonly Digest[];
}

const manifestTypes: ReadonlySet<JsonNode> = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);
// BuildKit's cache index lists layers, and its own configuration, under `manifests`.
const blobTypes = /\.image\.(?:layer|rootfs|config)\.|\.container\.image\.v1\+json|buildkit\.cacheconfig/;

/** What is no JSON may be JSON to another reader: every digest that it names counts as child and as blob. */
export function readNeeds(text: string): ManifestNeeds {
  const root = readJson(text);
  if (root !== undefined) return needsOf(root);
  const digests = digestsNamedIn(text);
  return { children: digests, blobs: digests, subjects: [] };
}

/**
 * Every digest that a document names anywhere: a superset of what any client would pull by it, however its parser
 * reads keys that are there twice or spelt in another case.
 */
export function digestsNamedIn(document: string): readonly Digest[] {
  const named = new Set<Digest>();
  for (const literal of stringLiteralsIn(document)) {
    // Go's parser reads `\u0073ha256:…` too.
    const text = literal.includes('\\') ? readStringLiteral(literal) : literal.slice(1, -1);
    if (text !== undefined && isDigest(text)) named.add(text);
  }
  return [...named];
}

function needsOf(root: JsonNode): ManifestNeeds {
  const lists = valuesAt(root, 'manifests').filter(isJsonArray);
  const listed = new Set<JsonNode>(lists.flatMap((list) => list.items));
  const children = new Set<Digest>();
  const blobs = new Set<Digest>();
  for (const object of objectsIn(withoutSubject(root))) {
    const digests = digestsOf(object);
    if (digests.length === 0) continue;
    const types = valuesAt(object, 'mediatype');
    const isListed = listed.has(object);
    // Go decodes a second list into the elements of the first, which keep what it leaves out (golang/go#21092).
    const isTyped = lists.length === 1 && isTypedForEveryReader(object);
    const isChild = isListed ? !(isTyped && types.every(isBlobType)) : types.some(isManifestType);
    const isBlob = !(isListed && isTyped && types.every(isManifestType));
    for (const digest of digests) {
      if (isChild) children.add(digest);
      if (isBlob) blobs.add(digest);
    }
  }
  const subjects = new Set(valuesAt(root, 'subject').flatMap(objectsIn).flatMap(digestsOf));
  return { children: [...children], blobs: [...blobs], subjects: [...subjects] };
}

/** To one that minds the case, a `MediaType` is none. */
function isTypedForEveryReader({ members }: JsonObject): boolean {
  return members.some(([key]) => key === 'mediaType');
}

function isManifestType(type: JsonNode): boolean {
  return manifestTypes.has(type);
}

function isBlobType(type: JsonNode): boolean {
  return typeof type === 'string' && blobTypes.test(type);
}

function withoutSubject(root: JsonNode): JsonNode {
  if (!isJsonObject(root)) return root;
  return { members: root.members.filter(([key]) => folded(key) !== 'subject') };
}

/** Those in annotations are left out: they name base images, which are not pulled. */
function objectsIn(root: JsonNode): readonly JsonObject[] {
  const nodes = [root];
  // It grows while it is walked.
  for (const node of nodes) {
    if (isJsonArray(node)) for (const item of node.items) nodes.push(item);
    if (!isJsonObject(node)) continue;
    for (const [key, value] of node.members) {
      if (!(isJsonObject(value) && folded(key) === 'annotations')) nodes.push(value);
    }
  }
  return nodes.filter(isJsonObject);
}

// The second is schema 1's.
const digestKeys: ReadonlySet<string> = new Set(['digest', 'blobsum']);

function digestsOf({ members }: JsonObject): readonly Digest[] {
  const texts = members.filter(([key]) => digestKeys.has(folded(key))).map(([, value]) => value);
  return texts.filter((text): text is Digest => typeof text === 'string' && isDigest(text));
}

/** Every value under a key, which is given folded. */
function valuesAt(node: JsonNode, key: string): readonly JsonNode[] {
  if (!isJsonObject(node)) return [];
  return node.members.filter(([name]) => folded(name) === key).map(([, value]) => value);
}

/** As Go's encoding/json does (fold.go): of all letters, only ſ and the Kelvin sign fold to ASCII too. */
function folded(key: string): string {
  return key.replaceAll('\u017f', 's').toLowerCase();
}
