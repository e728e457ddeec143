import { isJsonArray, isJsonObject, type JsonMember, type JsonNode } from './json-document.ts';

// What readers of manifests know by name, where they stand in an index, an image manifest or a descriptor.
const knownKeys: ReadonlyMap<string, string> = new Map(
  [
    ...[
      'schemaVersion',
      'mediaType',
      'artifactType',
      'subject',
      'annotations',
      'manifests',
      'config',
      'layers',
    ],
    ...['blobs', 'fsLayers', 'digest', 'size', 'urls', 'data', 'platform', 'architecture', 'os', 'variant'],
    ...['features', 'os.version', 'os.features'],
  ].map((key) => [folded(key), key]),
);

/** Where two readers of a manifest could read it differently, in words that follow "it"; undefined: nowhere. */
export function ambiguityIn(root: JsonNode): string | undefined {
  const nodes = [root];
  const maps = new Set<JsonNode>();
  // It grows while it is walked.
  for (const node of nodes) {
    if (isJsonArray(node)) for (const item of node.items) nodes.push(item);
    if (!isJsonObject(node)) continue;
    // The keys of annotations are anybody's, and no reader takes one for another.
    const ambiguity = maps.has(node) ? ambiguityOfMap(node.members) : ambiguityOfFields(node.members);
    if (ambiguity !== undefined) return ambiguity;
    for (const [key, value] of node.members) {
      if (key === 'annotations') maps.add(value);
      nodes.push(value);
    }
  }
  return undefined;
}

/** Of a key that is there twice, JavaScript takes the last value, others the first, and Go may merge the two. */
function ambiguityOfMap(members: readonly JsonMember[]): string | undefined {
  const seen = new Set<string>();
  for (const [key] of members) {
    if (seen.has(key)) return `has the key ${quoted(key)} twice`;
    // To Go all of these are one and the same character.
    if (/\p{Surrogate}/u.test(key)) return `has the key ${quoted(key)}, which is no text`;
    seen.add(key);
  }
  return undefined;
}

/** Go takes `Layers` for `layers`, and others do not. */
function ambiguityOfFields(members: readonly JsonMember[]): string | undefined {
  const twice = ambiguityOfMap(members);
  if (twice !== undefined) return twice;
  const seen = new Map<string, string>();
  for (const [key] of members) {
    const other = seen.get(folded(key)) ?? knownKeys.get(folded(key)) ?? key;
    if (other !== key) return `has the key ${quoted(key)}, which some read as ${quoted(other)}`;
    seen.set(folded(key), key);
  }
  return undefined;
}

/** Both ways: `ſ` and the Kelvin sign are letters of ASCII to Go. */
function folded(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** As long as a public message may be: what is quoted was written by the client. */
export function quoted(key: string): string {
  return JSON.stringify(key.length > 60 ? `${key.slice(0, 60)}…` : key);
}
