import type { Trail } from './trail.ts';

/** The exchanges that are under way. A Set would take longer to add one than all that is counted of it. */
export class Running {
  readonly #trails: Trail[] = [];

  begin(trail: Trail): void {
    trail.place = this.#trails.length;
    this.#trails.push(trail);
  }

  end(trail: Trail): void {
    const last = this.#trails.pop();
    if (!last || last === trail) return;
    last.place = trail.place;
    this.#trails[trail.place] = last;
  }

  all(): readonly Trail[] {
    return this.#trails;
  }
}
