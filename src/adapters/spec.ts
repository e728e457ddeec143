import { PatternError } from '../core/pattern.ts';

/** A snapshot is from a version that says more than this one can read, or it is broken. */
export class SnapshotRefused extends Error {
  override readonly name: string = 'SnapshotRefused';
}

/** A JSON object that may have these names and no others, read strictly. */
export class Spec {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #place: string;

  /**
   * @param place as `tagRules[3]`, for errors
   * @throws SnapshotRefused
   */
  constructor(value: unknown, place: string, names: ReadonlySet<string>) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SnapshotRefused(`${place} is no object`);
    const unknown = Object.keys(value).find((name) => !names.has(name));
    if (unknown !== undefined)
      throw new SnapshotRefused(`${place} has ${JSON.stringify(unknown)}, which is unknown`);
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#place = place;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name);
  }

  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== 'string' || value === '') throw this.refused(name);
    return value;
  }

  number(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== 'number') throw this.refused(name);
    return value;
  }

  /** A name that says all by being there. */
  true(name: string): true {
    if (this.#fields[name] !== true) throw this.refused(name);
    return true;
  }

  list(name: string, namesOfItems: ReadonlySet<string>): readonly Spec[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) throw this.refused(name);
    return value.map((item, index) => new Spec(item, `${name}[${index}]`, namesOfItems));
  }

  objectIfGiven(name: string, names: ReadonlySet<string>): Spec | undefined {
    return this.has(name) ? new Spec(this.#fields[name], `${this.#place}.${name}`, names) : undefined;
  }

  parse<Value>(name: string, parse: (text: string) => Value): Value {
    const text = this.text(name);
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof PatternError || error instanceof SnapshotRefused)
        throw this.refused(name, error.message);
      throw error;
    }
  }

  parseIfGiven<Value>(name: string, parse: (text: string) => Value): Value | undefined {
    return this.has(name) ? this.parse(name, parse) : undefined;
  }

  refused(name: string, reason = 'not as it should be'): SnapshotRefused {
    return new SnapshotRefused(`${this.#place}.${name}: ${reason}`);
  }
}
