import { isAlias, isMap, isScalar, isSeq, type ParsedNode } from 'yaml';
import { Invalid, type Complaints } from './complaints.ts';
import { didYouMean } from './suggestion.ts';

type ScalarType = 'string' | 'number' | 'boolean';
const scalarNames = { string: 'text', number: 'a number', boolean: 'true or false' } as const;

/** The values of a mapping by their keys. */
export interface Fields<Name extends string> {
  readonly size: number;
  has(name: Name): boolean;
  get(name: Name): Entry | undefined;
}

/** One value of a document, with its place. What it cannot give it complains of, and gives undefined. */
export class Entry {
  /** As `tag_rules[2].immutable`; empty for the whole document. */
  readonly place: string;
  readonly #node: ParsedNode | null;
  readonly #complaints: Complaints;
  readonly #offset: number;

  constructor(node: ParsedNode | null, complaints: Complaints, place = '', offset = 0) {
    this.place = place;
    this.#node = node;
    this.#complaints = complaints;
    this.#offset = node?.range[0] ?? offset;
  }

  get isEmpty(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  get isMapping(): boolean {
    return isMap(this.#node);
  }

  /** As `12:3`. */
  get position(): string {
    return this.#complaints.positionOf(this.#offset);
  }

  complain(message: string, offset = this.#offset): void {
    this.#complaints.add(offset, this.place, message);
  }

  /** Of a mapping; any other key than the names, and a key that is given twice, is complained of. */
  fields<Name extends string>(names: readonly Name[]): Fields<Name> | undefined {
    if (!isMap(this.#node)) {
      this.#complainOfType(`a mapping with ${names.join(', ')}`);
      return undefined;
    }
    const fields = new Map<Name, Entry>();
    for (const { key, value } of this.#node.items) {
      // Any other key is a syntax error already.
      if (!isScalar(key) || typeof key.value !== 'string') continue;
      const text = key.value;
      const name = names.find((candidate) => candidate === text);
      const first = name && fields.get(name);
      if (!name) this.complain(`unknown key ${quote(text)}${didYouMean(text, names)}`, key.range[0]);
      else if (first) this.complain(`key "${name}" is given twice, first at ${first.position}`, key.range[0]);
      else fields.set(name, this.#child(value, this.#placeOf(name), key.range[0]));
    }
    return fields;
  }

  items(): readonly Entry[] | undefined {
    if (!isSeq(this.#node)) {
      this.#complainOfType('a list ([] for none)');
      return undefined;
    }
    const offset = this.#offset;
    return this.#node.items.map((item, index) => this.#child(item, `${this.place}[${index}]`, offset));
  }

  boolean(): boolean | undefined {
    const text = this.#scalar('boolean');
    return text === undefined ? undefined : text === 'true';
  }

  oneOf<Choice extends string>(choices: readonly Choice[]): Choice | undefined {
    return this.parse((text) => chooseFrom(choices, text));
  }

  /** What `parse` makes of the text; an Invalid that it throws becomes a complaint. */
  parse<Value>(parse: (text: string) => Value, type: ScalarType = 'string'): Value | undefined {
    const text = this.#scalar(type);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      this.complain(error.message);
      return undefined;
    }
  }

  /** A scalar of the type as it was written: `0x10` stays `0x10`, so that numbers are read in one way only. */
  #scalar(type: ScalarType): string | undefined {
    if (!isScalar(this.#node) || typeof this.#node.value !== type) {
      this.#complainOfType(scalarNames[type]);
      return undefined;
    }
    return type === 'number' ? this.#node.source : String(this.#node.value);
  }

  #child(node: ParsedNode | null, place: string, offset: number): Entry {
    return new Entry(node, this.#complaints, place, offset);
  }

  #placeOf(name: string): string {
    return this.place === '' ? name : `${this.place}.${name}`;
  }

  #complainOfType(expected: string): void {
    // An alias is complained of as such already.
    if (isAlias(this.#node)) return;
    const mend = expected === scalarNames.string ? '; put quotes around it' : '';
    if (this.isEmpty) this.complain(`is empty; it must be ${expected}`);
    else this.complain(`must be ${expected}, not ${describe(this.#node)}${mend}`);
  }
}

function describe(node: ParsedNode | null): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node)) return 'nothing';
  return typeof node.value === 'string' ? quote(node.source) : node.source;
}

/** @throws Invalid */
export function chooseFrom<Choice extends string>(choices: readonly Choice[], text: string): Choice {
  const chosen = choices.find((choice) => choice === text);
  if (chosen !== undefined) return chosen;
  throw new Invalid(`must be one of ${choices.join(', ')}, not ${quote(text)}${didYouMean(text, choices)}`);
}

/** In a message: on one line, and not longer than one can read. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
