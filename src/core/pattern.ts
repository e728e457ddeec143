import { RE2JS } from 're2js';

/** A pattern, compiled once. Matching takes linear time, whatever the pattern. */
export interface Pattern {
  readonly source: string;
  matches(text: string): boolean;
}

/** The message says what is wrong with the pattern, for the one who wrote the rule. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

const repositoryPatternLengthLimit = 255;
const tagPatternLengthLimit = 1000;
const repositoryPatternGrammar = /^[A-Za-z0-9*](?:[A-Za-z0-9._:*-]|\/(?!\/|$))*$/;

/**
 * GitLab's wildcard: `*` is any run of characters, "/" and none included; the whole path, in any case.
 * @throws PatternError
 */
export function compileRepositoryPattern(source: string): Pattern {
  if (source.length > repositoryPatternLengthLimit) {
    throw new PatternError(`longer than ${repositoryPatternLengthLimit} characters`);
  }
  if (!repositoryPatternGrammar.test(source)) {
    throw new PatternError(
      'not a repository path with optional wildcards (*); regular expressions are for tags',
    );
  }
  const pieces = source.toLowerCase().split('*');
  return { source, matches: (path) => matchesPieces(pieces, path.toLowerCase()) };
}

/** Leftmost match of each piece between two wildcards: linear, for a piece never has to be given back. */
function matchesPieces(pieces: readonly string[], path: string): boolean {
  const [first = '', ...rest] = pieces;
  const last = rest.pop();
  if (last === undefined) return path === first;
  if (!path.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = path.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return path.length - last.length >= at && path.endsWith(last);
}

/**
 * RE2 syntax, unanchored and case-sensitive as GitLab's: `ta` matches `tag1`.
 * @throws PatternError
 */
export function compileTagPattern(source: string): Pattern {
  if (source === '') throw new PatternError('empty; for every tag write .*');
  if (source.length > tagPatternLengthLimit) {
    throw new PatternError(`longer than ${tagPatternLengthLimit} characters`);
  }
  try {
    const expression = RE2JS.compile(source);
    return { source, matches: (tag) => expression.test(tag) };
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : String(error));
  }
}
