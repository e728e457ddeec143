import type { Digest, Tag } from './reference.ts';

/** A tag that would break without some digest. */
export interface NeedingTag {
  readonly tag: Tag;
  /** Only as a signature, say, of what the tag needs: through a `subject`, or a tag that is named after it. */
  readonly isReferrer: boolean;
}

/** Who needs a digest: as a part, or because it refers to them. */
interface Needing {
  readonly parents: Set<Digest>;
  readonly subjects: Set<Digest>;
}

/**
 * What the tags of a repository need, held from what is needed to who needs it: a delete asks upwards. Edges are only
 * ever added, so that a graph says too much at worst.
 */
export class NeedGraph {
  readonly #base: NeedGraph | undefined;
  readonly #tags = new Map<Digest, Set<Tag>>();
  readonly #needing = new Map<Digest, Needing>();

  /** @param base what is known already; it stays as it is */
  constructor(base?: NeedGraph) {
    this.#base = base;
  }

  /** A tag points to a manifest. */
  point(tag: Tag, digest: Digest): void {
    const tags = this.#tags.get(digest);
    if (tags) tags.add(tag);
    else this.#tags.set(digest, new Set([tag]));
  }

  /** A manifest needs its parts. */
  need(parent: Digest, parts: Iterable<Digest>): void {
    for (const part of parts) this.#needingOf(part).parents.add(parent);
  }

  /** A manifest is there for the sake of what it refers to. */
  refer(referrer: Digest, subjects: Iterable<Digest>): void {
    for (const subject of subjects) this.#needingOf(referrer).subjects.add(subject);
  }

  /** The tags that would break without these digests, those first that need them as parts. */
  *tagsNeeding(targets: Iterable<Digest>): Generator<NeedingTag> {
    const seen = new Set(targets);
    const asReferrer = new Set<Digest>();
    // A set is visited in the order of insertion, with what is added meanwhile.
    for (const digest of seen) {
      for (const tag of this.#tagsOf(digest)) yield { tag, isReferrer: false };
      for (const parent of this.#parentsOf(digest)) seen.add(parent);
      for (const subject of this.#subjectsOf(digest)) asReferrer.add(subject);
    }
    for (const digest of asReferrer) {
      if (seen.has(digest)) continue;
      for (const tag of this.#tagsOf(digest)) yield { tag, isReferrer: true };
      for (const parent of this.#parentsOf(digest)) asReferrer.add(parent);
      for (const subject of this.#subjectsOf(digest)) asReferrer.add(subject);
    }
  }

  *#tagsOf(digest: Digest): Generator<Tag> {
    yield* this.#tags.get(digest) ?? [];
    if (this.#base) yield* this.#base.#tagsOf(digest);
  }

  *#parentsOf(digest: Digest): Generator<Digest> {
    yield* this.#needing.get(digest)?.parents ?? [];
    if (this.#base) yield* this.#base.#parentsOf(digest);
  }

  *#subjectsOf(digest: Digest): Generator<Digest> {
    yield* this.#needing.get(digest)?.subjects ?? [];
    if (this.#base) yield* this.#base.#subjectsOf(digest);
  }

  #needingOf(digest: Digest): Needing {
    const known = this.#needing.get(digest);
    if (known) return known;
    const needing = { parents: new Set<Digest>(), subjects: new Set<Digest>() };
    this.#needing.set(digest, needing);
    return needing;
  }
}
