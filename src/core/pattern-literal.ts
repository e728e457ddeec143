/**
 * A piece of text that everything a pattern matches has, as its whole, at an end of it, or somewhere. It is told from the
 * pattern's source alone, so that most patterns need neither be compiled nor be asked.
 */
export interface Literal {
  readonly place: 'whole' | 'start' | 'end' | 'anywhere';
  readonly text: string;
}

/** Every text starts with nothing: where no literal can be proven. */
const nothing: Literal = { place: 'start', text: '' };

export function hasLiteral(text: string, literal: Literal): boolean {
  switch (literal.place) {
    case 'whole':
      return text === literal.text;
    case 'start':
      return text.startsWith(literal.text);
    case 'end':
      return text.endsWith(literal.text);
    case 'anywhere':
      return text.includes(literal.text);
  }
}

/** Of the pieces of a repository pattern between its wildcards. */
export function literalOfPieces(pieces: readonly string[]): Literal {
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return { place: 'whole', text: first };
  return mostTelling([{ place: 'start', text: first }, { place: 'end', text: last }, ...rest.map(somewhere)]);
}

/** Longer is rarer; of two that are as long the first, which may be tied to an end. */
function mostTelling(literals: readonly Literal[]): Literal {
  return literals.reduce(
    (best, literal) => (literal.text.length > best.text.length ? literal : best),
    nothing,
  );
}

function somewhere(text: string): Literal {
  return { place: 'anywhere', text };
}

const plainTag = /^(\^?)((?:[\w-]|\\[!-/:-@[-`{-~])+)(\$?)$/;

/**
 * A tag pattern that is nothing but a literal (`^latest$`, `^v1\.`, `-rc`): it is valid RE2, and matches whatever has the
 * literal. Undefined for every other pattern.
 */
export function literalThatIsAll(source: string): Literal | undefined {
  const [, start, escaped, end] = plainTag.exec(source) ?? [];
  if (escaped === undefined) return undefined;
  const place = start ? (end ? 'whole' : 'start') : end ? 'end' : 'anywhere';
  return { place, text: unescaped(escaped) };
}

function unescaped(text: string): string {
  return !text.includes('\\') ? text : text.replace(/\\(.)/g, '$1');
}

// A run of literals, or one other element of RE2's syntax; what is not known is not here.
const element = new RegExp(
  [
    /(?:[\w !"#%&',/:;<=>@`~\]}-]|\\[!-/:-@[-`{-~])+/,
    // After these the element before may be absent.
    /[*?]|\{\d*(?:,\d*)?\}/,
    /[()|]/,
    // A class; "]" is in it where it comes first.
    /\[\^?\]?(?:\[:\^?\w+:\]|\\[^]|[^\]\\])*\]/,
    /[.^$+]|\\[dDsSwWbBAz]/,
    /[^\0-\x7f]/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gy',
);
const groupWithFlags = /\(\?[a-zA-Z-]*\)/;

/**
 * A literal that a valid tag pattern requires. It may require more than is told here, never less: where alternatives,
 * flags or rare escapes make it hard to tell, nothing is required.
 */
export function requiredLiteral(source: string): Literal {
  const isTiedToStart = source.startsWith('^');
  const runs = literalRuns(isTiedToStart ? source.slice(1) : source);
  return mostTelling(
    runs.map((text, at) => (isTiedToStart && at === 0 ? { place: 'start', text } : somewhere(text))),
  );
}

/** The literals outside of groups, cut where anything else comes between; none where none must be there. */
function literalRuns(source: string): readonly string[] {
  const elements = source.match(element) ?? [];
  const isKnown = elements.join('') === source && !groupWithFlags.test(source);
  if (!isKnown) return [];
  const runs: string[] = [];
  let run = '';
  let depth = 0;
  for (const text of elements) {
    const first = text.charAt(0);
    if (first === '(') depth += 1;
    if (first === ')') depth -= 1;
    if (depth > 0) continue;
    if (first === '|') return [];
    if (isLiteral(text)) {
      run += unescaped(text);
      continue;
    }
    const isOptional = first === '*' || first === '?' || first === '{';
    runs.push(isOptional ? run.slice(0, -1) : run);
    run = '';
  }
  return [...runs, run];
}

function isLiteral(element: string): boolean {
  return !/^(?:[*?{()|[.^$+]|\\\w|[^\0-\x7f])/.test(element);
}
