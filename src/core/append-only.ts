import {
  isJsonArray,
  isJsonObject,
  readJson,
  type JsonMember,
  type JsonNode,
  type JsonObject,
} from './json-document.ts';
import { ambiguityIn, quoted } from './manifest-ambiguity.ts';
import { abbreviateDigest, isDigest, type Digest } from './reference.ts';
import type { ReferrerTag } from './referrer-tag.ts';

interface Kind {
  readonly name: string;
  readonly mediaTypes: readonly JsonNode[];
  /** Where what may be added stands. */
  readonly list: string;
  /** Descriptors, of what follows from the list. */
  readonly mayChange: readonly string[];
  /** What would make it a manifest of another kind to some readers. */
  readonly foreign: readonly string[];
}

const kinds: Readonly<Record<ReferrerTag['kind'], Kind>> = {
  index: {
    name: 'an OCI index',
    mediaTypes: ['application/vnd.oci.image.index.v1+json'],
    list: 'manifests',
    mayChange: [],
    foreign: ['config', 'layers', 'fsLayers', 'blobs'],
  },
  cosign: {
    name: 'an image manifest',
    mediaTypes: [
      'application/vnd.oci.image.manifest.v1+json',
      'application/vnd.docker.distribution.manifest.v2+json',
    ],
    list: 'layers',
    // cosign's lists the layers, or says when it was made.
    mayChange: ['config'],
    foreign: ['manifests', 'fsLayers', 'blobs'],
  },
};

/** A manifest that every reader reads alike. */
interface Growable {
  readonly fields: ReadonlyMap<string, JsonNode>;
  readonly list: readonly Descriptor[];
}

interface Descriptor {
  readonly digest: Digest;
  /** All of it, in one spelling. */
  readonly whole: string;
}

/**
 * Why a manifest may not be pushed to a tag that may grow and never shrink (`parseReferrerTag`), in words for the
 * client; undefined: it may.
 * @param before the manifest that is there, as text; undefined: none
 */
export function judgeGrowth(
  kind: ReferrerTag['kind'],
  named: Digest,
  before: string | undefined,
  after: string,
): string | undefined {
  const grown = readGrowable(kinds[kind], after);
  if (typeof grown === 'string') return `it ${grown}`;
  if (before === undefined) return judgeSubject(grown, named);
  const there = readGrowable(kinds[kind], before);
  if (typeof there === 'string') return `what is there cannot be added to: it ${there}`;
  return judgeFields(kinds[kind], there, grown) ?? judgeList(there, grown);
}

/** Where it is no such manifest, why, in words that follow "it". */
function readGrowable({ name, mediaTypes, list, mayChange, foreign }: Kind, text: string): Growable | string {
  const root = readJson(text);
  if (root === undefined) return 'is no valid JSON';
  const ambiguity = ambiguityIn(root);
  if (ambiguity !== undefined) return ambiguity;
  const fields = new Map(membersOf(root));
  const mediaType = fields.get('mediaType');
  if (mediaType !== undefined && !mediaTypes.includes(mediaType)) return `is not ${name} by its media type`;
  if (!isSame(fields.get('schemaVersion'), { number: '2' })) return `is not ${name} of schema version 2`;
  const items = fields.get(list) ?? null;
  if (!isJsonArray(items)) return `is not ${name}: it has no ${list}`;
  const other = foreign.find((key) => fields.has(key));
  if (other !== undefined) return `is not ${name} to everybody: it has ${other}`;
  const descriptors = items.items.map(readDescriptor);
  const isWhole = mayChange.every((key) => readDescriptor(fields.get(key) ?? null));
  if (!isWhole || descriptors.includes(undefined)) return 'has something that is no descriptor';
  if (!isAnnotations(fields.get('annotations'))) return 'has annotations that are no strings';
  return { fields, list: descriptors.filter((descriptor) => descriptor !== undefined) };
}

/** What a client cannot decode in one of them would keep it from reading the others. */
function readDescriptor(node: JsonNode): Descriptor | undefined {
  const fields = new Map(membersOf(node));
  const digest = fields.get('digest');
  const size = fields.get('size') ?? null;
  const isSized =
    typeof size === 'object' && size !== null && 'number' in size && /^\d{1,18}$/.test(size.number);
  if (typeof digest !== 'string' || !isDigest(digest)) return undefined;
  if (!isSized || typeof fields.get('mediaType') !== 'string') return undefined;
  return isAnnotations(fields.get('annotations')) ? { digest, whole: spelt(node) } : undefined;
}

function isAnnotations(node: JsonNode | undefined): boolean {
  if (node === undefined) return true;
  return isJsonObject(node) && node.members.every(([, value]) => typeof value === 'string');
}

function judgeSubject({ fields }: Growable, named: Digest): string | undefined {
  const subject = fields.get('subject');
  if (subject === undefined || readDescriptor(subject)?.digest === named) return undefined;
  return `its subject is not ${abbreviateDigest(named)}, which the tag names`;
}

function judgeFields({ list, mayChange }: Kind, before: Growable, after: Growable): string | undefined {
  const [old, now] = [before.fields, after.fields];
  if (!isSame(old.get('mediaType'), now.get('mediaType'))) return 'its media type changes';
  const free = new Set([list, 'annotations', ...mayChange]);
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    if (!free.has(key) && !isSame(old.get(key), now.get(key))) return `its ${quoted(key)} changes`;
  }
  const annotations = new Map(membersOf(now.get('annotations') ?? null));
  for (const [key, value] of membersOf(old.get('annotations') ?? null)) {
    if (annotations.get(key) !== value)
      return `it drops or changes the annotation ${quoted(key)}, which is there`;
  }
  return undefined;
}

/** Of two that are alike, two must stay. */
function judgeList(before: Growable, after: Growable): string | undefined {
  const left = new Map<string, number>();
  for (const { whole } of after.list) left.set(whole, (left.get(whole) ?? 0) + 1);
  for (const { digest, whole } of before.list) {
    const count = left.get(whole) ?? 0;
    left.set(whole, count - 1);
    if (count > 0) continue;
    // Signatures by several keys differ in their annotations alone.
    const isNamed = after.list.some((descriptor) => descriptor.digest === digest);
    return `it drops ${isNamed ? 'or changes a descriptor of ' : ''}${abbreviateDigest(digest)}, which is there`;
  }
  return undefined;
}

function membersOf(node: JsonNode): readonly JsonMember[] {
  return isJsonObject(node) ? node.members : [];
}

function isSame(one: JsonNode | undefined, other: JsonNode | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return spelt(one) === spelt(other);
}

/** The same text for the same value, whatever the order of keys and the escapes. */
function spelt(node: JsonNode): string {
  if (isJsonArray(node)) return `[${node.items.map(spelt).join()}]`;
  if (isJsonObject(node)) return `{${speltMembers(node)}}`;
  return typeof node === 'object' && node !== null ? node.number : JSON.stringify(node);
}

function speltMembers({ members }: JsonObject): string {
  const written = members.map(([key, value]) => `${JSON.stringify(key)}:${spelt(value)}`);
  return written.sort().join();
}
