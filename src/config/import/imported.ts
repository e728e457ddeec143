/** A rule as a rules file has it, and where it comes from. */
export interface ImportedRule {
  readonly list: 'repository_rules' | 'tag_rules';
  /** As `GitLab's tag rule 7`. */
  readonly from: string;
  readonly fields: Readonly<Record<string, string | boolean>>;
}

/** What another registry's rules are here; with a problem nothing of it may be used. */
export interface Imported {
  readonly rules: readonly ImportedRule[];
  /** Why something cannot be said in a rules file. */
  readonly problems: readonly string[];
  /** What differs all the same, or was left out. */
  readonly notes: readonly string[];
}

/** Something that cannot be said in a rules file, or is not what it should be. */
export class Inexpressible extends Error {}

export type Json = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws Inexpressible */
export function textIn(object: Json, key: string): string | undefined {
  const value = object[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new Inexpressible(`its ${key} is no text`);
}

/** Converts each on its own: all that is wrong is told at once. */
export function importEach<Item>(
  items: readonly Item[],
  nameOf: (item: Item, index: number) => string,
  convert: (item: Item, name: string) => Partial<Imported>,
): Imported {
  const rules: ImportedRule[] = [];
  const problems: string[] = [];
  const notes: string[] = [];
  items.forEach((item, index) => {
    const name = nameOf(item, index);
    try {
      const imported = convert(item, name);
      rules.push(...(imported.rules ?? []));
      notes.push(...(imported.notes ?? []));
    } catch (error) {
      if (!(error instanceof Inexpressible)) throw error;
      problems.push(`${name}: ${error.message}`);
    }
  });
  return { rules, problems, notes };
}
