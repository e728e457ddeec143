import type { Pattern } from './pattern.ts';
import type { Literal } from './pattern-literal.ts';

/** So few are asked one by one. */
const few = 8;

interface Entry<Value> {
  readonly position: number;
  readonly pattern: Pattern;
  readonly value: Value;
}

/** Tells which of many patterns match a text, by asking only those whose literal is in the text. */
export class PatternIndex<Value> {
  readonly #entries: readonly Entry<Value>[];
  #shelves: Readonly<Record<Literal['place'], Shelf<Entry<Value>>>> | undefined;

  constructor(values: readonly Value[], patternOf: (value: Value) => Pattern) {
    this.#entries = values.map((value, position) => ({ position, pattern: patternOf(value), value }));
  }

  /** In the order in which they were given. The text is compared with literals as it is: also in case. */
  matching(text: string): readonly Value[] {
    if (this.#entries.length <= few) return valuesOf(this.#entries, text);
    return valuesOf(this.#candidates(text), text);
  }

  #candidates(text: string): readonly Entry<Value>[] {
    this.#shelves ??= shelve(this.#entries);
    const { whole, start, end, anywhere } = this.#shelves;
    const candidates = [
      ...whole.equalTo(text),
      ...start.atStartOf(text),
      ...end.atEndOf(text),
      ...anywhere.within(text),
    ];
    return candidates.sort((a, b) => a.position - b.position);
  }
}

/** Of those that match, in their order. */
function valuesOf<Value>(entries: readonly Entry<Value>[], text: string): readonly Value[] {
  const values: Value[] = [];
  for (const { pattern, value } of entries) if (pattern.matches(text)) values.push(value);
  return values;
}

function shelve<Value>(entries: readonly Entry<Value>[]): Record<Literal['place'], Shelf<Entry<Value>>> {
  const shelves = {
    whole: new Shelf<Entry<Value>>(),
    start: new Shelf<Entry<Value>>(),
    end: new Shelf<Entry<Value>>(),
    anywhere: new Shelf<Entry<Value>>(),
  };
  for (const entry of entries) {
    const { place, text } = entry.pattern.literal;
    shelves[place].add(text, entry);
  }
  return shelves;
}

/** Items by a text. The texts have few lengths, so each piece of a longer text that has such a length is looked up. */
class Shelf<Item> {
  readonly #items = new Map<string, Item[]>();
  readonly #lengths = new Set<number>();

  add(text: string, item: Item): void {
    const items = this.#items.get(text);
    if (items) items.push(item);
    else this.#items.set(text, [item]);
    this.#lengths.add(text.length);
  }

  equalTo(text: string): readonly Item[] {
    return this.#items.get(text) ?? [];
  }

  atStartOf(text: string): readonly Item[] {
    return this.#of(this.#lengthsIn(text).map((length) => text.slice(0, length)));
  }

  atEndOf(text: string): readonly Item[] {
    return this.#of(this.#lengthsIn(text).map((length) => text.slice(text.length - length)));
  }

  within(text: string): readonly Item[] {
    const pieces: string[] = [];
    for (const length of this.#lengthsIn(text)) {
      for (let at = 0; at + length <= text.length; at += 1) pieces.push(text.slice(at, at + length));
    }
    return this.#of(pieces);
  }

  #lengthsIn(text: string): readonly number[] {
    return [...this.#lengths].filter((length) => length <= text.length);
  }

  /** A piece that is there twice counts once. */
  #of(pieces: readonly string[]): readonly Item[] {
    const found = new Set<readonly Item[]>();
    for (const piece of pieces) {
      const items = this.#items.get(piece);
      if (items) found.add(items);
    }
    return [...found].flat();
  }
}
