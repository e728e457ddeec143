/** A JSON value as it is written: no key is dropped, merged or respelt. */
export type JsonNode = string | boolean | null | JsonNumber | JsonArray | JsonObject;

export interface JsonNumber {
  /** As written: `1e400` is valid, whatever a reader makes of it. */
  readonly number: string;
}

export interface JsonArray {
  readonly items: readonly JsonNode[];
}

export interface JsonObject {
  readonly members: readonly JsonMember[];
}

export type JsonMember = readonly [key: string, value: JsonNode];

// RFC 8259, section 9, lets a reader set a limit; no manifest is nearly as deep.
const depthLimit = 200;

export function isJsonArray(node: JsonNode): node is JsonArray {
  return typeof node === 'object' && node !== null && 'items' in node;
}

export function isJsonObject(node: JsonNode): node is JsonObject {
  return typeof node === 'object' && node !== null && 'members' in node;
}

/** Reads a text that is one JSON value (RFC 8259); undefined where it is not, or is more than 200 levels deep. */
export function readJson(text: string): JsonNode | undefined {
  const tokens = new Tokens(text);
  const value = readValue(tokens.take(), tokens, 0);
  return tokens.take() === endOfText ? value : undefined;
}

/** The string literals of a text, JSON or not, with their quotes; one that is left open is none. */
export function stringLiteralsIn(text: string): readonly string[] {
  const literals: string[] = [];
  for (let start = text.indexOf('"'); start >= 0;) {
    const end = endOfLiteral(text, start);
    // What is left holds no quote but escaped ones: each would be looked for to the end again.
    if (end === undefined) break;
    literals.push(text.slice(start, end));
    start = text.indexOf('"', end);
  }
  return literals;
}

const validEscape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/g;

/** What a string literal says; undefined where it has an unknown escape or a bare control character. */
export function readStringLiteral(literal: string): string | undefined {
  // Not told by what JSON.parse throws: a million errors, for a body of a million bad literals, take many seconds.
  const isValid = !/[^ -\uffff]/.test(literal) && !literal.replace(validEscape, '').includes('\\');
  return isValid ? (JSON.parse(literal) as string) : undefined;
}

const endOfText = '';

class Tokens {
  readonly #text: string;
  readonly #token =
    /[ \t\n\r]*([{}[\],:"]|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|$)/y;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next token, `endOfText` after the last; undefined where there is none, after which nothing is to be taken. */
  take(): string | undefined {
    const token = this.#token.exec(this.#text)?.[1];
    if (token !== '"') return token;
    const start = this.#token.lastIndex - 1;
    const end = endOfLiteral(this.#text, start);
    if (end === undefined) return undefined;
    this.#token.lastIndex = end;
    return this.#text.slice(start, end);
  }
}

/** Step by step: as one regular expression, a literal of some megabytes would overflow the stack. */
function endOfLiteral(text: string, start: number): number | undefined {
  const quoteOrEscape = /"|\\./gs;
  quoteOrEscape.lastIndex = start + 1;
  for (let found = quoteOrEscape.exec(text); found; found = quoteOrEscape.exec(text)) {
    if (found[0] === '"') return quoteOrEscape.lastIndex;
  }
  return undefined;
}

function readValue(token = '', tokens: Tokens, depth: number): JsonNode | undefined {
  switch (token.charAt(0)) {
    case '{': {
      const members = readList('}', tokens, depth, readMember);
      return members && { members };
    }
    case '[': {
      const items = readList(']', tokens, depth, readValue);
      return items && { items };
    }
    case '"':
      return readStringLiteral(token);
    default:
      return readScalar(token);
  }
}

function readScalar(token: string): JsonNode | undefined {
  if (token === 'null') return null;
  if (token === 'true' || token === 'false') return token === 'true';
  return /^[-0-9]/.test(token) ? { number: token } : undefined;
}

type Read<Item> = (token: string | undefined, tokens: Tokens, depth: number) => Item | undefined;

/** What stands between two brackets, of which the first is read. */
function readList<Item>(
  closing: ']' | '}',
  tokens: Tokens,
  depth: number,
  read: Read<Item>,
): readonly Item[] | undefined {
  if (depth >= depthLimit) return undefined;
  const list: Item[] = [];
  let token = tokens.take();
  if (token === closing) return list;
  for (;;) {
    const item = read(token, tokens, depth + 1);
    if (item === undefined) return undefined;
    list.push(item);
    const separator = tokens.take();
    if (separator === closing) return list;
    if (separator !== ',') return undefined;
    token = tokens.take();
  }
}

function readMember(token = '', tokens: Tokens, depth: number): JsonMember | undefined {
  const key = token.startsWith('"') ? readStringLiteral(token) : undefined;
  if (key === undefined || tokens.take() !== ':') return undefined;
  const value = readValue(tokens.take(), tokens, depth);
  return value === undefined ? undefined : [key, value];
}
