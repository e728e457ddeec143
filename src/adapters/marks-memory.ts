import type { DeleteMark } from '../core/ports.ts';
import type { Digest, Repository } from '../core/reference.ts';

interface Mark {
  readonly target: Digest;
  readonly expiresAtMs: number;
}

/** The marks of deletes by digest of one process: each has an id of its own, for two deletes may have one target. */
export class InMemoryMarks {
  readonly #marks = new Map<Repository, Map<string, Mark>>();

  /** Sets or prolongs. */
  set({ repository, id, target }: DeleteMark, expiresAtMs: number): void {
    const marks = this.#marks.get(repository) ?? new Map<string, Mark>();
    this.#marks.set(repository, marks.set(id, { target, expiresAtMs }));
  }

  has({ repository, id }: DeleteMark, nowMs: number): boolean {
    return this.#live(repository, nowMs).has(id);
  }

  remove({ repository, id }: DeleteMark): void {
    this.#marks.get(repository)?.delete(id);
  }

  /** The first target that is among what a manifest needs. */
  targetAmong(needs: readonly Digest[], repository: Repository, nowMs: number): Digest | undefined {
    for (const { target } of this.#live(repository, nowMs).values())
      if (needs.includes(target)) return target;
    return undefined;
  }

  #live(repository: Repository, nowMs: number): ReadonlyMap<string, Mark> {
    const marks = this.#marks.get(repository) ?? new Map<string, Mark>();
    for (const [id, { expiresAtMs }] of marks) if (expiresAtMs <= nowMs) marks.delete(id);
    if (marks.size === 0) this.#marks.delete(repository);
    return marks;
  }
}
